"""What one session has shown: every value under the column it stood in, and every column that held a value.

A column is a place that comes back with each call of a tool: an argument, a member of the result's document with list
positions left open, a labelled place in its text. Fed event by event, so that a prediction looks up and never scans.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from paste_mcp.core.model import Event, Json
from paste_mcp.core.patterns.pieces import PIECES, piece_of
from paste_mcp.core.patterns.texts import values_in

MAX_VALUES: Final = 1_500
"""Values of one event that are indexed."""
MAX_HELD: Final = 60_000
"""Values of one session that are held; the oldest event goes first."""
MAX_STRING: Final = 512
MAX_DEPTH: Final = 12
MAX_TEXT: Final = 16 * 1024
"""Characters of one text that are read: what comes next is mostly near its beginning."""
MAX_COLUMN: Final = 400
"""Values of one column in one event."""
MAX_PLACES: Final = 48
"""Latest places of a value that are told."""
MAX_SIGHTS: Final = 64
LONG_TEXT: Final = 200
"""A string in a document from this length on, or with line ends, is read as text, too."""


class ColumnId(NamedTuple):
    """A tool, as `tool_id` names it, and a place in its calls: `@name` of an argument, `$...` of a document, `~...`."""

    tool: str
    place: str


class Sight(NamedTuple):
    """What one event put into a column: distinct values in order, and the row of each (its list positions)."""

    event: int
    values: tuple[Json, ...]
    keys: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]


Shown: TypeAlias = dict[str, dict[str, tuple[Json, tuple[int, ...]]]]
"""By place, the distinct values in order, under their keys: each as it stood, with its row."""


@dataclass(slots=True)
class Sights:
    """The columns of one session."""

    columns: dict[ColumnId, deque[Sight]] = field(default_factory=dict)
    by_leaf: dict[str, dict[ColumnId, None]] = field(default_factory=dict)
    """Columns by the last name of their place, in order of first sight."""
    _places: dict[str, list[ColumnId]] = field(default_factory=dict)
    _held: deque[tuple[list[str], list[ColumnId]]] = field(default_factory=deque)
    _count: int = 0

    def add(self, event: Event, tool: str, shown: Shown) -> None:
        """Take in what `event` sent and what it brought, as `shown_by` read it."""
        keys: list[str] = []
        ids: list[ColumnId] = []
        for place, column in shown.items():
            id = ColumnId(tool, place)
            ids.append(id)
            if id not in self.columns:
                self.columns[id] = deque(maxlen=MAX_SIGHTS)
                self.by_leaf.setdefault(leaf_of(place), {})[id] = None
            values, rows = zip(*column.values(), strict=True)
            self.columns[id].append(Sight(event.index, values, tuple(column), rows))
            for key in column:
                places = self._places.get(key)
                if places is None:
                    self._places[key] = [id]
                else:
                    places.append(id)
            keys += column
        self._held.append((keys, ids))
        self._count += len(keys)
        while self._count > MAX_HELD and len(self._held) > 1:
            self._forget()

    def supposing(self, event: Event, tool: str, shown: Shown) -> Sights:
        """These, and what `event` would add. Only what that touches is copied whole."""
        other = Sights(dict(self.columns), dict(self.by_leaf), dict(self._places))
        for place, column in shown.items():
            id, leaf = ColumnId(tool, place), leaf_of(place)
            if id in other.columns:
                other.columns[id] = other.columns[id].copy()
            if leaf in other.by_leaf:
                other.by_leaf[leaf] = other.by_leaf[leaf].copy()
            for key in column:
                if key in other._places:
                    other._places[key] = list(self._places[key])
        other.add(event, tool, shown)
        return other

    def places(self, value: Json) -> list[ColumnId]:
        """The columns that held `value`, latest first, each once."""
        if not is_indexable(value):
            return []
        return list(dict.fromkeys(reversed(self._places.get(key_of(value), [])[-MAX_PLACES:])))

    def latest(self, column: ColumnId, most: int) -> list[Sight]:
        """The last few sights of a column, the latest first."""
        return list(islice(reversed(self.columns.get(column, ())), most))

    def stamp(self, column: ColumnId | None) -> int:
        """The last event that showed this column; it changes whenever the column's values do."""
        sights = self.columns.get(column) if column is not None else None
        return sights[-1].event if sights else -1

    def _forget(self) -> None:
        keys, ids = self._held.popleft()
        self._count -= len(keys)
        for key in keys:
            places = self._places.get(key)
            if places:
                del places[0]
                if not places:
                    del self._places[key]
        for id in ids:
            sights = self.columns.get(id)
            if sights and len(sights) > 1:
                sights.popleft()


