"""From calls to counts: what one turn of a session teaches, given what the session had shown before it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Json
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.memory import Memory
from paste_mcp.core.prediction.learnt.origins import RECENT_SIGHTS, ordered, origins_of
from paste_mcp.core.prediction.learnt.seen import Seen
from paste_mcp.core.prediction.learnt.sights import ColumnId, key_of

MAX_CONSTANT: Final = 80
"""Bytes of a value, written as JSON, that may be remembered as it is."""
RANKS: Final = (1, 2, 3, 6)
WIDTHS: Final = tuple(last - before for before, last in pairwise((0, *RANKS)))
"""How many ranks share each bucket of `RANKS`."""
SIZES: Final = (1, 3, 8)
MOST: Final = 24
"""Values of a column among which a rank is counted."""


def learn(turn: Sequence[Seen], memory: Memory, into: Counts) -> None:
    """Count what the calls of one turn show. `memory` does not hold it yet."""
    _learn_following(turn, memory, into)
    weight = min(1.0, 3.0 / len(turn))
    for seen in turn:
        _learn_call(seen, memory, into, weight)


def _learn_following(turn: Sequence[Seen], memory: Memory, into: Counts) -> None:
    distinct = {seen.tool for seen in turn}
    for context in memory.contexts():
        into.add(context, "")
        for tool in distinct:
            into.add(context, tool)
    if memory.latest is not None:
        into.add(("again",), "tries")
        if memory.latest[0] in distinct:
            into.add(("again",), "hits")


def _learn_call(seen: Seen, memory: Memory, into: Counts, weight: float) -> None:
    tool, arguments = seen.tool, seen.event.call.arguments
    into.add(("form", tool), tuple(sorted(arguments)), weight)
    last = memory.last.get(tool)
    if last is not None:
        into.add(("repeat", tool), "tries", weight)
        if memory.has_made(tool, seen.arguments):
            into.add(("repeat", tool), "hits", weight)
    for name, value in arguments.items():
        slot = (tool, name)
        if last is not None and name in last:
            into.add(("same", *slot), "tries", weight)
            if last[name] == value and type(last[name]) is type(value):
                into.add(("same", *slot), "hits", weight)
                continue
        _learn_value(slot, value, None if last is None else last.get(name), memory, into, weight)


def _learn_value(slot: tuple[str, str], value: Json, last: Json, memory: Memory, into: Counts, weight: float) -> None:
    into.add(("fresh", *slot), type(value).__name__, weight)
    for tool, turn in memory.tools.items():
        into.add(("present", *slot), (tool, memory.turns == turn), weight)
    used = memory.used.get(slot, {})
    origins = origins_of(value, last, memory.sights)
    for origin, piece in origins:
        into.add(("link", *slot), (origin, memory.is_recent(origin)), weight)
        if (column := origin.column) is not None:
            rank = rank_of(column, piece, memory, used)
            into.add(("rank", *slot, column), rank, weight)
            into.add(("ranks", origin.kind, column.place[0]), rank, weight)
    if not origins:
        into.add(("fresh", *slot), "", weight)
    into.add(("shape", *slot), shape_of(value), weight)
    if slot not in memory.used:
        into.add(("const", *slot), "")
    if key_of(value) not in used and (constant := constant_of(value)) is not None:
        into.add(("const", *slot), constant)


def rank_of(column: ColumnId, value: Json, memory: Memory, used: dict[str, None]) -> tuple[int, int]:
    """(how many, which) among the unused values of the column, in buckets; `which` is -1 for a used one."""
    sights = memory.sights.latest(column, RECENT_SIGHTS)
    offered = ordered(sights, used, MOST)
    fresh = sum(1 for one in offered if one.fresh)
    key = key_of(value)
    for place, one in enumerate(offered):
        if one.key == key:
            return bucket(fresh, SIZES), (bucket(place + 1, RANKS) if one.fresh else -1)
    return bucket(fresh, SIZES), len(RANKS)


def shape_of(value: Json) -> str:
    """What kind of value it is, roughly: a file by its suffix, an address by its host, digits, words."""
    return _shape_of_text(value) if isinstance(value, str) else type(value).__name__


@lru_cache(maxsize=16_384)
def _shape_of_text(value: str) -> str:
    if value.startswith(("http://", "https://")):
        return "url:" + value.split("/", 3)[2][:40]
    tail = value.rpartition("/")[2]
    stem, dot, suffix = tail.rpartition(".")
    if dot and stem and 0 < len(suffix) <= 5 and suffix.isalnum() and not suffix.isdecimal() and "\n" not in tail:
        return "file:" + suffix.lower()
    if "/" in value and " " not in value:
        return "path"
    if value.isdecimal():
        return "digits"
    if len(value) >= 16 and " " not in value:
        return "id"
    return "words" if " " in value else "word"


def bucket(number: int, bounds: Sequence[int]) -> int:
    """The place of `number` among upper bounds."""
    return next((place for place, bound in enumerate(bounds) if number <= bound), len(bounds))


def constant_of(value: Json) -> str | None:
    """`value` as it may be remembered, or None where it is long."""
    try:
        text = canonical(value)
    except Unkeyable:
        return None
    return text.decode() if len(text) <= MAX_CONSTANT else None
