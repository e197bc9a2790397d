"""Where an argument's value may come from: a column of the session, a constant, or something put together of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final, Literal, NamedTuple

from paste_mcp.core.model import Json
from paste_mcp.core.prediction.learnt.sights import ColumnId, Sight, Sights

MAX_ORIGINS: Final = 12
"""Columns noted for one value."""
MAX_SPLITS: Final = 6
"""Places at which a text is cut into known parts."""
RECENT_SIGHTS: Final = 3
"""Latest answers of a tool whose values are candidates."""

Kind = Literal["copy", "join", "step", "frame"]


class Origin(NamedTuple):
    """A way to get a value.

    - `copy`: a value of column `of`.
    - `join`: a value of `of`, `/`, a value of `more`.
    - `step`: the tool's own last value of this argument, counted on by `by`.
    - `frame`: a value of `of` put between the texts `by` (before, after).
    """

    kind: Kind
    of: ColumnId | None = None
    more: ColumnId | None = None
    by: int | float | tuple[str, str] = 0

    @property
    def column(self) -> ColumnId | None:
        """The column whose values are worked through; None where the value comes from no column."""
        return self.more or self.of


class Ordered(NamedTuple):
    """A value that a column offers, in the order in which lists are worked through."""

    value: Json
    key: str
    event: int
    row: tuple[int, ...]
    fresh: bool


def origins_of(value: Json, last: Json, sights: Sights) -> list[tuple[Origin, Json]]:
    """The ways in which the session could have given `value` for an argument whose last value was `last`.

    With each, the value that its (last) column gave: all of it, or the part that was put together with others.
    """
    found = [(Origin("copy", column), value) for column in islice(sights.places(value), MAX_ORIGINS)]
    if (by := _step(last, value)) is not None:
        found.append((Origin("step", by=by), value))
    if isinstance(value, str) and not found:
        found += _put_together(value, sights)
    return found


def _put_together(value: str, sights: Sights) -> Iterable[tuple[Origin, Json]]:
    at = len(value)
    for _ in range(MAX_SPLITS):
        at = value.rfind("/", 0, at)
        if at <= 0:
            break
        folders = list(islice(sights.places(value[:at]), 3))
        for folder in folders:
            for name in islice(sights.places(value[at + 1 :]), 3):
                yield Origin("join", folder, name), value[at + 1 :]
        if folders:
            break
    for before, middle, after in _framed(value):
        for column in islice(sights.places(middle), 2):
            yield Origin("frame", column, by=(before, after)), middle


def _framed(value: str) -> Iterable[tuple[str, str, str]]:
    """`value` cut after and before short texts that end or begin with a sign."""
    if len(value) > 200:
        return
    for sign in ":=/#@ ":
        head, found, tail = value.partition(sign)
        if found and len(tail) > 1 and len(head) <= 40:
            yield head + sign, tail, ""
        head, found, tail = value.rpartition(sign)
        if found and len(head) > 1 and len(tail) <= 24:
            yield "", head, sign + tail
        if found and len(tail) > 1 and len(head) <= 80:
            yield head + sign, tail, ""


def _step(last: Json, value: Json) -> int | float | None:
    """By how much `value` counts on from `last`, where both are whole numbers."""
    if isinstance(last, bool) or isinstance(value, bool):
        return None
    if isinstance(last, int) and isinstance(value, int) and 0 < abs(value - last) <= 10_000:
        return value - last
    return None


def ordered(sights: Iterable[Sight], used: Collection[str], most: int) -> list[Ordered]:
    """What a column offers: the latest answer first, each list from after the last value used; used values last."""
    fresh: list[Ordered] = []
    old: list[Ordered] = []
    seen: set[str] = set()
    for sight in sights:
        keys = sight.keys
        start = 0
        if used:
            for place, key in enumerate(keys):
                if key in used:
                    start = place + 1
        for place in (*range(start, len(keys)), *range(start)):
            key = keys[place]
            if key in seen:
                continue
            seen.add(key)
            row = sight.rows[place]
            if key in used:
                old.append(Ordered(sight.values[place], key, sight.event, row, False))
            else:
                fresh.append(Ordered(sight.values[place], key, sight.event, row, True))
            if len(fresh) >= most:
                return fresh
    return fresh + old[: most - len(fresh)]
