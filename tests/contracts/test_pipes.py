"""Servers as processes: nothing of them is left, however they or we end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from paste_mcp.proxy import pipes
from paste_mcp.proxy.pipes import server_pipe

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")]


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(pipes, "GRACE_S", 0.3)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode == 0
    return state != "Z"


async def gone(*pids):
    with anyio.fail_after(10):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - the kernel tells nobody but the parent
            await anyio.sleep(0.01)


async def pids_of(pipe):
    with anyio.fail_after(20):
        return [int(pid) for pid in (await pipe.read_line()).split()]


POLITE = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
DEAF = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
STUBBORN = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(os.getpid(), flush=True);"
    " time.sleep(600)"
)
PARENT = (
    "import os, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    " print(os.getpid(), child.pid, flush=True); sys.stdin.read()"
)
CHATTY = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read(); print('x' * 5_000_000, flush=True)"


@pytest.mark.parametrize("program", [POLITE, DEAF, STUBBORN, PARENT, CHATTY], ids=lambda p: p[:40])
async def test_a_server_and_what_it_started_are_gone_when_its_pipe_is_closed(program):
    async with server_pipe(sys.executable, ["-c", program], os.environ, None) as pipe:
        pids = await pids_of(pipe)
        assert all(alive(pid) for pid in pids)
    await gone(*pids)


async def test_a_polite_server_ends_by_itself(tmp_path):
    deadly = (
        "import os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: os._exit(3)); print(os.getpid(), flush=1)"
    )
    polite = f"{deadly}; sys.stdin.read(); open(os.environ['MARK'], 'w').close()"
    mark = tmp_path / "ended by itself"
    async with server_pipe(sys.executable, ["-c", polite], {**os.environ, "MARK": str(mark)}, None) as pipe:
        await pids_of(pipe)
    assert mark.exists()


async def test_a_server_that_cannot_be_started_is_an_error_of_the_system():
    with pytest.raises(FileNotFoundError):
        async with server_pipe("no-such-program", [], {}, None):
            pass


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word to a child is Linux's")
async def test_a_deaf_server_dies_with_a_proxy_that_was_killed():
    proxy = (
        "import anyio, os, sys\n"
        "from paste_mcp.proxy.pipes import server_pipe\n"
        "async def main():\n"
        f"    async with server_pipe(sys.executable, ['-c', {DEAF!r}], os.environ, None) as pipe:\n"
        "        sys.stdout.write((await pipe.read_line()).decode()); sys.stdout.flush()\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main)\n"
    )
    async with await anyio.open_process([sys.executable, "-c", proxy]) as process:
        with anyio.fail_after(30):
            server = int(await process.stdout.receive())
        assert alive(server)
        process.send_signal(signal.SIGKILL)
    await gone(server)
