"""Lists of values that belong together: the rows that the lists of one mapping form.

A column's rows carry keys: where in its result each value stood. Columns of one table (the matches of one grep, say)
are joined on those keys, so that a path and its line stay together; columns of unrelated tables go rank by rank.
This module knows nothing of patterns or events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from paste_mcp.core.model import Ingredient, Json
from paste_mcp.core.patterns.paths import Key

MAX_VALUE_NODES: Final = 256
"""Values inside one argument."""
MAX_VALUE_CHARS: Final = 8_192
"""Characters of all strings inside one argument."""
MAX_VALUE_BITS: Final = 256
"""Bits of an integer."""

Table: TypeAlias = tuple[Any, ...]
"""What a list was read from, most general part first: a table that begins with another one is nested in it."""


@dataclass(frozen=True, slots=True)
class Column:
    """The values of one source, in order. A column whose keys are empty holds one value, which stands in every row."""

    rows: tuple[tuple[Key, Json], ...]
    table: Table = ()
    ingredients: frozenset[Ingredient] = frozenset()
    composed: bool = False

    @property
    def depth(self) -> int:
        return len(self.rows[0][0]) if self.rows else 0


def single(value: Json, ingredients: frozenset[Ingredient]) -> Column:
    """The column of one value."""
    return Column((((), value),), ingredients=ingredients)


def rows_of(columns: Sequence[Column]) -> Iterator[tuple[Key, tuple[Json, ...]]]:
    """The rows that `columns` form, in the order of the finest list among them; rows with a gap are left out."""
    if not columns:
        yield (), ()
        return
    lead = finest(columns)
    others = [_Lookup(column, lead) for column in columns]
    for rank, (key, _) in enumerate(lead.rows):
        values = [value for other in others for value in other.at(rank, key)]
        if len(values) == len(columns):
            yield key, tuple(values)


def finest(columns: Sequence[Column]) -> Column:
    """The column with the longest keys, whose rows are the rows of all; the first of several."""
    return max(columns, key=lambda column: column.depth)


def is_usable(value: Json) -> bool:
    """Something that can be an argument: not null or an empty text (servers' words for "none"), and of bounded size."""
    return value is not None and value != "" and is_small(value)


def is_small(value: Json) -> bool:
    """Within the bounds for one argument."""
    stack, nodes, chars = [value], 0, 0
    while stack:
        node = stack.pop()
        nodes += 1
        if isinstance(node, str):
            chars += len(node)
        elif isinstance(node, int):
            if node.bit_length() > MAX_VALUE_BITS:
                return False
        elif isinstance(node, Mapping | list):
            if nodes + len(stack) + len(node) > MAX_VALUE_NODES:
                return False
            stack.extend(node.values() if isinstance(node, Mapping) else node)
            chars += sum(map(len, map(str, node))) if isinstance(node, Mapping) else 0
        if nodes > MAX_VALUE_NODES or chars > MAX_VALUE_CHARS:
            return False
    return True


class _Lookup:
    """One column seen from the rows of the lead: by nothing, by key, or by rank."""

    def __init__(self, column: Column, lead: Column) -> None:
        self._column = column
        self._depth = column.depth
        nested = lead.table[: len(column.table)] == column.table
        self._by_key = dict(column.rows) if nested and self._depth and column is not lead else None

    def at(self, rank: int, key: Key) -> tuple[Json, ...]:
        """The value in a row, as a tuple of one; empty where there is none."""
        rows = self._column.rows
        if self._depth == 0:
            return (rows[0][1],) if rows else ()
        if self._by_key is not None:
            short = key[: self._depth]
            return (self._by_key[short],) if short in self._by_key else ()
        return (rows[rank][1],) if rank < len(rows) else ()
