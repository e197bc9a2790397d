"""Where an argument's value comes from: the value-mapping part of a pattern, as data.

This module only says what can be asked for; `reader.py` reads the written form and `mapping.py` gives the values.
`back` counts elements of the matched context from the end, -1 being the last one, or is the signature of a call
wherever it stands in the session: the latest that has it is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from paste_mcp.core.model import Json
from paste_mcp.core.patterns.elements import Element
from paste_mcp.core.patterns.lines import Part
from paste_mcp.core.patterns.paths import Step
from paste_mcp.core.patterns.pieces import PieceName

Back: TypeAlias = int | Element


@dataclass(frozen=True, slots=True)
class ByPath:
    """Values of a result's document. The first of the alternative paths that finds something counts."""

    back: Back
    paths: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True, slots=True)
class ByLines:
    """One field of a result's text, read line by line. The first template that fits some line counts."""

    back: Back
    templates: tuple[tuple[Part, ...], ...]
    take: str


@dataclass(frozen=True, slots=True)
class ByPlace:
    """What stands at a recognisable place in a result's text (its addresses, say, or what follows a label).

    With `paths`, in the texts that these lead to in its document.
    """

    back: Back
    place: str
    paths: tuple[tuple[Step, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class OfCall:
    """An argument of an earlier call; `default` where that call did not give it (a pair with one value, or nothing)."""

    back: Back
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
class Piece:
    """One piece of a text, such as the folder of a path."""

    of: Source
    piece: PieceName


@dataclass(frozen=True, slots=True)
class Next:
    """The values of a list that come after the last one used and have not been used for this argument."""

    of: Source


@dataclass(frozen=True, slots=True)
class Sibling:
    """The values that follow an earlier call's argument in the list, of some earlier result, that it was taken from."""

    back: Back
    name: str


Source: TypeAlias = ByPath | ByLines | ByPlace | OfCall | Const | Join | Template | Successor | Piece | Next | Sibling


def references(source: Source) -> Iterator[Element]:
    """The calls outside the context that a source reads, as it names them."""
    match source:
        case ByPath(back) | ByLines(back) | ByPlace(back) | OfCall(back) | Sibling(back):
            if isinstance(back, Element):
                yield back
        case Join(parts):
            for part in parts:
                yield from references(part)
        case Template(_, values):
            for _, value in values:
                yield from references(value)
        case Successor(of, by):
            yield from references(of)
            yield from references(by)
        case Piece(of) | Next(of):
            yield from references(of)
        case Const():
            pass
