"""Short ways to write events, tools and pools for the tests of patterns and predictions. Literal data, no clock."""

import json

from paste_mcp.core.model import Event, Payload, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex, payload_of
from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.core.patterns.mapping import evaluate
from paste_mcp.core.patterns.past import Past


def event(index, tool, arguments=None, document=None, text=None, *, server="s", status="ok", turn=None):
    """A returned call; `text` defaults to the document as JSON."""
    if text is None:
        text = "" if document is None else json.dumps(document)
    payload = Payload(document=document, text=text)
    call = ToolCall(server, tool, arguments or {})
    return Event(index, index if turn is None else turn, call, status, payload, ended=float(index))


def text_event(index, tool, arguments, text, **more):
    """A returned call as a server that answers in plain text makes it."""
    payload = payload_of({"content": [{"type": "text", "text": text}]})
    made = event(index, tool, arguments, **more)
    return Event(made.index, made.turn, made.call, made.status, payload, made.ended)


def pool_data(*patterns):
    return {"version": 1, "patterns": list(patterns)}


def written(name="p", context=None, target=None, arguments=None, probability=0.5, **more):
    """One pattern as a user writes it; `context` may be a list of tool names."""
    elements = [{"tool": entry} if isinstance(entry, str) else entry for entry in context or ["search"]]
    entry = {"name": name, "context": elements, "target": target or {"tool": "visit"}, "probability": probability}
    return entry | ({} if arguments is None else {"arguments": arguments}) | more


def pattern(**parts):
    return parse_pool(pool_data(written(**parts)), users_own=False)[0]


def index_of(events):
    index = ValueIndex()
    for entry in events:
        index.add(entry)
    return index


def bound(arguments, matched, *, history=None, target=None, captures=None, **parts):
    """What one pattern with these arguments gives for these matched events."""
    parts.setdefault("context", [entry.call.tool for entry in matched])
    made = pattern(arguments=arguments, **parts)
    history = history if history is not None else list(matched)
    tool = target or Tool("s", "visit")
    return evaluate(made, tuple(matched), captures or {}, tool, Past(history, index_of(history)))


def values(arguments, matched, **more):
    """The argument sets only."""
    return [found.arguments for found in bound(arguments, matched, **more)]


def tools(*names, server="s", **schemas):
    return {(server, name): Tool(server, name, input_schema=schemas.get(name, {})) for name in names}
