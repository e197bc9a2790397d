"""The server that the official MCP conformance suite wants to find: `python fixture_server.py --port 3101`.

The suite names tools, prompts and resources and says what each must do; nothing else is here. It serves both protocol
eras over streamable HTTP at `/mcp`, or over stdio with `--stdio`.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from fixture_samples import PNG
from fixture_tools import TOOLS, call_tool, changes, elicitation, listen, tool_definitions
from mcp import MCPError
from mcp.server import Server
from mcp.server.caching import CacheHint
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import INVALID_PARAMS

Handler = Callable[[Any, Any], Awaitable[Any]]

RETRY_INTERVAL_MS = 100

RESOURCES = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": PNG},
    "test://watched-resource": {"mimeType": "text/plain", "text": "Somebody may be watching this."},
}
ARGUMENTS = [{"name": name, "description": f"Test argument {name}", "required": True} for name in ("arg1", "arg2")]
PROMPTS: dict[str, list[dict[str, Any]]] = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ARGUMENTS,
    "test_prompt_with_embedded_resource": [
        {"name": "resourceUri", "description": "URI of the resource to embed", "required": True}
    ],
    "test_prompt_with_image": [],
    "test_input_required_result_prompt": [],
}


class Events(EventStore):
    """Every event of this short-lived process, in order."""

    def __init__(self) -> None:
        self._events: list[tuple[str, types.JSONRPCMessage | None]] = []
        self._ids = itertools.count()

    async def store_event(self, stream_id: str, message: types.JSONRPCMessage | None) -> str:
        self._events.append((stream_id, message))
        return str(next(self._ids))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        last = int(last_event_id)
        stream = self._events[last][0]
        for id, (of, message) in enumerate(list(self._events)):
            if id > last and of == stream and message is not None:
                await send_callback(EventMessage(message, str(id)))
        return stream


# --- resources ------------------------------------------------------------------------------------------------------


async def list_resources(ctx: Any, params: Any) -> Any:
    return {
        "resources": [
            {"uri": uri, "name": uri.partition("//")[2], "description": "For tests", "mimeType": content["mimeType"]}
            for uri, content in RESOURCES.items()
        ]
    }


async def list_templates(ctx: Any, params: Any) -> Any:
    template = {"uriTemplate": "test://template/{id}/data", "name": "template", "description": "For tests"}
    return {"resourceTemplates": [{**template, "mimeType": "application/json"}]}


async def read_resource(ctx: Any, params: types.ReadResourceRequestParams) -> Any:
    uri = str(params.uri)
    if uri in RESOURCES:
        return {"contents": [{"uri": uri, **RESOURCES[uri]}]}
    if uri.startswith("test://template/") and uri.endswith("/data"):
        id = uri.removeprefix("test://template/").removesuffix("/data")
        text = f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'
        return {"contents": [{"uri": uri, "mimeType": "application/json", "text": text}]}
    raise MCPError(INVALID_PARAMS, "Resource not found", {"uri": uri})


async def subscribe(ctx: Any, params: Any) -> Any:
    """Accepted; the watched resource never changes."""
    return {}


# --- prompts and the rest -------------------------------------------------------------------------------------------


async def list_prompts(ctx: Any, params: Any) -> Any:
    return {
        "prompts": [
            {"name": name, "description": f"Conformance prompt {name}", "arguments": arguments}
            for name, arguments in PROMPTS.items()
        ]
    }


async def get_prompt(ctx: Any, params: types.GetPromptRequestParams) -> Any:
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            return _said(_text("This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            return _said(_text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"))
        case "test_prompt_with_embedded_resource":
            text = "Embedded resource content for testing."
            resource = {"uri": given.get("resourceUri"), "mimeType": "text/plain", "text": text}
            return _said(
                {"type": "resource", "resource": resource}, _text("Please process the embedded resource above.")
            )
        case "test_prompt_with_image":
            image = {"type": "image", "data": PNG, "mimeType": "image/png"}
            return _said(image, _text("Please analyze the image above."))
        case "test_input_required_result_prompt":
            responses = (ctx.params or {}).get("inputResponses") or {}
            if "user_context" in responses:
                context = responses["user_context"]["content"]["context"]
                return _said(_text(f"Use this context: {context}"))
            ask = elicitation("What context should the prompt use?", {"context": {"type": "string"}})
            return {"resultType": "input_required", "inputRequests": {"user_context": ask}}
    raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name}")


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _said(*contents: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content} for content in contents]}


async def complete(ctx: Any, params: types.CompleteRequestParams) -> Any:
    start = params.argument.value
    values = [word for word in ("paris", "park", "party", "test", "testing") if word.startswith(start)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}


async def set_level(ctx: Any, params: Any) -> Any:
    return {}


async def list_tools(ctx: Any, params: Any) -> Any:
    return {"tools": tool_definitions()}


def complete_result(handler: Handler) -> Handler:
    """What 2026-07-28 wants said of every result; the SDK takes it out again for older clients."""

    async def handle(ctx: Any, params: Any) -> Any:
        return {"resultType": "complete", **await handler(ctx, params)}

    return handle


# --- serving --------------------------------------------------------------------------------------------------------


def make_server() -> Server[Any]:
    hint = CacheHint(ttl_ms=60_000, scope="private")
    methods = ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Parts of the protocol that 2026-07-28 deprecates are still asked for.
        return Server(
            "conformance-fixture",
            version="1.0.0",
            cache_hints=dict.fromkeys(methods, hint),  # type: ignore[arg-type]
            get_tool_input_schema=lambda name: TOOLS[name].schema if name in TOOLS else None,
            on_list_tools=complete_result(list_tools),
            on_call_tool=complete_result(call_tool),
            on_list_resources=complete_result(list_resources),
            on_list_resource_templates=complete_result(list_templates),
            on_read_resource=complete_result(read_resource),
            on_subscribe_resource=subscribe,
            on_unsubscribe_resource=subscribe,
            on_subscriptions_listen=listen,
            on_list_prompts=complete_result(list_prompts),
            on_get_prompt=complete_result(get_prompt),
            on_completion=complete_result(complete),
            on_set_logging_level=set_level,
        )


async def serve_stdio(server: Server[Any]) -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options(changes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3101)
    parser.add_argument("--stdio", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.basicConfig(level=logging.WARNING)
    server = make_server()
    if options.stdio:
        anyio.run(serve_stdio, server)
        return
    app = server.streamable_http_app(event_store=Events(), retry_interval=RETRY_INTERVAL_MS)
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
