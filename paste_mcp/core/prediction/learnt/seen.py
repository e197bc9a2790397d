"""A call that was made, read once for all that learns from it."""

from __future__ import annotations

from typing import NamedTuple

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Event, Tool
from paste_mcp.core.prediction.learnt.names import tool_id
from paste_mcp.core.prediction.learnt.sights import Shown, shown_by


class Seen(NamedTuple):
    """An event, its tool as counts name it, whether that says that it only reads, its arguments in canonical form (None
    where they have none), and the values that it showed.
    """

    event: Event
    tool: str
    reads: bool
    arguments: bytes | None
    shown: Shown


def seen(event: Event, tool: Tool | None) -> Seen:
    """`event`, a call of `tool`, as it was defined then."""
    try:
        arguments = canonical(dict(event.call.arguments))
    except Unkeyable:
        arguments = None
    reads = tool is not None and tool.hints.read_only is True
    return Seen(event, tool_id(event.call.server, event.call.tool, tool), reads, arguments, shown_by(event))
