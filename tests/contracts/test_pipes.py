"""Servers as processes: nothing of them is left, however they or we end."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from paste_mcp.proxy import guard, pipes
from paste_mcp.proxy.guard import GUARD
from paste_mcp.proxy.pipes import BytePipe, server_pipe

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


class Heard:
    """Listens to a pipe and keeps what it hears."""

    def __init__(self, pipe):
        self.lines = []
        self.news = anyio.Event()
        self.over = anyio.Event()
        pipe.listen(self)

    def heard_line(self, line):
        self.lines.append(line)
        self.news.set()

    def ended(self):
        self.over.set()


async def pids_of(pipe):
    heard = Heard(pipe)
    with anyio.fail_after(20):
        await heard.news.wait()
    return [int(pid) for pid in heard.lines[0].split()]


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
STUBBORN_PARENT = (
    "import os, signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], stdin=subprocess.DEVNULL);"
    " print(os.getpid(), child.pid, flush=True); time.sleep(600)"
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


@pytest.mark.parametrize("program", [POLITE, DEAF, STUBBORN, STUBBORN_PARENT], ids=lambda p: p[:40])
async def test_a_server_and_what_it_started_do_not_survive_a_proxy_that_was_killed(program):
    proxy = (
        "import anyio, os, sys\n"
        "from paste_mcp.proxy.pipes import server_pipe\n"
        "class Echo:\n"
        "    def heard_line(self, line): print(line.decode(), flush=True)\n"
        "async def main():\n"
        f"    async with server_pipe(sys.executable, ['-c', {program!r}], os.environ, None) as pipe:\n"
        "        pipe.listen(Echo())\n"
        "        await anyio.sleep_forever()\n"
        "anyio.run(main)\n"
    )
    async with await anyio.open_process([sys.executable, "-c", proxy]) as process:
        with anyio.fail_after(30):
            pids = [int(pid) for pid in (await process.stdout.receive()).split()]
        assert all(alive(pid) for pid in pids)
        process.send_signal(signal.SIGKILL)
    await gone(*pids)


async def test_what_guards_the_servers_goes_with_the_last_of_them():
    async with server_pipe(sys.executable, ["-c", POLITE], os.environ, None) as one:
        shell = GUARD._shell
        async with server_pipe(sys.executable, ["-c", POLITE], os.environ, None) as other:
            await pids_of(one)
            await pids_of(other)
            assert GUARD._shell is shell
        assert alive(shell.pid)
    assert GUARD._shell is None
    assert shell.returncode == 0


async def test_servers_are_served_where_nothing_can_guard_them(monkeypatch):
    monkeypatch.setattr(guard, "_SHELL", "/no/such/shell")
    async with server_pipe(sys.executable, ["-c", POLITE], os.environ, None) as pipe:
        pids = await pids_of(pipe)
    await gone(*pids)


@asynccontextmanager
async def loose_ends():
    """A pipe of ours, and the files that its other side would hold."""
    (to_read, feeds), (drains, to_write) = os.pipe(), os.pipe()
    pipe = await BytePipe.over(os.fdopen(to_read, "rb", 0), os.fdopen(to_write, "wb", 0))
    with os.fdopen(feeds, "wb", 0) as feed, os.fdopen(drains, "rb", 0) as drain:
        yield pipe, feed, drain
    pipe.close()
    await asyncio.sleep(0)  # the event loop closes the files in its next turn


def read_all(file, size):
    while size > 0:
        size -= len(file.read(size))


async def all_heard(heard):
    with anyio.fail_after(5):
        await heard.over.wait()
    return heard.lines


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 100])
async def test_lines_come_whole_however_they_were_cut_and_the_last_may_lack_its_break(cut):
    said = b"one\n\ntwo and more\nlast"
    async with loose_ends() as (pipe, feed, _):
        heard = Heard(pipe)
        for start in range(0, len(said), cut):
            feed.write(said[start : start + cut])
            await anyio.lowlevel.checkpoint()
        feed.close()
        assert await all_heard(heard) == [b"one", b"", b"two and more", b"last"]


async def test_a_line_without_end_ends_the_connection(monkeypatch, caplog):
    monkeypatch.setattr(pipes, "MAX_LINE_BYTES", 1000)
    async with loose_ends() as (pipe, feed, _):
        heard = Heard(pipe)
        feed.write(b"first\n" + b"x" * 1001)
        assert await all_heard(heard) == [b"first"]
    assert "without a line break" in caplog.text


async def test_a_pipe_that_is_held_says_no_more_not_even_that_it_ended_until_it_goes_on():
    async with loose_ends() as (pipe, feed, _):
        heard = Heard(pipe)
        keep = heard.heard_line
        heard.heard_line = lambda line: (keep(line), pipe.hold())
        feed.write(b"one\ntwo\n")
        feed.close()
        with anyio.fail_after(5):
            await heard.news.wait()
        assert heard.lines == [b"one"]
        heard.heard_line = keep
        pipe.go_on()
        assert await all_heard(heard) == [b"one", b"two"]


async def test_what_is_written_arrives_in_order_and_whole_before_the_end():
    async with loose_ends() as (pipe, _, drain):
        pipe.listen(None)
        for number in range(1000):
            pipe.write(b"%d\n" % number)
        pipe.close_writing()
        read = await anyio.to_thread.run_sync(drain.read)
    assert read.split() == [b"%d" % number for number in range(1000)]


async def test_a_pipe_whose_other_side_does_not_keep_up_is_full_until_it_does():
    async with loose_ends() as (pipe, _, drain):
        pipe.write(b"x" * 1_000_000)
        assert pipe.full
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, read_all, drain, 1_000_000)
            with anyio.fail_after(5):
                await pipe.drain()
                assert not pipe.full
                await pipe.finish()


async def test_nobody_waits_for_room_in_a_pipe_whose_other_side_has_gone():
    async with loose_ends() as (pipe, _, drain):
        pipe.write(b"x" * 1_000_000)
        assert pipe.full
        drain.close()
        with anyio.fail_after(5):
            await pipe.drain()
        assert not pipe.full
