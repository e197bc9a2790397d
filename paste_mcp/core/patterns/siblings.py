"""The next in line: which values of a list are left, and the list from which an earlier argument was taken.

This module knows results and what was used; it must not know patterns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from paste_mcp.core.model import Event, Ingredient, Json
from paste_mcp.core.patterns import typed
from paste_mcp.core.patterns.columns import Column, is_usable
from paste_mcp.core.patterns.extract import MAX_INDEXED_TEXT, Place
from paste_mcp.core.patterns.past import CHARS_PER_UNIT, Past
from paste_mcp.core.patterns.paths import MAX_MATCHES, Key
from paste_mcp.core.patterns.used import ValueKey, value_key

MAX_ORIGINS = 8
"""Places of a value, the most recent first, from which its siblings are looked for."""


def unused(column: Column, used: Mapping[ValueKey, int]) -> Column:
    """The rows after the one that was used last, without those used before."""
    if not used:
        return column
    keys = list(map(value_key, (value for _, value in column.rows)))
    latest = max((used[key], place) for place, key in enumerate(keys) if key in used) if used.keys() & keys else None
    start = latest[1] + 1 if latest else 0
    rows = tuple(row for row, key in zip(column.rows[start:], keys[start:], strict=True) if key not in used)
    return Column(rows, column.table, column.ingredients, column.composed)


def siblings(past: Past, event: Event, argument: str, used: Mapping[ValueKey, int]) -> Column | None:
    """What follows `event`'s argument in the most recent earlier result of its server that lists it, not yet used."""
    value = event.call.arguments.get(argument)
    for place in islice(_origins(past, event, value), MAX_ORIGINS):
        origin = past.event(place.event)
        if origin is None:
            continue
        for followers in _followers(past, origin, place):
            rows = tuple(row for row in followers if value_key(row[1]) not in used)
            if rows:
                source = frozenset({Ingredient("result", origin.call.server, origin.index)})
                return Column(rows, ("sibling", *place.steps), source, place.source != "document")
    return None


def _origins(past: Past, event: Event, value: Json) -> Iterator[Place]:
    """Where earlier results of the event's server held the value, the latest first."""
    for place in past.index.places(value):
        if place.source != "argument" and place.event < event.index and place.server == event.call.server:
            yield place


def _followers(past: Past, origin: Event, place: Place) -> Iterator[list[tuple[Key, Json]]]:
    """The values after `place`, in its innermost list first, then in the lists around it."""
    if place.source != "document":
        yield _in_text(past, origin, place)
        return
    for at in reversed(range(len(place.steps))):
        position = place.steps[at]
        if isinstance(position, int):
            holder = _at(origin.payload.document, place.steps[:at])
            rest = holder[position + 1 :][:MAX_MATCHES] if isinstance(holder, list) else []
            if past.budget.take(1 + len(rest)):
                found = ((number, _at(element, place.steps[at + 1 :])) for number, element in enumerate(rest))
                yield [((number,), value) for number, value in found if is_usable(value)]


def _in_text(past: Past, origin: Event, place: Place) -> list[tuple[Key, Json]]:
    text = origin.payload.text[:MAX_INDEXED_TEXT]
    if not past.budget.take(1 + len(text) // CHARS_PER_UNIT):
        return []
    if place.source == "line":
        values = [line.strip() for line in text.split("\n")]
    else:
        values = typed.ids(text) if place.source == "id" else typed.urls(text)
    after = islice(enumerate(values), int(place.steps[0]) + 1, None)
    return [((number,), value) for number, value in islice(after, MAX_MATCHES) if is_usable(value)]


def _at(node: Json, steps: Key) -> Json:
    """The value that exact steps lead to, or None."""
    for step in steps:
        within = isinstance(step, int) and step < len(node) if isinstance(node, list) else isinstance(node, Mapping)
        if not within or (isinstance(node, Mapping) and step not in node):
            return None
        node = node[step]
    return node
