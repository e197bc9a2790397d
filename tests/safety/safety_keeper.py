"""Servers in memory that know each connection apart, note what they ran, and misbehave when told to; and hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from hosts import Host
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from mcp_types.jsonrpc import ErrorData

from paste_mcp.app import build
from paste_mcp.config import parse_config
from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.proxy.sdk import Peer

READ = {"readOnlyHint": True, "openWorldHint": False}
SCHEMA = {"type": "object", "properties": {"url": {"type": "string"}, "query": {"type": "string"}}}
TOOLS = [
    {"name": name, "inputSchema": SCHEMA, "annotations": READ if name != "write" else {"readOnlyHint": False}}
    for name in ("search", "visit", "status", "write")
]
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
            "name": "visit-then-status",
            "context": [{"server": "*", "tool": "visit"}],
            "target": {"tool": "status"},
            "probability": 0.6,
        },
        {
            "name": "write-then-status",
            "context": [{"server": "*", "tool": "write"}],
            "target": {"tool": "status"},
            "probability": 0.9,
        },
    ],
}


@dataclass(eq=False)
class Ran:
    """One call as a server got it."""

    who: str
    tool: str
    arguments: dict[str, Any]
    done: bool = False


class Keeper:
    """Each connection has a name of its own, which every answer bears. `fault` says of the n-th call, from 1, what goes
    wrong with it: error, isError, hang, cut, late.
    """

    def __init__(
        self, name: str = "k", slow_s: float = 2.0, fault: Callable[[int], str | None] = lambda _: None
    ) -> None:
        self.name = name
        self.slow_s = slow_s
        self.fault = fault
        self.ran: list[Ran] = []
        self.received: list[str] = []
        """All that came, as text."""
        self.version = 0
        self.connections = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        self.connections += 1
        who = f"{self.name}-{self.connections:05}"
        async with create_client_server_memory_streams() as (near, far), anyio.create_task_group() as tasks:
            tasks.start_soon(self._serve, *far, who)
            yield Peer.over(near)
            tasks.cancel_scope.cancel()

    async def _serve(self, read: Any, write: Any, who: str) -> None:
        scopes: dict[Any, anyio.CancelScope] = {}
        async with anyio.create_task_group() as tasks:
            async for item in read:
                message = item.message
                self.received.append(message.model_dump_json(by_alias=True))
                if isinstance(message, JSONRPCRequest):
                    scopes[message.id] = anyio.CancelScope()
                    tasks.start_soon(self._handle, message, read, write, who, scopes)
                elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
                    for id in {(message.params or {}).get("requestId")} & scopes.keys():
                        scopes[id].cancel()

    async def _handle(self, request: Any, read: Any, write: Any, who: str, scopes: Any) -> None:
        with scopes[request.id]:
            answer = await self._answer(request, read, write, who)
            if answer is not None:
                await write.send(SessionMessage(answer))
        del scopes[request.id]

    async def _answer(self, request: Any, read: Any, write: Any, who: str) -> Any:
        params = request.params or {}
        if request.method == "initialize":
            about = {"capabilities": {"tools": {}}, "serverInfo": {"name": self.name, "version": "1"}}
            return JSONRPCResponse(jsonrpc="2.0", id=request.id, result={"protocolVersion": "2025-11-25", **about})
        if request.method == "tools/list":
            return JSONRPCResponse(jsonrpc="2.0", id=request.id, result={"tools": TOOLS})
        if request.method != "tools/call":
            return JSONRPCError(jsonrpc="2.0", id=request.id, error=ErrorData(code=-32601, message="no"))
        ran = Ran(who, params["name"], dict(params.get("arguments") or {}))
        self.ran.append(ran)
        match self.fault(len(self.ran)):
            case "error":
                return JSONRPCError(jsonrpc="2.0", id=request.id, error=ErrorData(code=-32050, message="told to"))
            case "isError":
                told = {"content": [{"type": "text", "text": "told to"}], "isError": True}
                return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=told)
            case "hang":
                await anyio.sleep_forever()
            case "cut":
                await write.aclose()
                await read.aclose()
                return None
            case "late":
                await anyio.sleep(50)
        structured = await self._run(ran)
        ran.done = True
        told = {"content": [{"type": "text", "text": str(structured)}], "structuredContent": structured}
        return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=told)

    async def _run(self, ran: Ran) -> dict[str, Any]:
        if ran.tool == "search":
            return {"who": ran.who, "urls": [f"{ran.arguments['query']}/{n}" for n in range(3)]}
        if ran.tool == "write":
            self.version += 1
            return {"who": ran.who, "written": ran.arguments.get("url")}
        version = self.version
        await anyio.sleep(self.slow_s)
        return {"who": ran.who, "of": ran.arguments.get("url", ran.tool), "version": version}


@asynccontextmanager
async def hosts_at(
    keepers: dict[str, Keeper], state: Path, count: int = 1, patterns: Any = PATTERNS, entry: Any = None, **paste: Any
) -> AsyncIterator[list[Host]]:
    """So many hosts, each with a session of its own at one proxy before these servers; all have greeted."""
    entries = {alias: {"command": "none", **(entry or {})} for alias in keepers}
    section = {"default_patterns": False, "learning": "off", "record": "off", "speculation": "annotated", **paste}
    section = {"prefix": len(keepers) > 1, **section}
    config = parse_config({"mcpServers": entries, "paste": section}, "test", {}, state)
    pool = parse_pool(patterns, users_own=True) if patterns else []
    proxy = build(config, pool, state, {alias: keeper.connect for alias, keeper in keepers.items()})
    async with proxy.running(), AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(Host().at(proxy)) for _ in range(count)]
        for host in hosts:
            await host.greet()
            await host.tools()
        yield hosts


async def call(host: Host, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured result."""
    result = await host.request("tools/call", {"name": tool, "arguments": arguments})
    assert not result.get("isError"), result
    found: dict[str, Any] = result["structuredContent"]
    return found


def settled(host: Host) -> None:
    """Nothing is left of what was under way, and every guess was booked once."""
    ledger = host.session.engine.ledger
    booked = (
        ledger.hits + ledger.late_hits + ledger.unused + ledger.preempted + ledger.stale + ledger.failed + ledger.live
    )
    assert ledger.issued == booked
    assert all(not active for active in host.session._active.values())
