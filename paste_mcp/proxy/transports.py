"""Opens the transport that a server's configuration names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp import StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from paste_mcp.config import ServerConfig
from paste_mcp.proxy.sdk import Connect, Streams, create_mcp_http_client


def connector(server: ServerConfig) -> Connect:
    """How to reach `server`: its process, its SSE stream, or its HTTP endpoint."""

    @asynccontextmanager
    async def stdio() -> AsyncIterator[Streams]:
        parameters = StdioServerParameters(
            command=server.command or "", args=list(server.args), env=dict(server.env), cwd=server.cwd
        )
        async with stdio_client(parameters) as streams:
            yield streams

    @asynccontextmanager
    async def sse() -> AsyncIterator[Streams]:
        async with sse_client(server.url or "", headers=dict(server.headers)) as streams:
            yield streams

    @asynccontextmanager
    async def http() -> AsyncIterator[Streams]:
        async with (
            create_mcp_http_client(headers=dict(server.headers)) as client,
            streamable_http_client(server.url or "", http_client=client) as streams,
        ):
            yield streams

    return {"stdio": stdio, "sse": sse, "http": http}[server.type]
