"""What a tool says of itself, as far as its recorded calls tell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mcp.types import CallToolResult, TextContent, Tool, ToolAnnotations

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.patterns.extract import payload_of
from paste_mcp.store.traces import TracedCall


def tool_of(name: str, calls: Sequence[TracedCall]) -> Tool:
    """The tool, described by its calls. Nothing is reached but the recording, so its world is closed."""
    reads = {call.read_only for call in calls}
    hint = False if False in reads else None if None in reads else True
    return Tool(
        name=name,
        description=f"As recorded: {len(calls)} calls. Other arguments than the recorded ones are errors.",
        input_schema=schema_of([dict(call.arguments) for call in calls]),
        annotations=ToolAnnotations(read_only_hint=hint, open_world_hint=False),
    )


def schema_of(arguments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A JSON schema that all of these objects fit: the types seen, and required what none of them lacks."""
    names = dict.fromkeys(name for each in arguments for name in each)
    properties = {}
    for name in names:
        types = sorted({_type(each[name]) for each in arguments if name in each})
        properties[name] = {"type": types[0] if len(types) == 1 else types}
    required = [name for name in names if all(name in each for each in arguments)]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def result_of(call: TracedCall) -> CallToolResult:
    """The recorded result. What the record keeps apart from the text is structured content."""
    text, document = call.result.text, call.result.document
    structured = document if isinstance(document, dict) and not _says(text, document) else None
    if not text and structured is not None:
        text = json.dumps(structured, ensure_ascii=False)
    return CallToolResult(
        content=[TextContent(type="text", text=text)] if text else [],
        structured_content=structured,
        is_error=call.status == "error",
    )


def _says(text: str, document: Any) -> bool:
    """The text is all there is: the document can be read out of it."""
    try:
        read = payload_of({"content": [{"type": "text", "text": text}]}).document
        return canonical(read) == canonical(document)
    except Unkeyable:
        return False


def _type(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case None:
            return "null"
        case _:
            return "object"
