"""How counts name tools, and what was learnt of one following another."""

from __future__ import annotations

from paste_mcp.core.model import Tool


def tool_id(server: str, name: str, tool: Tool | None) -> str:
    """A tool's name in the counts; a changed definition is another tool, so that learning starts anew."""
    return f"{server}\t{name}\t{tool.definition[:12] if tool else ''}"


def parts_of(id: str) -> tuple[str, str, str]:
    """(server, tool, digest of its definition) of a tool as counts name it."""
    server, _, rest = id.partition("\t")
    tool, _, definition = rest.rpartition("\t")
    return server, tool, definition


def tool_of(id: str) -> tuple[str, str]:
    """(server, tool) of a tool as counts name it."""
    return parts_of(id)[:2]


def learnt_id(last: str, target: str) -> str:
    """The id of what was learnt about `target` following `last`, both as counts name tools."""
    return f"learnt:{'/'.join(tool_of(last))} > {'/'.join(tool_of(target))}"
