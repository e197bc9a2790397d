"""The written form of sources, read: plain data in, `sources` out, `PatternError` with the exact place otherwise.

This module must not know where the data came from (YAML, a database, a miner) nor how sources are evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.patterns.elements import read_element
from paste_mcp.core.patterns.globs import holes
from paste_mcp.core.patterns.lines import Part, TemplateError, compile_template, fields_of
from paste_mcp.core.patterns.paths import PathError, compile_path
from paste_mcp.core.patterns.pieces import PIECES
from paste_mcp.core.patterns.places import PLACES, place_of
from paste_mcp.core.patterns.problems import Spot, members, shown, suggestion
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

MAX_ALTERNATIVES: Final = 8
"""Alternative paths or line templates of one source."""
MAX_NESTING: Final = 4
"""Sources inside sources."""
MAX_PARTS: Final = 8
"""Parts of a join."""
MAX_SEPARATOR: Final = 16
MAX_RANK: Final = 64
MAX_CONST: Final = 4_096
"""Bytes of one constant as JSON."""

KINDS: Final = ("result", "argument", "const", "join", "next", "successor", "template")
Picks = tuple[tuple[int, float], ...]
Compiled = TypeVar("Compiled")


@dataclass(slots=True)
class SourceReader:
    """Reads the sources of one argument. `picks` gathers every pick it meets, with its place."""

    context: int
    """Elements of the context: what `back` may reach."""
    argument: str
    """The target's argument that is being read: what `name` and `take` default to."""
    captures: frozenset[str] = frozenset()
    picks: list[tuple[Spot, Picks]] = field(default_factory=list)

    def read(self, data: Any, spot: Spot, depth: int = 0) -> Source:
        """The source that `data` describes; a bare scalar is a constant. Raises `PatternError`."""
        if data is None or isinstance(data, str | int | float | bool):
            return self._const(data, spot)
        if not isinstance(data, Mapping):
            raise spot.error(f"{shown(data)} is no source", "write a mapping, or {const: ...} for a list")
        if depth == MAX_NESTING:
            raise spot.error(f"sources are nested more than {MAX_NESTING} deep", "flatten them")
        kind = next((kind for kind in ("next", "join", "successor", "template", "const") if kind in data), None)
        if kind == "next" and depth > 0:
            raise spot.error("next stands inside another source", "put it outermost: it yields whole arguments")
        readers: dict[str, Callable[[Mapping[str, Any], Spot, int], Source]] = {
            "next": self._next,
            "join": self._join,
            "successor": self._successor,
            "template": self._template,
        }
        if kind in readers:
            return readers[kind](data, spot, depth)
        if kind == "const":
            members(data, spot, known=("const",), what="a constant")
            return self._const(data["const"], spot.at("const"))
        if "argument" in data:
            return self._argument(data, spot)
        if "result" in data:
            return self._result(data, spot)
        first = next(iter(data), None)
        raise spot.error(f"{shown(first)} is no kind of source", suggestion(first, KINDS))

    def back(self, data: Mapping[str, Any], key: str, spot: Spot) -> Back:
        """The earlier call that `data[key]` names: a context element or a signature. Raises `PatternError`."""
        if not isinstance(data[key], Mapping):
            return self.index(data, key, spot)
        element = read_element(data[key], spot.at(key), "an earlier call")
        if element.tool.captures:
            raise (
                spot.at(key).at("tool").error("an earlier call's tool holds no captures", "use * for any run of signs")
            )
        return element

    def index(self, data: Mapping[str, Any], key: str, spot: Spot) -> int:
        """The context element that `data[key]` names, counted from the end. Raises `PatternError`."""
        value = data[key]
        if isinstance(value, bool) or not isinstance(value, int):
            raise spot.at(key).error(f"{shown(value)} is not an index", "-1 is the last context element")
        if not -self.context <= value <= -1:
            oldest = "only -1" if self.context == 1 else f"-{self.context} to -1"
            raise spot.at(key).error(f"{value} is outside the context", f"count back from its end: {oldest}")
        return value

    def _result(self, data: Mapping[str, Any], spot: Spot) -> Source:
        known = ("result", "path", "lines", "take", "extract", "part", "pick")
        members(data, spot, known=known, what="a result source")
        back = self.back(data, "result", spot)
        self._pick(data, spot)
        given = [key for key in ("path", "lines", "extract") if key in data]
        if len(given) != 1 and given != ["path", "extract"]:
            raise spot.error("a result source names one of path, lines and extract", "add one, or remove the others")
        if "take" in data and given != ["lines"]:
            raise spot.at("take").error("take belongs to lines", "remove it")
        if "lines" in data:
            templates = self._each(data["lines"], spot.at("lines"), compile_template, TemplateError)
            return self._part(data, spot, ByLines(back, templates, self._take(data, templates, spot)))
        paths = self._each(data["path"], spot.at("path"), compile_path, PathError) if "path" in data else ()
        if "extract" not in data:
            return self._part(data, spot, ByPath(back, paths))
        name = data["extract"]
        place = place_of(name) if isinstance(name, str) else None
        if place is None:
            raise spot.at("extract").error(f"{shown(name)} cannot be extracted", suggestion(name, PLACES))
        return self._part(data, spot, ByPlace(back, place, paths))

    def _part(self, data: Mapping[str, Any], spot: Spot, source: Source) -> Source:
        if "part" not in data:
            return source
        for piece in PIECES:
            if data["part"] == piece:
                return Piece(source, piece)
        raise spot.at("part").error(f"{shown(data['part'])} is no part", suggestion(data["part"], PIECES))

    def _each(
        self, data: Any, spot: Spot, compiled: Callable[[str], Compiled], wrong: type[PathError | TemplateError]
    ) -> tuple[Compiled, ...]:
        """One text or a list of alternatives, each compiled."""
        texts = data if isinstance(data, list) else [data]
        if not 0 < len(texts) <= MAX_ALTERNATIVES:
            raise spot.error(f"{len(texts)} alternatives", f"write 1 to {MAX_ALTERNATIVES}")
        found: list[Compiled] = []
        for number, text in enumerate(texts):
            here = spot.at(number) if isinstance(data, list) else spot
            if not isinstance(text, str):
                raise here.error(f"{shown(text)} is not a text", "put it in quotes")
            try:
                found.append(compiled(text))
            except (PathError, TemplateError) as error:
                if not isinstance(error, wrong):
                    raise
                raise here.error(f"{shown(text)} {error.problem}", error.remedy) from None
        return tuple(found)

    def _take(self, data: Mapping[str, Any], templates: tuple[tuple[Part, ...], ...], spot: Spot) -> str:
        common = set.intersection(*(set(fields_of(parts)) for parts in templates))
        take = data.get("take")
        if take is None:
            take = self.argument if self.argument in common else next(iter(common)) if len(common) == 1 else None
            if take is None:
                raise spot.at("lines").error("it is not clear which field to take", "add `take:` with a field's name")
        elif not isinstance(take, str) or take not in common:
            raise spot.at("take").error(f"{shown(take)} is no field of the template", suggestion(take, sorted(common)))
        return str(take)

    def _argument(self, data: Mapping[str, Any], spot: Spot) -> Source:
        members(data, spot, known=("argument", "name", "default", "part"), what="an argument source")
        back = self.back(data, "argument", spot)
        default: tuple[Any, ...] = ()
        if "default" in data:
            default = (self._const(data["default"], spot.at("default")).value,)
        return self._part(data, spot, OfCall(back, self._name(data, spot), default))

    def _name(self, data: Mapping[str, Any], spot: Spot) -> str:
        name = data.get("name", self.argument)
        if not isinstance(name, str) or not name:
            raise spot.at("name").error(f"{shown(name)} is not an argument's name", "put the name in quotes")
        unknown = sorted(holes(name) - self.captures)
        if unknown:
            raise spot.at("name").error(f"{{{unknown[0]}}} is captured nowhere", "capture it in a context tool's name")
        return name

    def _const(self, value: Any, spot: Spot) -> Const:
        try:
            size = len(canonical(value))
        except Unkeyable:
            raise spot.error("the constant is not a JSON value", "put dates and the like in quotes") from None
        if size > MAX_CONST:
            raise spot.error(f"the constant is longer than {MAX_CONST} bytes", "shorten it")
        return Const(value)

    def _join(self, data: Mapping[str, Any], spot: Spot, depth: int) -> Join:
        members(data, spot, known=("join", "with", "pick"), what="a join")
        self._pick(data, spot)
        parts = data["join"]
        if not isinstance(parts, list) or not 1 < len(parts) <= MAX_PARTS:
            raise spot.at("join").error("join takes a list of sources", f"write 2 to {MAX_PARTS} of them")
        separator = data.get("with", "/")
        if not isinstance(separator, str) or len(separator) > MAX_SEPARATOR:
            raise spot.at("with").error(f"{shown(separator)} is no separator", f"write at most {MAX_SEPARATOR} signs")
        inside = spot.at("join")
        return Join(
            tuple(self.read(part, inside.at(number), depth + 1) for number, part in enumerate(parts)), separator
        )

    def _template(self, data: Mapping[str, Any], spot: Spot, depth: int) -> Template:
        members(data, spot, known=("template", "values", "pick"), required=("values",), what="a template")
        self._pick(data, spot)
        (parts,) = self._each(data["template"], spot.at("template"), compile_template, TemplateError)[:1]
        typed = next((part.name for part in parts if not isinstance(part, str) and part.kind), None)
        if typed:
            raise spot.at("template").error(f"field {shown(typed)} has a type", "types are for lines; remove it")
        inside = spot.at("values")
        names = fields_of(parts)
        values = members(data["values"], inside, known=names, required=names, what="the template")
        return Template(parts, tuple((name, self.read(values[name], inside.at(name), depth + 1)) for name in names))

    def _successor(self, data: Mapping[str, Any], spot: Spot, depth: int) -> Successor:
        members(data, spot, known=("successor", "by", "pick"), what="a successor")
        self._pick(data, spot)
        by = self.read(data.get("by", 1), spot.at("by"), depth + 1)
        if isinstance(by, Const) and (isinstance(by.value, bool) or not isinstance(by.value, int | float)):
            raise spot.at("by").error(f"{shown(by.value)} is not a number", "write how much to count on, such as 1")
        return Successor(self.read(data["successor"], spot.at("successor"), depth + 1), by)

    def _next(self, data: Mapping[str, Any], spot: Spot, depth: int) -> Next | Sibling:
        members(data, spot, known=("next", "pick"), what="next")
        self._pick(data, spot)
        inner, inside = data["next"], spot.at("next")
        if isinstance(inner, Mapping) and "argument" in inner and len(inner.keys() - {"argument", "name"}) == 0:
            return Sibling(self.back(inner, "argument", inside), self._name(inner, inside))
        of = self.read(inner, inside, depth + 1)
        if isinstance(of.of if isinstance(of, Piece) else of, Const | OfCall):
            raise inside.error("next needs a list to walk", "give it a result source, or {argument: -1} for siblings")
        return Next(of)

    def _pick(self, data: Mapping[str, Any], spot: Spot) -> None:
        if "pick" in data:
            self.picks.append((spot.at("pick"), read_pick(data["pick"], spot.at("pick"))))


def read_pick(data: Any, spot: Spot) -> Picks:
    """Ranks (from 1) and the probability of each, in rising rank. Raises `PatternError`."""
    if not isinstance(data, Mapping) or not data:
        raise spot.error(f"{shown(data)} is no pick", "write {1: 0.4, 2: 0.2}: rank and its probability")
    for rank, share in data.items():
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= MAX_RANK:
            raise spot.error(f"{shown(rank)} is no rank", f"ranks count from 1 to {MAX_RANK}")
        if not is_probability(share):
            raise spot.at(rank).error(f"{shown(share)} is no probability", "write a number above 0, up to 1")
    total = math.fsum(data.values())
    if total > 1 + 1e-9:
        raise spot.error(f"the probabilities of the ranks sum to {total:.4g}", "they may not exceed 1 together")
    return tuple(sorted((rank, float(share)) for rank, share in data.items()))


def is_probability(value: Any) -> bool:
    """A number above 0 and up to 1 (NaN is not)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1
