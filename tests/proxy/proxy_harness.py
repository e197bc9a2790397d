"""A whole proxy in memory: scripted servers on one side, the official client on the other, any clock in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp import Client
from mcp.client._memory import InMemoryTransport
from mcp.server import Server
from mcp.shared.memory import create_client_server_memory_streams

from paste_mcp.app import build
from paste_mcp.config import parse_config
from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.proxy.sdk import Peer, serve_streams
from paste_mcp.proxy.session import Session

READ = {"readOnlyHint": True, "openWorldHint": False}
WRITE = {"readOnlyHint": False}

PATTERNS = {
    "version": 1,
    "patterns": [
        {
            "name": "search-then-visit",
            "context": [{"server": "*", "tool": "search"}],
            "target": {"tool": "visit"},
            "arguments": {"url": {"result": -1, "path": "$.urls[*]", "pick": {1: 0.6, 2: 0.3}}},
            "probability": 0.9,
        },
        {
            "name": "write-then-status",
            "context": [{"server": "*", "tool": "write"}],
            "target": {"tool": "status"},
            "probability": 0.9,
        },
    ],
}


@dataclass
class Execution:
    tool: str
    arguments: dict[str, Any]
    began: float
    ended: float | None = None
    cancelled: bool = False


@dataclass
class World:
    """A server: `search` and `write` answer at once, `visit` and `status` take `slow_s`. Remembers what it executed."""

    slow_s: float = 10.0
    tools: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"search": READ, "visit": READ, "status": READ, "write": WRITE}
    )
    answers: dict[str, Callable[[Any, dict[str, Any]], Awaitable[Any]]] = field(default_factory=dict)
    log: list[Execution] = field(default_factory=list)
    version: int = 0

    def server(self) -> Server[Any]:
        return Server("world", version="1", on_list_tools=self._list, on_call_tool=self._call)

    def executed(self, tool: str) -> list[dict[str, Any]]:
        return [execution.arguments for execution in self.log if execution.tool == tool]

    async def _list(self, ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(name=name, input_schema={"type": "object"}, annotations=types.ToolAnnotations(**hints))
                for name, hints in self.tools.items()
            ]
        )

    async def _call(self, ctx: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments = params.arguments or {}
        execution = Execution(params.name, arguments, anyio.current_time())
        self.log.append(execution)
        try:
            result = await self._answer(ctx, params.name, arguments)
        except anyio.get_cancelled_exc_class():
            execution.cancelled = True
            raise
        execution.ended = anyio.current_time()
        return result

    async def _answer(self, ctx: Any, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        if name in self.answers:
            return await self.answers[name](ctx, arguments)
        if name == "search":
            return told({"urls": [f"{arguments['query']}{n}" for n in range(1, 4)]})
        if name == "write":
            self.version += 1
            return told({"written": self.version})
        seen = self.version
        await anyio.sleep(self.slow_s)
        return told({"of": arguments.get("url", name), "version": seen})


def told(structured: dict[str, Any]) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=str(structured))], structured_content=structured)


@dataclass
class Running:
    client: Client
    session: Session

    async def call(self, tool: str, **arguments: Any) -> Any:
        """The structured result of a call."""
        return (await self.client.call_tool(tool, arguments)).structured_content

    @property
    def ledger(self) -> Any:
        assert self.session.engine is not None
        return self.session.engine.ledger


@asynccontextmanager
async def reached(world: World) -> AsyncIterator[Peer]:
    async with InMemoryTransport(world.server()) as streams:
        yield Peer.over(streams)


@asynccontextmanager
async def proxied(
    worlds: dict[str, World],
    state: Path,
    *,
    speculation: Any = "annotated",
    mode: str = "auto",
    prefix: bool = False,
    patterns: dict[str, Any] = PATTERNS,
    more: dict[str, Any] = {},  # noqa: B006 - only read
    telemetry: Any = None,
    **client: Any,
) -> AsyncIterator[Running]:
    """The official client, connected to a proxy, connected to these servers."""
    entries = {alias: {"command": "none"} for alias in worlds}
    paste = {"speculation": speculation, "prefix": prefix, "default_patterns": False, "learning": "off", **more}
    config = parse_config({"mcpServers": entries, "paste": paste}, "test", {}, state)
    connects: Any = {alias: lambda world=world: reached(world) for alias, world in worlds.items()}
    proxy = build(config, parse_pool(patterns, users_own=True), state, connects, telemetry=telemetry)
    async with proxy.running(), proxy.session() as session, create_client_server_memory_streams() as (near, far):

        @asynccontextmanager
        async def transport() -> AsyncIterator[Any]:
            yield near

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve_streams, proxy.server, *far, session)
            async with Client(transport(), mode=mode, **client) as connected:
                await connected.list_tools()
                yield Running(connected, session)
            tasks.cancel_scope.cancel()
