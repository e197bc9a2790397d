"""A server on the SDK that turns to its client in the middle of calls, in one protocol era only.

`integration_asking_server.py legacy|modern [--transport http --port PORT]`. Tools: `ask` asks for a form, a url, a
sample and roots, in two rounds; `touch` changes the resource `note://1`.
"""

import argparse
import json
import warnings
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest
from mcp_types.jsonrpc import ErrorData

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
MESSAGE = {"role": "user", "content": {"type": "text", "text": "say something"}}
FIRST = {
    "form": {"method": "elicitation/create", "params": {"message": "who?", "requestedSchema": SCHEMA}},
    "url": {"method": "elicitation/create", "params": {"mode": "url", "message": "go", "url": "https://example.com/"}},
}
SECOND = {
    "sample": {"method": "sampling/createMessage", "params": {"messages": [MESSAGE], "maxTokens": 10}},
    "roots": {"method": "roots/list", "params": {}},
}
bus = InMemorySubscriptionBus()


async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
    names = ("ask", "touch")
    return types.ListToolsResult(tools=[types.Tool(name=name, input_schema={"type": "object"}) for name in names])


async def list_resources(ctx: Any, params: Any) -> types.ListResourcesResult:
    return types.ListResourcesResult(resources=[types.Resource(uri="note://1", name="note")])


async def subscribe(ctx: Any, params: Any) -> types.EmptyResult:
    return types.EmptyResult()


async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> Any:
    if params.name == "touch":
        await bus.publish(ResourceUpdated(uri="note://1"))
        if ctx.protocol_version < "2026":
            await ctx.session.send_resource_updated("note://1")
        return told("touched")
    if ctx.protocol_version < "2026":
        return await ask(ctx)
    return answered(params.input_responses, params.request_state)


async def ask(ctx: Any) -> types.CallToolResult:
    session, answers = ctx.session, {}

    async def form() -> None:
        answers["form"] = await session.elicit_form("who?", SCHEMA, related_request_id=ctx.request_id)

    async def url() -> None:
        question = ("go", "https://example.com/", "e1")
        answers["url"] = await session.elicit_url(*question, related_request_id=ctx.request_id)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(form)
        tasks.start_soon(url)
    message = types.SamplingMessage.model_validate(MESSAGE)
    answers["sample"] = await session.create_message([message], max_tokens=10, related_request_id=ctx.request_id)
    answers["roots"] = await session.list_roots()
    return told(summary(answers))


def answered(responses: Any, state: str | None) -> Any:
    if not responses:
        return {"resultType": "input_required", "inputRequests": FIRST, "requestState": "{}"}
    dumped = {key: found.model_dump(mode="json", by_alias=True) for key, found in responses.items()}
    known = {**json.loads(state or "{}"), **dumped}
    if "sample" not in known:
        return {"resultType": "input_required", "inputRequests": SECOND, "requestState": json.dumps(known)}
    return told(summary({key: _Answer(value) for key, value in known.items()}))


class _Answer:
    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw

    def model_dump(self, **_: Any) -> dict[str, Any]:
        return self.raw


def summary(answers: dict[str, Any]) -> str:
    raw = {key: answer.model_dump(mode="json", by_alias=True) for key, answer in answers.items()}
    return json.dumps(
        [
            raw["form"]["content"],
            raw["url"]["action"],
            raw["sample"]["content"]["text"],
            [root["uri"] for root in raw["roots"]["roots"]],
        ]
    )


def told(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)])


# --- one era only ---------------------------------------------------------------------------------------------------

REFUSED = {"legacy": "server/discover", "modern": "initialize"}


def refusal(id: Any) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=id, error=ErrorData(code=-32601, message="Method not found"))


async def serve_stdio(server: Server[Any], refused: str) -> None:
    async with stdio_server() as (read, write), anyio.create_task_group() as tasks:
        send, received = anyio.create_memory_object_stream[Any](0)

        async def filter() -> None:
            async with send:
                async for item in read:
                    message = getattr(item, "message", None)
                    if isinstance(message, JSONRPCRequest) and message.method == refused:
                        await write.send(SessionMessage(refusal(message.id)))
                    else:
                        await send.send(item)

        tasks.start_soon(filter)
        await server.run(received, write, server.create_initialization_options())
        tasks.cancel_scope.cancel()


def one_era(app: Any, refused: str) -> Any:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await app(scope, receive, send)
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        message = json.loads(body)
        if message.get("method") == refused:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 400, "headers": headers})
            answer = refusal(message["id"]).model_dump_json(by_alias=True, exclude_none=True)
            return await send({"type": "http.response.body", "body": answer.encode()})
        again = [{"type": "http.request", "body": body}]

        async def replay() -> Any:
            return again.pop() if again else await receive()

        return await app(scope, replay, send)

    return serve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("era", choices=sorted(REFUSED))
    parser.add_argument("--transport", default="stdio")
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    server: Server[Any] = Server(
        "asking",
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_subscribe_resource=subscribe,
        on_unsubscribe_resource=subscribe,
        on_subscriptions_listen=ListenHandler(bus),
    )
    if options.transport == "stdio":
        anyio.run(serve_stdio, server, REFUSED[options.era])
    else:
        app = one_era(server.streamable_http_app(), REFUSED[options.era])
        uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
