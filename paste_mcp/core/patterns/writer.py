"""The written form, written: a pattern as the plain data that `parse_pool` reads back into an equal one.

This module must not know files. What it leaves out is what the reader takes as given.
"""

from __future__ import annotations

from typing import Any, Final

from paste_mcp.core.patterns.elements import Element
from paste_mcp.core.patterns.language import REST, VERSION, WHICHEVER, Pattern
from paste_mcp.core.patterns.lines import template_text
from paste_mcp.core.patterns.paths import path_text
from paste_mcp.core.patterns.sources import (
    Back,
    ByLines,
    ByPath,
    ByPlace,
    Const,
    Join,
    Next,
    OfCall,
    Piece,
    Sibling,
    Source,
    Successor,
    Template,
)

FIRST: Final = ((1, 1.0),)
DEFAULT_SEPARATOR: Final = "/"


def pool_data(patterns: list[Pattern]) -> dict[str, Any]:
    """A whole pattern file."""
    return {"version": VERSION, "patterns": [pattern_data(pattern) for pattern in patterns]}


def pattern_data(pattern: Pattern) -> dict[str, Any]:
    """One entry of a pattern file."""
    found: dict[str, Any] = {"name": pattern.name}
    if pattern.id:
        found["id"] = pattern.id
    if pattern.why:
        found["why"] = pattern.why
    if not pattern.enabled:
        found["enabled"] = False
    if not pattern.context:
        return found
    found["context"] = [_element(element) for element in pattern.context]
    server = {} if pattern.target.server is None else {"server": pattern.target.server.text}
    found["target"] = server | {"tool": pattern.target.tool}
    if arguments := _arguments(pattern):
        found["arguments"] = arguments
    found["probability"] = pattern.probability
    if pattern.evidence is not None:
        found["evidence"] = {"seen": _count(pattern.evidence.seen), "hit": _count(pattern.evidence.hit)}
    return found


def _element(element: Element) -> dict[str, Any]:
    status = {} if element.status == "ok" else {"status": element.status}
    return {"server": element.server.text, "tool": element.tool.text} | status


def _arguments(pattern: Pattern) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if pattern.whichever is not None:
        found[WHICHEVER] = {"next": {"argument": pattern.whichever}}
    for name, source in pattern.arguments:
        found[name] = source_data(source, name)
    if pattern.pick != FIRST:
        # Ranks of all lists are drawn together, so it is no matter which of them holds the pick.
        listed = next(data for data in found.values() if _may_pick(data))
        listed["pick"] = dict(pattern.pick)
    if pattern.rest is not None:
        found[REST] = {"argument": pattern.rest}
    return found


def _may_pick(data: Any) -> bool:
    return isinstance(data, dict) and not data.keys() & {"argument", "const"}


def source_data(source: Source, argument: str) -> Any:
    """A source of the target's `argument`."""
    match source:
        case Const(value):
            return value if value is None or isinstance(value, str | int | float | bool) else {"const": value}
        case ByPath(back, paths):
            return {"result": _back(back), "path": _one_or_all([path_text(steps) for steps in paths])}
        case ByPlace(back, place, paths):
            path = {"path": _one_or_all([path_text(steps) for steps in paths])} if paths else {}
            return {"result": _back(back)} | path | {"extract": place}
        case ByLines(back, templates, take):
            lines = _one_or_all([template_text(parts) for parts in templates])
            return {"result": _back(back), "lines": lines} | ({} if take == argument else {"take": take})
        case OfCall(back, name, default):
            return _of_call(back, name, argument) | ({"default": default[0]} if default else {})
        case Sibling(back, name):
            return {"next": _of_call(back, name, argument)}
        case Piece(of, piece):
            return source_data(of, argument) | {"part": piece}
        case Next(of):
            return {"next": source_data(of, argument)}
        case Join(parts, separator):
            joined = {"join": [source_data(part, argument) for part in parts]}
            return joined if separator == DEFAULT_SEPARATOR else joined | {"with": separator}
        case Successor(of, by):
            step = {} if by == Const(1) else {"by": source_data(by, argument)}
            return {"successor": source_data(of, argument)} | step
        case Template(parts, values):
            filled = {name: source_data(value, argument) for name, value in values}
            return {"template": template_text(parts), "values": filled}


def _of_call(back: Back, name: str, argument: str) -> dict[str, Any]:
    return {"argument": _back(back)} | ({} if name == argument else {"name": name})


def _back(back: Back) -> int | dict[str, Any]:
    return back if isinstance(back, int) else _element(back)


def _one_or_all(texts: list[str]) -> str | list[str]:
    return texts[0] if len(texts) == 1 else texts


def _count(number: float) -> int | float:
    return int(number) if number == int(number) else round(number, 2)
