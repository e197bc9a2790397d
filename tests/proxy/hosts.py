"""Hosts without the SDK's models before one proxy, and servers that can be told what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCNotification, JSONRPCRequest
from raw_server import RawServer

from paste_mcp.app import build
from paste_mcp.config import parse_config
from paste_mcp.proxy.sdk import serve_streams
from paste_mcp.proxy.upstream import Proxy


class Host:
    """A host that notes what it is told and asked."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str, Any]] = []
        self.asked: list[str] = []
        self.thinks_s = 0.0
        self.session: Any
        self._dispatcher: JSONRPCDispatcher[Any]

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._dispatcher.send_raw_request(method, params or {})

    async def greet(self) -> dict[str, Any]:
        me = {"name": "host", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {"sampling": {}}, "clientInfo": me}
        greeting = await self.request("initialize", params)
        await self._dispatcher.notify("notifications/initialized", None)
        return greeting

    async def tools(self) -> list[str]:
        return [tool["name"] for tool in (await self.request("tools/list"))["tools"]]

    def changes(self) -> list[str]:
        return [method for _, method, _ in self.told if method.endswith("list_changed")]

    @asynccontextmanager
    async def at(self, proxy: Proxy) -> AsyncIterator[Host]:
        """Connected to a proxy that runs; it has said nothing yet."""

        async def asked(_: Any, method: str, params: Any) -> dict[str, Any]:
            self.asked.append(method)
            await anyio.sleep(self.thinks_s)
            return {"answered": True}

        async def told(_: Any, method: str, params: Any) -> None:
            self.told.append((anyio.current_time(), method, params))

        async with (
            proxy.session() as self.session,
            create_client_server_memory_streams() as (near, far),
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(serve_streams, proxy.server, *far, self.session)
            self._dispatcher = JSONRPCDispatcher(*near)
            await tasks.start(self._dispatcher.run, asked, told)
            yield self
            tasks.cancel_scope.cancel()


def proxy_before(
    servers: Mapping[str, Any],
    state: Path,
    *,
    prefix: bool = True,
    patterns: Any = (),
    **entry: Any,
) -> Proxy:
    """A proxy before these servers; `entry` is added to each one's configuration."""
    entries = {alias: {"command": "none", **entry} for alias in servers}
    paste = {"prefix": prefix, "default_patterns": False, "speculation": "annotated"}
    config = parse_config({"mcpServers": entries, "paste": paste}, "test", {}, state)
    return build(config, patterns, state, {alias: server.connect for alias, server in servers.items()})


@asynccontextmanager
async def hosts_before(
    servers: Mapping[str, Any], state: Path, count: int = 1, **options: Any
) -> AsyncIterator[list[Host]]:
    """So many hosts, each with a session of its own at one proxy."""
    proxy = proxy_before(servers, state, **options)
    async with proxy.running(), AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Host().at(proxy)) for _ in range(count)]


class Scripted(RawServer):
    """Starts after `start_s`, answers listings after `list_s`, and says what it is told to say."""

    def __init__(self, *names: str, start_s: float = 0, list_s: float = 0, **greeting: Any) -> None:
        super().__init__([{"name": name, "inputSchema": {"type": "object"}} for name in names])
        self.start_s = start_s
        self.list_s = list_s
        self.greeting = greeting
        self.answers: dict[str, Any] = {}
        self.says: Any

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        await anyio.sleep(self.start_s)
        async with super().connect() as peer:
            yield peer

    async def say(self, method: str, params: dict[str, Any] | None = None) -> None:
        await self.says.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=method, params=params)))

    async def ask(self, method: str, id: int) -> None:
        await self.says.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=id, method=method, params={})))

    def asked_for(self, method: str) -> int:
        return [name for name, _ in self.received].count(method)

    async def _serve(self, read: Any, write: Any) -> None:
        self.says = write
        async with anyio.create_task_group() as tasks:
            async for item in read:
                message = item.message
                if not isinstance(message, JSONRPCRequest | JSONRPCNotification):
                    self.received.append(("answer", message.model_dump(exclude_none=True)))
                    continue
                self.received.append((message.method, message.params))
                if isinstance(message, JSONRPCRequest):
                    tasks.start_soon(self._handle, message)

    async def _handle(self, request: JSONRPCRequest) -> None:
        if request.method.endswith("/list"):
            await anyio.sleep(self.list_s)
        if request.method in self.answers:
            await self.answers[request.method](request)
        answer = self._answer(request)
        if request.method == "initialize":
            answer.result.update(self.greeting)
        await self.says.send(SessionMessage(answer))
