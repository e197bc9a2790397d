"""Where a value came from, in words: which earlier call, and which place in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Event, Json
from paste_mcp.core.prediction.learnt.origins import Origin, origins_of
from paste_mcp.core.prediction.learnt.sights import ColumnId, Sights, key_of, shown_by

LOOKED_AT: Final = 64
"""Latest results whose texts are searched for a value that stands at no place that is known."""
SHORTEST: Final = 3
"""Characters of a value for which it means something to stand in a text."""
PIECES: Final = {"folder": "the folder of ", "name": "the last part of ", "day": "the day of "}
TEXTS: Final = {"url": "the addresses", "path": "the paths", "id": "the identifiers", "line": "the lines",
                "item": "the list items", "quoted": "what is quoted"}  # fmt: skip
LABELS: Final = {"label": 'what follows "{}:"', "rest": 'the line after "{}:"', "tag": 'what follows "[{}]"',
                 "cell": "column {} of the table"}  # fmt: skip


class Origins:
    """What a session has shown, by values."""

    def __init__(self) -> None:
        self._sights = Sights()
        self._events: list[Event] = []
        self._last: dict[str, Event] = {}

    def add(self, event: Event, tool: str) -> None:
        """Take in a call of `tool`, as counts name it."""
        self._sights.add(event, tool, shown_by(event))
        self._events.append(event)
        self._last[tool] = event

    def of(self, tool: str, argument: str, value: Json) -> str | None:
        """Where `tool` could have its argument's value from; None where the session had not shown it."""
        last = self._last.get(tool)
        before: Json = None if last is None else last.call.arguments.get(argument)
        if last is not None and argument in last.call.arguments and _equal(before, value):
            return f"the same as in its last call ({_call(last)})"
        if isinstance(value, Mapping | list):
            return self._of_many(tool, argument, value)
        found = origins_of(value, before, self._sights)
        return self._in_words(*found[0]) if found else None

    def in_text(self, value: Json) -> str | None:
        """The latest result in whose text the value stands, at no place by which it could be found."""
        if not isinstance(value, str) or len(value) < SHORTEST:
            return None
        held = next((event for event in reversed(self._events[-LOOKED_AT:]) if value in event.payload.text), None)
        return None if held is None else f"somewhere in the text of {_call(held)}"

    def _of_many(self, tool: str, argument: str, value: Json) -> str | None:
        leaves = _leaves(value)
        said = [self.of(tool, f"{argument}/", leaf) for leaf in leaves]
        known = sum(1 for one in said if one)
        return f"{known} values that the session had shown" if leaves and known == len(leaves) else None

    def _in_words(self, origin: Origin, piece: Json) -> str:
        match origin.kind:
            case "step":
                return f"its last value, counted on by {origin.by}"
            case "join" if origin.of and origin.more:
                return f'{self._column(origin.of, None)}, "/", {self._column(origin.more, piece)}'
            case "frame" if origin.of and isinstance(origin.by, tuple):
                before, after = origin.by
                return f"{_quoted(before)}{self._column(origin.of, piece)}{_quoted(after)}".strip()
            case _ if origin.of:
                return self._column(origin.of, piece)
        return "made of values that the session had shown"

    def _column(self, column: ColumnId, value: Json) -> str:
        """A column's place, and which of its latest values this one is."""
        for sight in self._sights.latest(column, LOOKED_AT):
            keys = [key_of(held) for held in sight.values]
            if value is None or key_of(value) in keys:
                event = next(event for event in self._events if event.index == sight.event)
                rank = "" if value is None or len(keys) == 1 else f", {keys.index(key_of(value)) + 1} of {len(keys)}"
                return f"{place_in_words(column.place, event)}{rank}"
        return place_in_words(column.place, None)


def place_in_words(place: str, event: Event | None) -> str:
    """A learnt column's place."""
    where = "an earlier call" if event is None else _call(event)
    for piece, words in PIECES.items():
        if place.endswith(f"|{piece}"):
            return words + place_in_words(place.removesuffix(f"|{piece}"), event)
    if place.startswith("@"):
        return f"argument {place[1:]} of {where}"
    path, _, text = place.partition("~")
    if not text:
        return f"{path} in the result of {where}"
    kind, _, label = text.partition(":")
    words = LABELS[kind].format(label) if kind in LABELS else TEXTS.get(kind, kind)
    return f"{words} in {path or 'the text'} of {where}"


def _call(event: Event) -> str:
    return f"call {event.index} ({event.call.tool})"


def _quoted(text: str) -> str:
    return f' "{text}" ' if text else ""


def _equal(one: Json, other: Json) -> bool:
    try:
        return canonical(one) == canonical(other)
    except Unkeyable:
        return False


def _leaves(value: Json) -> Sequence[Json]:
    found: list[Json] = []
    stack = [value]
    while stack and len(found) < LOOKED_AT:
        node = stack.pop()
        if isinstance(node, Mapping | list):
            stack.extend(reversed(list(node.values()) if isinstance(node, Mapping) else node))
        else:
            found.append(node)
    return found
