"""The proxy as its users run it: a process of its own, the official client before it, real servers behind it."""

from __future__ import annotations

import functools
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import anyio
import anyio.abc
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client

HERE = Path(__file__).parent
SERVERS = HERE.parents[1] / "servers"
SERVE = [sys.executable, "-m", "paste_mcp", "serve"]
USEFUL = ("hit", "late_hit")


def within(seconds: float) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
    """The whole test has to end in this time, so that nothing in it can wait for ever."""

    def bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(test)
        async def run(*args: Any, **kwargs: Any) -> None:
            with anyio.fail_after(seconds):
                await test(*args, **kwargs)

        return run

    return bounded


async def until(condition: Callable[[], Any]) -> Any:
    """What `condition` returns once that is true. For events in other processes, which can only be looked for; the
    caller's deadline ends it.
    """
    while not (found := condition()):  # noqa: ASYNC110 - another process sets no event of ours
        await anyio.sleep(0.01)
    return found


# --- configurations -------------------------------------------------------------------------------------------------


def script(name: str) -> str:
    """A console script of this interpreter's environment."""
    return str(Path(sys.executable).parent / name)


def research(index: Path, *options: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": [str(SERVERS / "research"), "--cache-dir", str(index), *options]}


def workspace(root: Path, *options: str) -> dict[str, Any]:
    """A workspace server on a copy of the sample project, which is made where it is missing."""
    if not root.exists():
        shutil.copytree(SERVERS / "workspace" / "sample", root)
    return {"command": sys.executable, "args": [str(SERVERS / "workspace"), str(root), *options]}


def odd_server(latency_s: float = 0.0) -> dict[str, Any]:
    """A server without the SDK that starts at once; see integration_odd_server.py."""
    return {"command": sys.executable, "args": [str(HERE / "integration_odd_server.py"), str(latency_s)]}


def write_config(folder: Path, servers: dict[str, Any], **paste: Any) -> Path:
    path = folder / "servers.json"
    path.write_text(json.dumps({"mcpServers": servers, "paste": paste}))
    return path


@asynccontextmanager
async def side_by_side(**contexts: AbstractAsyncContextManager[Any]) -> AsyncIterator[dict[str, Any]]:
    """What these give, by name. They are entered and left at once, each in a task of its own: starting takes long."""
    opened: dict[str, Any] = {}
    leave = anyio.Event()

    async def hold(
        name: str, context: AbstractAsyncContextManager[Any], *, task_status: anyio.abc.TaskStatus[None]
    ) -> None:
        async with context as opened[name]:
            task_status.started()
            await leave.wait()

    async with anyio.create_task_group() as tasks:
        async with anyio.create_task_group() as starting:
            for name, context in contexts.items():
                starting.start_soon(tasks.start, hold, name, context)
        yield {name: opened[name] for name in contexts}
        leave.set()


# --- processes ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def direct(entry: dict[str, Any], mode: str = "auto") -> AsyncIterator[Client]:
    """The client without a proxy, talking to the server that `entry` names."""
    server: Any = entry.get("url")
    if entry.get("type") == "sse":
        server = sse_client(entry["url"])
    elif server is None:
        server = StdioServerParameters(command=entry["command"], args=entry.get("args", []), env=entry.get("env"))
    async with Client(server, mode=mode) as client:
        yield client


@asynccontextmanager
async def through_stdio(config: Path, state: Path, mode: str = "auto", **client: Any) -> AsyncIterator[Client]:
    """The client before a proxy of its own. The proxy's stderr is kept as `stderr_of(state)`."""
    command, *arguments = [*SERVE, "--config", str(config)]
    parameters = StdioServerParameters(command=command, args=arguments, env={"PASTE_MCP_STATE_DIR": str(state)})
    log = stderr_of(state)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as stderr:
        async with Client(stdio_client(parameters, errlog=stderr), mode=mode, **client) as connected:
            yield connected


def stderr_of(state: Path) -> Path:
    """Beside the state folder, not in it: what is in there is the proxy's."""
    return state.with_name(f"{state.name}.stderr")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def listening(command: Sequence[str], port: int, log: Path, **environ: str) -> AsyncIterator[anyio.abc.Process]:
    """A process that listens on `port`, from its first accepted connection until the end of the block."""
    async with AsyncExitStack() as stack:
        with log.open("a") as stderr:
            process = await anyio.open_process(
                list(command), stdin=DEVNULL, stdout=DEVNULL, stderr=stderr, env={**os.environ, **environ}
            )
        stack.push_async_callback(_end, process)
        with anyio.fail_after(30):
            while not await _accepts(port):
                assert process.returncode is None, f"it ended; see {log}"
                await anyio.sleep(0.05)
        yield process


async def _accepts(port: int) -> bool:
    try:
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    except OSError:
        return False


async def _end(process: anyio.abc.Process) -> None:
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            process.terminate()
        with anyio.move_on_after(15):
            await process.wait()
        if process.returncode is None:
            process.kill()
        await process.aclose()


@asynccontextmanager
async def proxy_listening(config: Path, state: Path, transport: str) -> AsyncIterator[str]:
    """A proxy over HTTP or SSE; gives `http://127.0.0.1:PORT`."""
    port = free_port()
    command = [*SERVE, "--config", str(config), "--transport", transport, "--port", str(port)]
    async with listening(command, port, stderr_of(state), PASTE_MCP_STATE_DIR=str(state)):
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def server_listening(entry: dict[str, Any], transport: str, log: Path) -> AsyncIterator[dict[str, Any]]:
    """An example server over HTTP or SSE; gives the entry by which the proxy reaches it."""
    port = free_port()
    command = [entry["command"], *entry["args"], "--transport", transport, "--port", str(port)]
    async with listening(command, port, log):
        yield {"type": transport, "url": f"http://127.0.0.1:{port}/{'mcp' if transport == 'http' else 'sse'}"}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    """Ended, but not fetched by its parent (in a container nobody may fetch orphans)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


# --- what was said --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tee:
    """A log of everything that passes between the proxy and a server, and of the server's process ids."""

    log: Path

    def around(self, entry: dict[str, Any]) -> dict[str, Any]:
        """The server's entry with the tee before it."""
        wrapped = [str(HERE / "integration_tee.py"), str(self.log), entry["command"], *entry.get("args", [])]
        return {**entry, "command": sys.executable, "args": wrapped}

    def lines(self) -> Iterator[dict[str, Any]]:
        text = self.log.read_text() if self.log.exists() else ""
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)

    @property
    def pids(self) -> list[int]:
        """Of the servers that were started, in order."""
        return [line["pid"] for line in self.lines() if "pid" in line]

    @property
    def calls(self) -> list[tuple[str, dict[str, Any]]]:
        """Every `tools/call` that the server was sent: its tool and arguments, in order."""
        messages = (line["to_server"] for line in self.lines() if "to_server" in line)
        return [
            (message["params"]["name"], message["params"].get("arguments"))
            for message in messages
            if message.get("method") == "tools/call"
        ]

    def answered(self, tool: str, **arguments: Any) -> bool:
        """Whether the server has answered such a call."""
        asked: set[Any] = set()
        for line in self.lines():
            request = line.get("to_server", {})
            if request.get("method") == "tools/call" and request["params"]["name"] == tool:
                if arguments.items() <= (request["params"].get("arguments") or {}).items():
                    asked.add(request["id"])
            elif "from_server" in line and line["from_server"].get("id") in asked:
                return True
        return False

    async def has_answered(self, tool: str, **arguments: Any) -> None:
        """Wait until the server has answered such a call."""
        await until(lambda: self.answered(tool, **arguments))

    async def was_sent(self, tool: str, **arguments: Any) -> None:
        """Wait until the server was sent such a call."""
        await until(lambda: any(name == tool and arguments.items() <= given.items() for name, given in self.calls))


def records(state: Path) -> list[list[dict[str, Any]]]:
    """The proxy's records, a list of lines for each session."""
    files = sorted((state / "sessions").glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    return [[json.loads(line) for line in path.read_bytes().splitlines()] for path in files]


def only_record(state: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The calls and the sums of the one session that was recorded."""
    (lines,) = records(state)
    return [line for line in lines if "answered" in line], lines[-1]["summary"]


# --- comparing ------------------------------------------------------------------------------------------------------


async def outcome(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """All that a client is told of a call, also where that is an error."""
    try:
        result = await client.call_tool(tool, arguments)
    except MCPError as error:
        return {"error": error.error.model_dump(mode="json", by_alias=True)}
    return result.model_dump(mode="json", by_alias=True)


async def tools_of(client: Client) -> list[dict[str, Any]]:
    return [tool.model_dump(mode="json", by_alias=True) for tool in (await client.list_tools()).tools]
