"""A server without the SDK, over memory streams: it may say anything, also what no model of the protocol knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCNotification, JSONRPCRequest, JSONRPCResponse
from mcp_types.jsonrpc import ErrorData

from paste_mcp.proxy.sdk import Peer, serve_streams
from paste_mcp.proxy.upstream import Proxy


@asynccontextmanager
async def raw_host(
    proxy: Proxy, on_request: Any, on_notify: Any, *, speculate: bool = True
) -> AsyncIterator[JSONRPCDispatcher[Any]]:
    """A host without the SDK's models, connected to a proxy; it has said nothing yet."""
    async with (
        proxy.running(),
        proxy.session(speculate=speculate) as session,
        create_client_server_memory_streams() as (near, far),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(serve_streams, proxy.server, *far, session)
        dispatcher: JSONRPCDispatcher[Any] = JSONRPCDispatcher(*near)
        await tasks.start(dispatcher.run, on_request, on_notify)
        yield dispatcher
        tasks.cancel_scope.cancel()


ODD_TOOL = {
    "name": "odd",
    "title": "Odd",
    "xTool": 1,
    "icons": [{"src": "https://x/i.png", "xIcon": 1}],
    "inputSchema": {"type": "object", "properties": {"a": {"type": "integer", "xSchema": 1}}, "xTop": {"k": None}},
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": False, "idempotentHint": False, "xAnnotation": "keep"},
    "_meta": {"com.example/t": 1},
}
ODD_RESULT = {
    "content": [{"type": "hologram", "payload": [1, None]}, {"type": "text", "text": "é\u2028", "xBlock": 1}],
    "structuredContent": {"a": None, "big": 2**60},
    "isError": False,
    "xResult": {"deep": [{}]},
    "_meta": {"com.example/r": 1},
}


class RawServer:
    """Speaks 2025-11-25. `received` holds every message as it came."""

    def __init__(self, tools: list[dict[str, Any]] | None = None) -> None:
        self.tools = tools if tools is not None else [ODD_TOOL]
        self.received: list[tuple[str, dict[str, Any] | None]] = []
        self.starts = 0

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        self.starts += 1
        async with create_client_server_memory_streams() as (near, far), anyio.create_task_group() as tasks:
            self.near = near
            tasks.start_soon(self._serve, *far)
            yield Peer.over(near)
            tasks.cancel_scope.cancel()

    async def _serve(self, read: Any, write: Any) -> None:
        async for item in read:
            message = item.message
            if isinstance(message, JSONRPCRequest | JSONRPCNotification):
                self.received.append((message.method, message.params))
            if isinstance(message, JSONRPCRequest):
                answer = self._answer(message)
                await write.send(SessionMessage(answer))

    def _answer(self, request: JSONRPCRequest) -> JSONRPCResponse | JSONRPCError:
        result: dict[str, Any]
        match request.method:
            case "initialize":
                result = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {}, "resources": {"subscribe": True}, "experimental": {"x": {"y": 1}}},
                    "serverInfo": {"name": "raw", "version": "9", "xInfo": 1},
                    "instructions": "be odd",
                }
            case "tools/list":
                result = {"tools": self.tools, "xList": 1}
            case "tools/call" if request.params and request.params["name"] == "broken":
                error = ErrorData(code=-32050, message="custom", data={"k": [1, None]})
                return JSONRPCError(jsonrpc="2.0", id=request.id, error=error)
            case "tools/call" | "custom/method":
                result = ODD_RESULT
            case "resources/list":
                result = {"resources": [{"uri": "odd://1", "name": "r", "xR": 1}]}
            case "resources/read":
                result = {"contents": [{"uri": "odd://1", "text": "t", "xC": 1}]}
            case _:
                error = ErrorData(code=-32601, message="nope")
                return JSONRPCError(jsonrpc="2.0", id=request.id, error=error)
        return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=result)
