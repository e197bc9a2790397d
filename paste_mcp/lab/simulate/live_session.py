"""One session made live: the real proxy in a process of its own, the official client, and replayed servers."""

from __future__ import annotations

import json
import pickle
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
from mcp import Client

from paste_mcp.core.prediction.forecaster import Forecaster
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.forecast import Foresight
from paste_mcp.core.prediction.learnt.gate import Gate
from paste_mcp.data import data_path
from paste_mcp.lab.evaluate.lessons import Lesson, Reads
from paste_mcp.lab.overhead.processes import Process
from paste_mcp.lab.overhead.running import free_port
from paste_mcp.lab.simulate.policies import OURS, POLICIES, Knowledge, ReadsOnly, together
from paste_mcp.lab.simulate.times import Times

CONFIG: Final = "servers.json"
FORESEEN: Final = "foreseen.pickle"
STATE: Final = "state"
START_S: Final = 60.0
UNNAMED: Final = "server"
"""What a server is called that the trace has no name for."""


class LiveError(RuntimeError):
    """A live session that could not be held; `str()` is one line."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """How one session's calls are foreseen, sent to the process of its proxy."""

    policy: str
    lesson: Lesson
    known: Reads
    counts: Counts
    gate: Gate | None

    def forecaster(self) -> Forecaster:
        """By the same code as when simulated."""
        if self.policy == OURS:
            inner = together(Foresight(self.counts, self.gate))
        else:
            inner = POLICIES[self.policy].train(Knowledge(())).session(self.lesson)
        return ReadsOnly(inner, self.lesson, self.known)


@dataclass(frozen=True, slots=True)
class Replayed:
    """Where a session's servers get their answers, and how long these take."""

    trace: Path
    latency: str
    seed: str


@dataclass(slots=True)
class Held:
    """What came of a session, in seconds."""

    policy: str
    e2e_s: float = 0.0
    stall_s: float = 0.0
    cpu_s: float | None = None
    """Processor time of the proxy's process meanwhile."""
    ledger: dict[str, Any] | None = None


def alias_of(server: str) -> str:
    """The name in the configuration of a server of the trace."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", server) or UNNAMED


@contextmanager
def proxied(foreseen: Foreseen, replayed: Replayed, folder: Path) -> Iterator[tuple[Process, str]]:
    """The proxy's process, and the URL at which it listens. Raises `LiveError`."""
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(json.dumps(_config(foreseen, replayed)), encoding="utf-8")
    (folder / FORESEEN).write_bytes(pickle.dumps(foreseen))
    port = free_port()
    command = [sys.executable, "-m", "paste_mcp.live_proxy", str(folder), str(port)]
    process = Process(command, {"PASTE_MCP_STATE_DIR": str(folder / STATE)}, piped=False)
    try:
        # A path with a name is a session in every protocol.
        yield process, f"http://127.0.0.1:{port}/mcp/s/bench"
    finally:
        process.close()


async def hold(foreseen: Foreseen, times: Times, process: Process, url: str, begin: anyio.Event, ready: Ready) -> Held:
    """Be the agent: wait until everything runs, then think, call, wait, as the trace has it."""
    await _listening(process, url)
    lesson, held = foreseen.lesson, Held(foreseen.policy)
    async with Client(url) as client:
        await _started(client, lesson)
        ready.one_more()
        await begin.wait()
        used = process.cpu_s()
        began = time.perf_counter()
        for turn, positions in enumerate(lesson.turns):
            await anyio.sleep(times.think_s(lesson.session, turn))
            asked = time.perf_counter()
            async with anyio.create_task_group() as calls:
                for position in positions:
                    call = lesson.events[position].call
                    calls.start_soon(client.call_tool, f"{call.server}__{call.tool}", dict(call.arguments))
            held.stall_s += time.perf_counter() - asked
        held.e2e_s = time.perf_counter() - began
        after = process.cpu_s()
        held.cpu_s = after - used if used is not None and after is not None else None
    return held


class Ready:
    """So many that are to be ready before any begins."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted
        self.all = anyio.Event()

    def one_more(self) -> None:
        self._left -= 1
        if self._left == 0:
            self.all.set()


def ledger_of(folder: Path) -> dict[str, Any]:
    """The sums that the proxy's record ends with, once the process has ended. Raises `LiveError`."""
    for record in (folder / STATE / "sessions").glob("*.jsonl"):
        lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
        for line in reversed(lines):
            if isinstance(line.get("summary"), dict):
                summary: dict[str, Any] = line["summary"]
                return summary
    raise LiveError("a proxy left no record of its session")


def _config(foreseen: Foreseen, replayed: Replayed) -> dict[str, Any]:
    """Only what the trace calls read-only may run early: whoever guesses was told the same in the simulation."""
    tools = dict(foreseen.known)
    for event, reads in zip(foreseen.lesson.events, foreseen.lesson.reads, strict=True):
        key = (event.call.server, event.call.tool)
        tools[key] = tools.get(key, True) and reads
    servers = {event.call.server for event in foreseen.lesson.events}
    return {
        "mcpServers": {
            server: {
                "command": sys.executable,
                "args": [
                    *(str(data_path("servers") / "replay"), str(replayed.trace)),
                    *("--server", "" if server == UNNAMED else server),
                    *("--session", foreseen.lesson.session, "--latency", replayed.latency, "--seed", replayed.seed),
                ],
                "speculation": {
                    "mode": "annotated",
                    "closed_world": True,
                    "allow": sorted(tool for (of, tool), reads in tools.items() if of == server and reads),
                    "deny": sorted(tool for (of, tool), reads in tools.items() if of == server and not reads),
                },
            }
            for server in sorted(servers)
        },
        "paste": {"learning": "off"},
    }


async def _listening(process: Process, url: str) -> None:
    port = urlsplit(url).port or 0
    with anyio.move_on_after(START_S):
        while not process.ended:
            try:
                await (await anyio.connect_tcp("127.0.0.1", port)).aclose()
            except OSError:
                await anyio.sleep(0.02)
            else:
                return
    raise LiveError(f"a proxy did not start: {process.last_words()}")


async def _started(client: Client, lesson: Lesson) -> None:
    """Until every server has listed its tools."""
    wanted = {event.call.server for event in lesson.events}
    with anyio.move_on_after(START_S):
        while True:
            listed = {tool.name.partition("__")[0] for tool in (await client.list_tools()).tools}
            if wanted <= listed:
                return
            await anyio.sleep(0.1)
    raise LiveError(f"servers did not start: {', '.join(sorted(wanted - listed))}")
