"""The learner of the best known open-source rival: previous tool -> next tool on the same server, arguments copied.

Each argument has the sources that held its value in every observation: an argument of the previous call, one path of
its result, or a constant. An argument that no source explains any more poisons its transition for good.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from paste_mcp.core.keys import Unkeyable, canonical, parse_strict
from paste_mcp.core.model import Event, Ingredient, Json, Prediction, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.lab.baselines.learner import Learner, last_turn, ranked
from paste_mcp.lab.evaluate.lessons import ToolKey

FEWEST: Final = 2
"""Observations before a transition is trusted."""
MAX_TRANSITIONS: Final = 500
PER_TRIGGER: Final = 3
MAX_PATHS: Final = 256
MAX_SOURCES: Final = 12

Value: TypeAlias = bytes
"""A JSON value in canonical form, so that types are told apart."""
Source: TypeAlias = tuple[str, str | tuple[str | int, ...] | Value]
"""("result", steps), ("argument", name) or ("const", value)."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What is known of one tool following another; None for the arguments where they contradicted each other."""

    count: int
    arguments: Mapping[str, frozenset[Source]] | None

    @property
    def confidence(self) -> float:
        return min(0.55, 0.25 + 0.1 * self.count)


class Bigram(Learner):
    """One transition for each pair of tools."""

    def __init__(self) -> None:
        self._transitions: dict[tuple[ToolKey, str], Transition] = {}

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        before = last_turn(history, before=event.turn)
        if not before or before[-1].call.server != event.call.server:
            return
        last = before[-1]
        pair = ((last.call.server, last.call.tool), event.call.tool)
        known = self._transitions.pop(pair, None)
        self._transitions[pair] = Transition((known.count if known else 0) + 1, _explained(known, last, event))
        if len(self._transitions) > MAX_TRANSITIONS:
            del self._transitions[next(iter(self._transitions))]

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        found = []
        for last in last_turn(history):
            tool = (last.call.server, last.call.tool)
            usable = [
                (transition, next_tool)
                for (before, next_tool), transition in self._transitions.items()
                if before == tool and transition.count >= FEWEST and transition.arguments is not None
            ]
            usable.sort(key=lambda each: -each[0].count)
            predictions = (_prediction(transition, next_tool, last) for transition, next_tool in usable)
            found += list(islice((each for each in predictions if each is not None), PER_TRIGGER))
        return ranked(found)


def _explained(known: Transition | None, last: Event, event: Event) -> dict[str, frozenset[Source]] | None:
    """The sources that explain every observation so far, or None where an argument has none left."""
    earlier = known.arguments if known is not None else {}
    if earlier is None or (known is not None and earlier.keys() != event.call.arguments.keys()):
        return None
    values = _values(last)
    explained: dict[str, frozenset[Source]] = {}
    for name, value in event.call.arguments.items():
        try:
            written = canonical(value)
        except Unkeyable:
            return None
        if known is not None:
            now = frozenset(source for source in earlier[name] if _value(source, values) == written)
        else:
            copied = islice((source for source, held in values.items() if held == written), MAX_SOURCES)
            now = frozenset([*copied, ("const", written)])
        if not now:
            return None
        explained[name] = now
    return explained


def _prediction(transition: Transition, tool: str, last: Event) -> Prediction | None:
    values = _values(last)
    arguments: dict[str, Json] = {}
    ingredients: list[Ingredient] = []
    for name, sources in (transition.arguments or {}).items():
        # Data that flows rather than a constant, where both explain everything.
        source = max(sources, key=lambda each: (each[0] != "const", each[0], str(each[1])))
        written = _value(source, values)
        if written is None:
            return None
        arguments[name] = parse_strict(written)
        kind = source[0]
        if kind == "const":
            ingredients.append(Ingredient("const"))
        else:
            ingredients.append(Ingredient("result" if kind == "result" else "argument", last.call.server, last.index))
    call = ToolCall(last.call.server, tool, arguments)
    return Prediction(call, transition.confidence, "bigram", tuple(ingredients))


def _values(last: Event) -> dict[Source, Value]:
    """What the next call's arguments could be copied from."""
    found: dict[Source, Value] = {}
    for name, value in last.call.arguments.items():
        _keep(found, ("argument", name), value)
    for steps, value in islice(_leaves(last.payload.document), MAX_PATHS):
        _keep(found, ("result", steps), value)
    return found


def _keep(found: dict[Source, Value], source: Source, value: Json) -> None:
    try:
        found[source] = canonical(value)
    except Unkeyable:
        return


def _value(source: Source, values: Mapping[Source, Value]) -> Value | None:
    if source[0] == "const":
        return source[1] if isinstance(source[1], bytes) else None
    return values.get(source)


def _leaves(document: Json) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    stack: list[tuple[tuple[str | int, ...], Json]] = [((), document)]
    while stack:
        steps, node = stack.pop()
        if isinstance(node, Mapping | list):
            inner = node.items() if isinstance(node, Mapping) else enumerate(node)
            stack.extend(reversed([((*steps, step), value) for step, value in islice(inner, MAX_PATHS)]))
        elif node is not None:
            yield steps, node
