"""Opens the transport that a server's configuration names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer, Server

from paste_mcp.config import ServerConfig
from paste_mcp.proxy import pipes, posts
from paste_mcp.proxy.environment import server_environment
from paste_mcp.proxy.http import HttpClient, Refused, nobody
from paste_mcp.proxy.lines import LineDispatcher
from paste_mcp.proxy.logins import Login
from paste_mcp.proxy.sdk import Connect, InMemoryTransport, Peer

SILENCE_S = 24 * 3600.0
"""How long an SSE stream may be silent: an idle server is no dead one."""


def connector(server: ServerConfig, login: Login | None = None, refused: Refused = nobody) -> Connect:
    """How to reach `server`: its process, its SSE stream, or its HTTP endpoint, there perhaps with a login. `refused`
    hears when a request to that is turned away.
    """

    @asynccontextmanager
    async def stdio() -> AsyncIterator[Peer]:
        env = server_environment(os.environ, server.env)
        if pipes.available():
            async with pipes.server_pipe(server.command or "", server.args, env, server.cwd) as pipe:
                yield Peer(LineDispatcher(pipe))
        else:
            parameters = StdioServerParameters(
                command=server.command or "", args=list(server.args), env=env, cwd=server.cwd
            )
            async with stdio_client(parameters) as streams:
                yield Peer.over(streams)

    @asynccontextmanager
    async def sse() -> AsyncIterator[Peer]:
        url, headers = server.url or "", dict(server.headers)
        if login is not None:
            login.required()
        async with sse_client(url, headers=headers, sse_read_timeout=SILENCE_S, auth=login) as streams:
            yield Peer.over(streams)

    @asynccontextmanager
    async def http() -> AsyncIterator[Peer]:
        url, headers = server.url or "", dict(server.headers)
        if login is not None:
            login.required()
        elif posts.available(url):
            async with posts.http_dispatcher(url, headers, refused) as dispatcher:
                yield Peer(dispatcher)
            return
        async with (
            HttpClient(headers, login, refused) as client,
            streamable_http_client(
                server.url or "", http_client=client, max_sse_event_size=pipes.MAX_LINE_BYTES
            ) as streams,
        ):
            yield Peer.over(streams)

    return {"stdio": stdio, "sse": sse, "http": http}[server.type]


def in_memory(server: Server[Any] | MCPServer) -> Connect:
    """How to reach a server of this very program."""

    @asynccontextmanager
    async def memory() -> AsyncIterator[Peer]:
        async with InMemoryTransport(server) as streams:
            yield Peer.over(streams)

    return memory
