"""Many sessions for a long time: none is lost, and what the proxy holds does not grow."""

import asyncio
import gc
import os
import random
import sys
import time
from pathlib import Path

import anyio
import httpx2
import pytest
from integration_harness import SERVE, free_port, listening, within, write_config
from safety_listening import Caller, proxy_served

pytestmark = pytest.mark.anyio
HERE = Path(__file__).parent


@pytest.fixture
def anyio_backend():
    return "asyncio"


def files():
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no paths are needed


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process holds is read from /proc")


@needs_proc
@within(60)
async def test_sessions_that_come_and_go_leave_nothing_behind(tmp_path):
    async with proxy_served(tmp_path) as (url, proxy):
        held = []
        for _ in range(4):
            async with httpx2.AsyncClient(timeout=20) as client:

                async def come_and_go(client=client):
                    caller = Caller(client, url)
                    await caller.greet()
                    for n in range(3):
                        assert "result" in await caller.call("echo__echo", n=n)
                    assert (await client.delete(caller.url, headers=caller.headers)).status_code == 200

                async with anyio.create_task_group() as tasks:
                    for _ in range(15):
                        tasks.start_soon(come_and_go)
            with anyio.fail_after(10):
                while proxy._sessions:  # noqa: ASYNC110 - they end in tasks of the proxy's own
                    await anyio.sleep(0.01)
            await anyio.sleep(0.1)
            gc.collect()
            held.append((len(asyncio.all_tasks()), files()))
    assert max(held[2:]) <= held[1], held


class Process:
    """What a process holds now."""

    def __init__(self, pid):
        self._proc = Path(f"/proc/{pid}")

    def holds(self):
        status = (self._proc / "status").read_text()
        resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
        children = (self._proc / "task" / self._proc.name / "children").read_text().split()
        return {
            "rss_mib": round(resident / 1024, 1),
            "files": len(list((self._proc / "fd").iterdir())),
            "children": len(children),
        }


@needs_proc
@pytest.mark.parametrize(
    ("active", "idle"), [(8, 12), pytest.param(200, 1_000, marks=pytest.mark.soak)], ids=["small", "many"]
)
@within(3600)
async def test_under_load_every_call_is_answered_and_what_is_held_stays_the_same(spell, tmp_path, active, idle):
    entry = {"command": sys.executable, "args": ["-ES", str(HERE / "safety_fault_server.py"), str(tmp_path / "log")]}
    config = write_config(tmp_path, {"f": {**entry, "shared": True}}, record="off", learning="off", prefix=False)
    port = free_port()
    command = [*SERVE, "--config", str(config), "--transport", "http", "--port", str(port)]
    times, wrong = [], 0
    state = {"PASTE_MCP_STATE_DIR": str(tmp_path / "state")}
    async with listening(command, port, tmp_path / "stderr", **state) as process:
        proxy, url = Process(process.pid), f"http://127.0.0.1:{port}"
        limits = httpx2.Limits(max_connections=active + 50, max_keepalive_connections=active + 50)
        async with httpx2.AsyncClient(timeout=60, limits=limits) as client:
            callers = [Caller(client, url) for _ in range(active + idle)]
            opening = anyio.CapacityLimiter(40)

            async def greet(caller):
                async with opening:
                    assert (await caller.greet()).status_code == 200

            async with anyio.create_task_group() as tasks:
                for caller in callers:
                    tasks.start_soon(greet, caller)
            began = time.monotonic()
            seconds = max(1.0, spell.seconds - (began - spell.began))

            async def work(caller, chance, name):
                nonlocal wrong
                n = 0
                while time.monotonic() - began < seconds:
                    at, nonce = time.monotonic(), f"{name}-{n}"
                    answer = await caller.call("echo", how="fine", nonce=nonce)
                    times.append(time.monotonic() - at)
                    wrong += answer.get("result", {}).get("content", [{}])[0].get("text") != nonce
                    n += 1
                    await anyio.sleep(chance.uniform(0, 1.0))

            async with anyio.create_task_group() as tasks:
                for name, caller in enumerate(callers[:active]):
                    tasks.start_soon(work, caller, random.Random(spell.random.random()), name)
                await anyio.sleep(seconds * 0.3)
                warm = proxy.holds()
            end = proxy.holds()
            # The idle ones are still there.
            for caller in callers[active :: max(1, idle // 20)]:
                assert "result" in await caller.call("echo", how="fine", nonce=f"idle-{id(caller)}")
    times.sort()
    spell.tell(sessions=len(callers), calls=len(times), per_second=round(len(times) / seconds), wrong=wrong)
    spell.tell(median_ms=round(times[len(times) // 2] * 1000), p99_ms=round(times[len(times) * 99 // 100] * 1000))
    spell.tell(after_a_while=warm, in_the_end=end)
    assert wrong == 0
    assert end["children"] == warm["children"] == 2  # the server, and the shell that would end it
    assert end["files"] <= warm["files"] + 5
    assert end["rss_mib"] <= warm["rss_mib"] * 1.05 + 8
