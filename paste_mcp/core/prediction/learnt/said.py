"""Learnt origins, said in the language of patterns: a column of the session becomes a source.

This module knows how columns are named (`sights.py`) and what sources there are. It must not know counts.
"""

from __future__ import annotations

from typing import Final

from paste_mcp.core.patterns.elements import Element, Outcome
from paste_mcp.core.patterns.globs import GlobError, compile_glob
from paste_mcp.core.patterns.lines import Field, Part
from paste_mcp.core.patterns.paths import MAX_STEPS, PathError, Span, Step, compile_path, path_text
from paste_mcp.core.patterns.pieces import PIECES
from paste_mcp.core.patterns.places import place_of
from paste_mcp.core.patterns.sources import (
    Back,
    ByPath,
    ByPlace,
    Const,
    Join,
    Next,
    OfCall,
    Piece,
    Source,
    Successor,
    Template,
)
from paste_mcp.core.prediction.learnt.names import tool_of
from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.sights import ColumnId

LAST: Final = -1
EXTRACTORS: Final = {"url": "urls", "path": "paths", "id": "ids"}
"""What the language calls these places."""
MAX_TEMPLATE: Final = 200
"""Characters around a framed value."""


def element_of(name: str, status: Outcome) -> Element | None:
    """The signature of that tool's calls, of any server where it is not known; None where it cannot be written."""
    server, tool = tool_of(name)
    try:
        element = Element(compile_glob(server or "*"), compile_glob(tool), status)
    except GlobError:
        return None
    return element if element.tool.literal and (element.server.literal or not server) else None


def source_of(origin: Origin, slot: tuple[str, str], last: str) -> Source | None:
    """`origin` as a source for the argument `slot`, in a pattern whose context ends with the tool `last`.

    Lists are walked on from the last value used. None where the language cannot say it.
    """
    match origin.kind:
        case "copy":
            return origin.of and _walked_on(_of_column(origin.of, last))
        case "step":
            before = last_value(slot, last)
            return before and Successor(before, Const(origin.by)) if isinstance(origin.by, int | float) else None
        case "join":
            folder = origin.of and _first(_of_column(origin.of, last))
            name = origin.more and _of_column(origin.more, last)
            return _walked_on(Join((folder, name), "/")) if folder and name else None
        case "frame":
            inner = origin.of and _of_column(origin.of, last)
            return _walked_on(_framed(*origin.by, inner)) if inner and isinstance(origin.by, tuple) else None


def last_value(slot: tuple[str, str], last: str) -> Source | None:
    """What the tool was given for this argument the last time."""
    back = _reference(slot[0], last, "any")
    return None if back is None else OfCall(back, slot[1])


def is_list(source: Source) -> bool:
    """Whether a source may give several values."""
    return isinstance(source, Next)


def _reference(tool: str, last: str, status: Outcome) -> Back | None:
    return LAST if tool == last else element_of(tool, status)


def _of_column(column: ColumnId, last: str) -> Source | None:
    place = column.place
    for piece in PIECES:
        if place.endswith(f"|{piece}"):
            whole = _of_column(ColumnId(column.tool, place.removesuffix(f"|{piece}")), last)
            return whole and Piece(whole, piece)
    if place.startswith("@"):
        return last_value((column.tool, place[1:]), last)
    back = _reference(column.tool, last, "ok")
    if back is None:
        return None
    path, in_text, text = place.partition("~")
    steps = _steps(path) if path else None
    if path and steps is None:
        return None
    if not in_text:
        return ByPath(back, (steps,)) if steps is not None else None
    named = place_of(EXTRACTORS.get(text, text))
    return ByPlace(back, named, (steps,) if steps is not None else ()) if named else None


def _steps(place: str) -> tuple[Step, ...] | None:
    """The steps that a place in a document stands for, if a path can name them."""
    steps: list[Step] = []
    for part in place[1:].split("."):
        name = part
        while name.endswith("[*]"):
            name = name.removesuffix("[*]")
        steps += [name] if name else []
        steps += [Span(members=True)] * ((len(part) - len(name)) // 3)
    found = tuple(steps)
    try:
        return found if 0 < len(found) <= MAX_STEPS and compile_path(path_text(found)) == found else None
    except PathError:
        return None


def _walked_on(source: Source | None) -> Source | None:
    """A list is worked through; a single value is what it is."""
    return Next(source) if source is not None and _is_listed(source) else source


def _is_listed(source: Source) -> bool:
    match source:
        case ByPath(_, paths):
            return any(isinstance(step, Span) for steps in paths for step in steps)
        case ByPlace():
            return True
        case Piece(of):
            return _is_listed(of)
        case Join(parts):
            return any(map(_is_listed, parts))
        case Template(_, values):
            return any(_is_listed(value) for _, value in values)
        case _:
            return False


def _first(source: Source | None) -> Source | None:
    """The first value of a list: what names are joined to."""
    match source:
        case ByPath(back, (steps,)):
            return ByPath(back, (tuple(0 if isinstance(step, Span) else step for step in steps),))
        case Piece(of, piece):
            inner = _first(of)
            return inner and Piece(inner, piece)
        case _:
            return source


def _framed(before: str, after: str, inner: Source) -> Source | None:
    if len(before) + len(after) > MAX_TEMPLATE:
        return None
    parts: list[Part] = [Field("value")]
    parts = ([before] if before else []) + parts + ([after] if after else [])
    return Template(tuple(parts), (("value", inner),))
