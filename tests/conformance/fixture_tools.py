"""The tools that the conformance suite calls by name, each as short as the suite allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import fixture_rounds as rounds
import mcp_types as types
from fixture_rounds import elicitation, sampling
from fixture_samples import PNG, WAV
from mcp import MCPError
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from mcp_types import INVALID_PARAMS

Run = Callable[[Any, dict[str, Any]], Awaitable[dict[str, Any]]]

STEP_S = 0.05
MISSING_REQUIRED_CLIENT_CAPABILITY = -32021

changes = NotificationOptions(True, True, True)
bus = InMemorySubscriptionBus()
listen = ListenHandler(bus)


@dataclass(frozen=True)
class FixtureTool:
    run: Run
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


def _strings(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string", **rest} for name, rest in properties.items()},
        "required": list(properties),
    }


def text(words: str, **rest: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}], **rest}


def constant(*content: dict[str, Any], **rest: Any) -> Run:
    async def run(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"content": list(content), **rest}

    return run


# --- plain results --------------------------------------------------------------------------------------------------

IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}
AUDIO = {"type": "audio", "data": WAV, "mimeType": "audio/wav"}
EMBEDDED = {
    "type": "resource",
    "resource": {
        "uri": "test://embedded-resource",
        "mimeType": "text/plain",
        "text": "This is an embedded resource content.",
    },
}
MIXED = {
    "type": "resource",
    "resource": {
        "uri": "test://mixed-content-resource",
        "mimeType": "application/json",
        "text": '{"test":"data","value":123}',
    },
}


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


# --- while running --------------------------------------------------------------------------------------------------


async def with_logging(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)
        await anyio.sleep(STEP_S)
    return text("Logged three times")


async def with_progress(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await anyio.sleep(STEP_S)
    return text("All done")


async def reconnection(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await anyio.sleep(2 * STEP_S)
    return text("Still here")


async def change_tools(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    await bus.publish(ToolsListChanged())
    return text("Said that the tools changed")


async def change_prompts(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    await bus.publish(PromptsListChanged())
    return text("Said that the prompts changed")


# --- asking the client, up to 2025-11-25 ----------------------------------------------------------------------------


async def ask(ctx: Any, request: dict[str, Any]) -> Any:
    """Ask on this call's own stream. The raw channel: the suite's enum schemas are richer than the SDK's helper."""
    return await ctx.session._request_outbound.send_raw_request(request["method"], request["params"])


async def sample(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    answer = await ask(ctx, sampling(arguments["prompt"], 100))
    return text(f"LLM response: {answer['content']['text']}")


async def elicit(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    answer = await ask(ctx, elicitation(arguments["message"], schema))
    return text(f"User response: action={answer['action']}, content={answer.get('content')}")


def eliciting(properties: dict[str, Any]) -> Run:
    async def run(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        answer = await ask(ctx, elicitation("Please fill in the form", properties, required=[]))
        return text(f"Elicitation completed: action={answer['action']}, content={answer.get('content')}")

    return run


DEFAULTS = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
PLAIN = ["option1", "option2", "option3"]
TITLED = [{"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second", "Third"), 1)]
ENUMS = {
    "untitledSingle": {"type": "string", "enum": PLAIN},
    "titledSingle": {"type": "string", "oneOf": TITLED},
    "legacyEnum": {
        "type": "string",
        "enum": ["opt1", "opt2", "opt3"],
        "enumNames": ["Option One", "Option Two", "Option Three"],
    },
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": PLAIN}},
    "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
}


# --- 2026-07-28 -----------------------------------------------------------------------------------------------------


async def missing_capability(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    if "sampling" not in rounds.client_capabilities(ctx):
        data = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling", data)
    return text("You can sample")


async def streaming_elicitation(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    await ctx.session.report_progress(1, 2)
    return rounds.required(user_name=elicitation("What is your name?", {"name": {"type": "string"}}))


JSON_SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

TOOLS: dict[str, FixtureTool] = {
    "test_simple_text": FixtureTool(constant(_text("This is a simple text response for testing."))),
    "test_image_content": FixtureTool(constant(IMAGE)),
    "test_audio_content": FixtureTool(constant(AUDIO)),
    "test_embedded_resource": FixtureTool(constant(EMBEDDED)),
    "test_multiple_content_types": FixtureTool(constant(_text("Multiple content types test:"), IMAGE, MIXED)),
    "test_error_handling": FixtureTool(
        constant(_text("This tool intentionally returns an error for testing"), isError=True)
    ),
    "test_tool_with_logging": FixtureTool(with_logging),
    "test_logging_tool": FixtureTool(with_logging),
    "test_tool_with_progress": FixtureTool(with_progress),
    "test_reconnection": FixtureTool(reconnection),
    "test_trigger_tool_change": FixtureTool(change_tools),
    "test_trigger_prompt_change": FixtureTool(change_prompts),
    "test_sampling": FixtureTool(sample, _strings(prompt={"description": "What to ask the model"})),
    "test_elicitation": FixtureTool(elicit, _strings(message={"description": "What to ask the user"})),
    "test_elicitation_sep1034_defaults": FixtureTool(eliciting(DEFAULTS)),
    "test_elicitation_sep1330_enums": FixtureTool(eliciting(ENUMS)),
    "json_schema_2020_12_tool": FixtureTool(constant(_text("Accepted")), JSON_SCHEMA_2020_12),
    "test_missing_capability": FixtureTool(missing_capability),
    "test_streaming_elicitation": FixtureTool(streaming_elicitation),
    "header_parameter": FixtureTool(
        constant(_text("Header and body agreed")), _strings(region={"x-mcp-header": "Region"})
    ),
    **{name: FixtureTool(run) for name, run in rounds.TOOLS.items()},
}


def tool_definitions() -> list[dict[str, Any]]:
    return [
        {"name": name, "description": f"Conformance tool {name}", "inputSchema": dict(tool.schema)}
        for name, tool in TOOLS.items()
    ]


async def call_tool(ctx: Any, params: types.CallToolRequestParams) -> Any:
    if params.name not in TOOLS:
        raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name}")
    return await TOOLS[params.name].run(ctx, params.arguments or {})
