"""A server that costs next to nothing, so that a proxy before it cannot hide: no SDK, no models, one tool `echo`.

Run as a program: on stdio, or with `--http PORT` as an ASGI application. `--tools N` makes a longer list of tools.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

import orjson

METHOD_NOT_FOUND = -32601
_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_READ_ONLY = {"readOnlyHint": True, "openWorldHint": False}
"""So that only the lack of a prediction keeps a proxy from calling ahead, and the whole engine is at work."""


def tools(count: int) -> list[dict[str, Any]]:
    """`echo`, and others of an everyday size that nobody calls."""
    echo = {"name": "echo", "description": "Says it again.", "inputSchema": _SCHEMA, "annotations": _READ_ONLY}
    return [echo, *(_other_tool(number) for number in range(1, count))]


def _other_tool(number: int) -> dict[str, Any]:
    properties = {
        "query": {"type": "string", "description": "Words that have to occur in the title or the text."},
        "since": {"type": "string", "format": "date", "description": "Nothing older than this day."},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20, "description": "Entries at most."},
    }
    described = "Finds the entries of the register that match the query, newest first, with their owners and dates."
    schema = {"type": "object", "properties": properties, "required": ["query"]}
    name = f"find_in_register_{number}"
    return {"name": name, "description": described, "inputSchema": schema, "annotations": _READ_ONLY}


class Echo:
    """The answers, whatever the transport."""

    def __init__(self, count: int) -> None:
        self._tools = {"tools": tools(count)}

    def answer(self, line: bytes) -> bytes | None:
        """The response as JSON; None to a notification."""
        message = orjson.loads(line)
        if "id" not in message:
            return None
        response: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"]}
        match message["method"]:
            case "tools/call":
                text = message["params"]["arguments"]["text"]
                response["result"] = {"content": [{"type": "text", "text": text}], "isError": False}
            case "tools/list":
                response["result"] = self._tools
            case "initialize":
                response["result"] = {
                    "protocolVersion": message["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "echo", "version": "1"},
                }
            case "ping":
                response["result"] = {}
            case method:
                response["error"] = {"code": METHOD_NOT_FOUND, "message": f"Method not found: {method}"}
        return orjson.dumps(response)


def serve_stdio(echo: Echo) -> None:
    """One line in, one line out, until stdin ends."""
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        if (answer := echo.answer(line)) is not None:
            out.write(answer + b"\n")
            out.flush()


def serve_http(echo: Echo, port: int) -> None:
    """One POST in, one JSON body out."""
    from paste_mcp.lab.overhead import asgi  # noqa: PLC0415 - on stdio this import would be most of the start

    async def answer(body: bytes) -> bytes | None:
        return echo.answer(body)

    asyncio.run(asgi.serve(asgi.json_posts(answer), port))


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, metavar="PORT")
    parser.add_argument("--tools", type=int, default=1)
    options = parser.parse_args()
    echo = Echo(options.tools)
    serve_stdio(echo) if options.http is None else serve_http(echo, options.http)


if __name__ == "__main__":
    main()
