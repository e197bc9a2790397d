"""A proxy that listens on loopback in this very process, before servers in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from raw_server import RawServer

from paste_mcp.app import build, listen
from paste_mcp.config import parse_config
from paste_mcp.proxy.upstream import Proxy

VERSION = "2025-11-25"
GREETING = {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "host", "version": "1"}}
ACCEPT = {"accept": "application/json, text/event-stream"}


class Echo(RawServer):
    """One tool that answers with its arguments."""

    def __init__(self) -> None:
        super().__init__([{"name": "echo", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}])


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """An ASGI application at the URL that this gives."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@asynccontextmanager
async def proxy_served(
    state: Path,
    transport: str = "http",
    servers: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    **paste: Any,
) -> AsyncIterator[tuple[str, Proxy]]:
    servers = servers or {"echo": Echo()}
    entries = {alias: {"command": "none", "shared": True} for alias in servers}
    section = {"default_patterns": False, "learning": "off", **paste}
    config = parse_config({"mcpServers": entries, "paste": section}, "test", environ or {}, state)
    proxy = build(config, [], state, {alias: server.connect for alias, server in servers.items()})
    async with proxy.running():
        app = proxy.sse_app() if transport == "sse" else proxy.http_app()
        async with served(app) as url:
            yield url, proxy


class Caller:
    """A host on streamable HTTP up to 2025-11-25, with nothing of the SDK between."""

    def __init__(self, client: httpx2.AsyncClient, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.client = client
        self.url = f"{url}/mcp"
        self.headers = {**ACCEPT, **(headers or {})}
        self._ids = 0

    async def greet(self) -> httpx2.Response:
        response = await self.post("initialize", GREETING)
        if response.status_code == 200:
            self.headers |= {"mcp-session-id": response.headers["mcp-session-id"], "mcp-protocol-version": VERSION}
            told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            assert (await self.client.post(self.url, json=told, headers=self.headers)).status_code == 202
        return response

    async def post(self, method: str, params: Mapping[str, Any] | None = None) -> httpx2.Response:
        self._ids += 1
        request = {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params or {}}
        return await self.client.post(self.url, json=request, headers=self.headers)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer's message."""
        return message_of(await self.post("tools/call", {"name": tool, "arguments": arguments}))


def message_of(response: httpx2.Response) -> dict[str, Any]:
    """The last message of a response, in JSON or as events."""
    assert response.status_code == 200, response.text
    if response.headers["content-type"].startswith("application/json"):
        found: dict[str, Any] = response.json()
        return found
    events = [line[6:] for line in response.text.split("\n") if line.startswith("data: {")]
    return dict(json.loads(events[-1]))


@asynccontextmanager
async def callers(url: str, *headers: Mapping[str, str]) -> AsyncIterator[list[Caller]]:
    """One for each set of headers, greeted."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=20))
        made = [Caller(client, url, each) for each in headers]
        for caller in made:
            await caller.greet()
        yield made