def shown_by(event: Event) -> Shown:
    """What an event sent and what it brought, by place: the slow half of taking it in, which needs no memory."""
    found: Shown = {}
    for place, value, row in islice(_values(event), MAX_VALUES):
        column = found.get(place)
        if column is None:
            column = found[place] = {}
        if len(column) < MAX_COLUMN:
            column.setdefault(key_of(value), (value, row))
    return found


def key_of(value: Json) -> str:
    """How a value is looked up: a number and its digits as text are the same id to most servers."""
    return value if isinstance(value, str) else repr(value)


def is_indexable(value: Json) -> bool:
    """A text of some length or a number."""
    if isinstance(value, str):
        return 0 < len(value) <= MAX_STRING
    return isinstance(value, int | float) and not isinstance(value, bool)


def leaf_of(place: str) -> str:
    """The last name of a place: `id` of `$.pages[*].id`, `path` of `@path`, `url` of `~url`."""
    tail = place.rpartition("~")[2] if "~" in place else place
    return tail.replace("[*]", "").rpartition(".")[2].lstrip("@$").rpartition(":")[2].lower()


def _values(event: Event) -> Iterator[tuple[str, Json, tuple[int, ...]]]:
    for name, value in islice(event.call.arguments.items(), 64):
        if is_indexable(value):
            yield f"@{name}", value, ()
            yield from _pieces(f"@{name}", value, ())
    if event.payload.document is not None:
        yield from _in_document(event.payload.document)
    elif event.payload.text:
        yield from _in_text(event.payload.text[:MAX_TEXT], "")


def _in_text(text: str, prefix: str) -> Iterator[tuple[str, Json, tuple[int, ...]]]:
    for number, (place, value) in enumerate(values_in(text)):
        yield f"{prefix}~{place}", value, (number,)


def _in_document(document: Json) -> Iterator[tuple[str, Json, tuple[int, ...]]]:
    stack: list[tuple[str, tuple[int, ...], Json]] = [("$", (), document)]
    while stack:
        path, row, node = stack.pop()
        if isinstance(node, Mapping):
            if len(path) < 200:
                stack.extend(
                    (f"{path}.{name}", row, inner) for name, inner in reversed(list(islice(node.items(), 200)))
                )
        elif isinstance(node, list):
            if len(row) < MAX_DEPTH:
                stack.extend((f"{path}[*]", (*row, n), node[n]) for n in reversed(range(min(len(node), MAX_COLUMN))))
        elif isinstance(node, str):
            if 0 < len(node) <= MAX_STRING:
                yield path, node, row
                yield from _pieces(path, node, row)
            if len(node) >= LONG_TEXT or "\n" in node:
                for place, value, inner in _in_text(node[:MAX_TEXT], path):
                    yield place, value, (*row, *inner)
        elif is_indexable(node):
            yield path, node, row


def _pieces(place: str, value: Json, row: tuple[int, ...]) -> Iterator[tuple[str, Json, tuple[int, ...]]]:
    """Parts of a value that are arguments of their own."""
    for piece in PIECES:
        if (part := piece_of(value, piece)) is not None:
            yield f"{place}|{piece}", part, row
