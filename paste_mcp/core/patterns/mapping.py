"""Mappings, evaluated: from a matched context to whole argument sets, each with its probability and its ingredients.

Data flow only: which tool comes next, and whether it may be called, is decided elsewhere. Whatever a result holds,
evaluation is bounded (by `Past.budget` over all patterns, and by the constants of the modules below) and never raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Event, Ingredient, Json, Tool
from paste_mcp.core.patterns import lines
from paste_mcp.core.patterns.columns import Column, Table, finest, is_small, is_usable, rows_of, single
from paste_mcp.core.patterns.globs import fill
from paste_mcp.core.patterns.language import Pattern
from paste_mcp.core.patterns.past import CHARS_PER_UNIT, Past
from paste_mcp.core.patterns.paths import MAX_MATCHES, Key, Span, Step, walk
from paste_mcp.core.patterns.pieces import piece_of
from paste_mcp.core.patterns.siblings import siblings, unused
from paste_mcp.core.patterns.sources import (
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
from paste_mcp.core.patterns.used import ValueKey

MAX_COMPOSED: Final = 4_096
"""Characters of a value that was put together."""
MAX_DIGITS: Final = 15
"""Digits of a string that can be counted on."""
MAX_RELATED: Final = 32
"""Arguments of a repeated call that are tried for a sibling."""
ROW_COST: Final = 4
"""Units of work for one row of arguments."""

CONST: Final = frozenset({Ingredient("const")})


@dataclass(frozen=True, slots=True)
class Bound:
    """One argument set that a pattern gives. `probability` is P(target with exactly these arguments | context)."""

    arguments: dict[str, Json]
    probability: float
    ingredients: tuple[Ingredient, ...] = ()
    composed: bool = False


def evaluate(
    pattern: Pattern, matched: Sequence[Event], captures: Mapping[str, str], target: Tool, past: Past
) -> list[Bound]:
    """The argument sets that `pattern` gives for `target` after the events `matched`, likeliest rank first.

    Empty where a piece is missing: an argument set is whole or it is nothing. Rows that give equal arguments count
    once, so rank k is the k-th distinct set.
    """
    binding = _Binding(matched, captures, target, past)
    if pattern.whichever is not None:
        columns = binding.repeated(matched[pattern.whichever])
    else:
        columns = binding.named(pattern.arguments)
        if columns is not None and pattern.rest is not None:
            columns = binding.with_rest(columns, matched[pattern.rest])
    if columns is None:
        return []
    return _ranked(pattern, columns, past)


def _ranked(pattern: Pattern, columns: dict[str, Column], past: Past) -> list[Bound]:
    picked = dict(pattern.pick)
    last = max(picked)
    ingredients = frozenset[Ingredient]().union(*(column.ingredients for column in columns.values()))
    ordered = tuple(sorted(ingredients, key=_in_order) if len(ingredients) > 1 else ingredients)
    composed = any(column.composed for column in columns.values())
    seen: set[bytes] = set()
    found: list[Bound] = []
    for _, values in rows_of(list(columns.values())):
        if not past.budget.take(ROW_COST) or len(seen) == last:
            break
        arguments = dict(zip(columns, values, strict=True))
        try:
            key = canonical(arguments)
        except Unkeyable:
            continue
        past.budget.take(len(key) // CHARS_PER_UNIT)
        if key in seen:
            continue
        seen.add(key)
        share = picked.get(len(seen))
        if share is not None:
            found.append(Bound(arguments, pattern.probability * share, ordered, composed))
    return found


def _in_order(piece: Ingredient) -> tuple[str, str, int]:
    return piece.kind, piece.server or "", piece.event or 0


@dataclass(frozen=True, slots=True)
class _Binding:
    """One pattern being bound to one matched context: sources in, columns out."""

    matched: Sequence[Event]
    captures: Mapping[str, str]
    target: Tool
    past: Past

    def named(self, arguments: Sequence[tuple[str, Source]]) -> dict[str, Column] | None:
        """The columns of the arguments that the pattern names; None where one is empty."""
        columns: dict[str, Column] = {}
        for template, source in arguments:
            name = fill(template, self.captures)
            column = self.column(source, name)
            if column is None or not column.rows:
                return None
            columns[name] = column
        return columns

    def with_rest(self, columns: dict[str, Column], event: Event) -> dict[str, Column] | None:
        """`columns`, and the other arguments of `event`'s call; for another tool, only those its schema names."""
        names = [name for name in event.call.arguments if name not in columns]
        properties = self.target.input_schema.get("properties")
        if event.call.tool != self.target.name and isinstance(properties, Mapping) and properties:
            names = [name for name in names if name in properties]
        if not all(is_small(event.call.arguments[name]) for name in names):
            return None
        return columns | {name: single(event.call.arguments[name], _sent(event)) for name in names}

    def repeated(self, event: Event) -> dict[str, Column] | None:
        """`event`'s call with one argument moved on: a text before a number, the most recently listed first."""
        choices: list[tuple[bool, int, str, Column]] = []
        for name in list(event.call.arguments)[:MAX_RELATED]:
            column = self._siblings(event, name)
            if column is not None:
                latest = max(piece.event or 0 for piece in column.ingredients)
                choices.append((isinstance(column.rows[0][1], int), -latest, name, column))
        if not choices:
            return None
        _, _, name, column = min(choices, key=lambda choice: choice[:3])
        return self.with_rest({name: column}, event)

    def column(self, source: Source, argument: str) -> Column | None:
        """The values of one source for the target's `argument`; None where there are none."""
        match source:
            case ByPath(back) | ByLines(back) | ByPlace(back) | OfCall(back) | Sibling(back):
                event = self.matched[back] if isinstance(back, int) else self.past.latest(back)
                return _default_of(source) if event is None else self._of_event(source, event, argument)
            case Const(value):
                return single(value, CONST)
            case Join(parts, separator):
                return self._combined(parts, argument, lambda values: _joined(values, separator))
            case Template(parts, values):
                names = [name for name, _ in values]
                composed = self._combined(
                    [inner for _, inner in values],
                    argument,
                    lambda row: lines.compose(parts, dict(zip(names, row, strict=True))),
                )
                return composed and Column(composed.rows, composed.table, composed.ingredients | CONST, True)
            case Successor(of, by):
                return self._combined((of, by), argument, lambda row: _counted_on(row[0], row[1]))
            case Piece(of, piece):
                return self._combined((of,), argument, lambda row: piece_of(row[0], piece))
            case Next(of):
                return self.past.once(("next", of, argument, *self._where), lambda: self._unused(of, argument))

    def _of_event(
        self, source: ByPath | ByLines | ByPlace | OfCall | Sibling, event: Event, argument: str
    ) -> Column | None:
        match source:
            case ByPath():
                return self._by_path(source, event)
            case ByLines():
                return self._by_lines(source, event)
            case ByPlace():
                return self._by_place(source, event)
            case OfCall():
                return self._of_call(source, event)
            case Sibling():
                return self._siblings(event, fill(source.name, self.captures), argument)

    def _by_path(self, source: ByPath, event: Event) -> Column | None:
        return self.past.once(("column", event.index, source.paths), lambda: self._read_by_path(source, event))

    def _read_by_path(self, source: ByPath, event: Event) -> Column | None:
        for steps in source.paths:
            found = self._walked(event, steps)
            if found:
                return Column(found, _table(event, steps), _returned(event))
        return None

    def _walked(self, event: Event, steps: tuple[Step, ...]) -> tuple[tuple[Key, Json], ...]:
        return self.past.once(
            ("path", event.index, steps),
            lambda: tuple(row for row in walk(steps, event.payload.document, self.past.budget) if is_usable(row[1])),
        )

    def _by_lines(self, source: ByLines, event: Event) -> Column | None:
        for template in source.templates:
            read = self.past.once(
                ("lines", event.index, template),
                lambda template=template: (  # type: ignore[misc]  # bound now: the loop goes on
                    list(lines.read_lines(template, event.payload.text)) if self._affords(event.payload.text) else []
                ),
            )
            if read:
                rows = tuple(((number,), fields[source.take]) for number, fields in read)
                return Column(rows, ("lines", event.index), _returned(event), composed=True)
        return None

    def _by_place(self, source: ByPlace, event: Event) -> Column | None:
        texts: tuple[tuple[Key, Json], ...] = (((), event.payload.text),)
        table: Table = ("text", event.index)
        for steps in source.paths:
            texts, table = self._walked(event, steps), _table(event, steps)
            if texts:
                break
        found = (
            ((*key, number), value)
            for key, text in texts
            if isinstance(text, str)
            for number, value in enumerate(self._values_at(text, source.place))
        )
        rows = tuple(islice(found, MAX_MATCHES))
        return Column(rows, (*table, source.place), _returned(event), composed=True) if rows else None

    def _values_at(self, text: str, place: str) -> Sequence[str]:
        read = self.past.index.texts.values
        return self.past.once(("place", text, place), lambda: read(text, place) if self._affords(text) else ())

    def _of_call(self, source: OfCall, event: Event) -> Column | None:
        name = fill(source.name, self.captures)
        if name not in event.call.arguments:
            return _default_of(source)
        value = event.call.arguments[name]
        return single(value, _sent(event)) if is_small(value) else None

    def _combined(
        self, parts: Sequence[Source], argument: str, put_together: Callable[[tuple[Json, ...]], Json | None]
    ) -> Column | None:
        """The rows that the parts form, each put together to one value."""
        columns = [column for part in parts if (column := self.column(part, argument)) is not None]
        if len(columns) < len(parts):
            return None
        rows = tuple(
            (key, value)
            for key, values in rows_of(columns)
            if self.past.budget.take() and is_usable(value := put_together(values)) and _is_short(value)
        )
        ingredients = frozenset[Ingredient]().union(*(column.ingredients for column in columns))
        return Column(rows, finest(columns).table, ingredients, composed=True) if rows else None

    def _siblings(self, event: Event, name: str, argument: str | None = None) -> Column | None:
        return siblings(self.past, event, name, self._used(argument or name))

    def _unused(self, of: Source, argument: str) -> Column | None:
        inner = self.column(of, argument)
        return inner and unused(inner, self._used(argument))

    @property
    def _where(self) -> tuple[object, ...]:
        """All that a source's values depend on besides its argument."""
        events = tuple(event.index for event in self.matched)
        return self.target.server, self.target.name, events, tuple(self.captures.items())

    def _used(self, argument: str) -> Mapping[ValueKey, int]:
        return self.past.index.used.of(self.target.server, self.target.name, argument)

    def _affords(self, text: str) -> bool:
        read = min(text.count("\n"), lines.MAX_LINES_READ)
        return self.past.budget.take(1 + read + len(text) // CHARS_PER_UNIT)


def _default_of(source: Source) -> Column | None:
    return single(source.default[0], CONST) if isinstance(source, OfCall) and source.default else None


def _sent(event: Event) -> frozenset[Ingredient]:
    return frozenset({Ingredient("argument", event.call.server, event.index)})


def _returned(event: Event) -> frozenset[Ingredient]:
    return frozenset({Ingredient("result", event.call.server, event.index)})


def _table(event: Event, steps: tuple[Step, ...]) -> Table:
    listed = [number for number, step in enumerate(steps) if isinstance(step, Span)]
    return ("document", event.index, *steps[: listed[-1] + 1]) if listed else ()


def _is_short(value: Json) -> bool:
    return not isinstance(value, str) or len(value) <= MAX_COMPOSED


def _joined(values: tuple[Json, ...], separator: str) -> str | None:
    """The texts in one, with the separator exactly once between two; an empty text adds nothing."""
    joined = ""
    for value in values:
        text = lines.as_text(value)
        if text is None:
            return None
        joined = f"{joined.removesuffix(separator)}{separator}{text.removeprefix(separator)}" if joined else text
    return joined


def _counted_on(value: Json, by: Json) -> Json | None:
    """`value` + `by`; a string of digits stays one, as wide as it was. None for what is not counted."""
    amount = _number(by)
    if amount is None:
        return None
    if isinstance(value, str):
        number = _number(value)
        if number is None or not isinstance(amount, int) or number + amount < 0:
            return None
        return str(int(number) + amount).zfill(len(value) if value.startswith("0") else 0)
    number = _number(value)
    total = None if number is None else number + amount
    return total if total is not None and math.isfinite(total) else None


def _number(value: Json) -> int | float | None:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if not isinstance(value, int) or value.bit_length() <= 64 else None
