"""Where an argument's value comes from: the value-mapping part of a pattern, as data.

This module only says what can be asked for; `reader.py` reads the written form and `mapping.py` gives the values.
`back` counts elements of the matched context from the end: -1 is the last one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from paste_mcp.core.model import Json
from paste_mcp.core.patterns.lines import Part
from paste_mcp.core.patterns.paths import Step
from paste_mcp.core.patterns.typed import Kind


@dataclass(frozen=True, slots=True)
class ByPath:
    """Values of a result's document. The first of the alternative paths that finds something counts."""

    back: int
    paths: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True, slots=True)
class ByLines:
    """One field of a result's text, read line by line. The first template that fits some line counts."""

    back: int
    templates: tuple[tuple[Part, ...], ...]
    take: str


@dataclass(frozen=True, slots=True)
class ByKind:
    """Addresses, paths or identifiers in a result's text."""

    back: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class OfCall:
    """An argument of an earlier call; `default` where that call did not give it (a pair with one value, or nothing)."""

    back: int
    name: str
    default: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Const:
    """What the pattern says."""

    value: Json


@dataclass(frozen=True, slots=True)
class Join:
    """Strings put together; the separator stands once between each two."""

    parts: tuple[Source, ...]
    separator: str


@dataclass(frozen=True, slots=True)
class Template:
    """A text with holes, filled."""

    parts: tuple[Part, ...]
    values: tuple[tuple[str, Source], ...]


@dataclass(frozen=True, slots=True)
class Successor:
    """A number, or a string of digits, counted on."""

    of: Source
    by: Source


@dataclass(frozen=True, slots=True)
class Next:
    """The values of a list that come after the last one used and have not been used for this argument."""

    of: Source


@dataclass(frozen=True, slots=True)
class Sibling:
    """The values that follow an earlier call's argument in the list, of some earlier result, that it was taken from."""

    back: int
    name: str


Source: TypeAlias = ByPath | ByLines | ByKind | OfCall | Const | Join | Template | Successor | Next | Sibling
