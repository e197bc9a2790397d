"""The same echo as most servers are built, on the SDK. It costs more than the proxy before it, and so hides it.

Run as a program: on stdio, or with `--http PORT`.
"""

from __future__ import annotations

import argparse
from typing import Any

import anyio
from mcp import stdio_server
from mcp.server import Server
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool

from paste_mcp.lab.overhead import asgi
from paste_mcp.lab.overhead.echo import tools


async def list_tools(context: Any, params: Any) -> ListToolsResult:
    return ListToolsResult(tools=[Tool.model_validate(tool) for tool in tools(1)])


async def call_tool(context: Any, params: Any) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=params.arguments["text"])])


async def serve_stdio(server: Server) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, metavar="PORT")
    port: int | None = parser.parse_args().http
    server = Server("echo", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    if port is None:
        anyio.run(serve_stdio, server)
    else:
        anyio.run(asgi.serve, server.streamable_http_app(json_response=True), port)


if __name__ == "__main__":
    main()
