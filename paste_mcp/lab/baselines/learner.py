"""What the baselines have in common: they learn from each call as it comes, in training and while being tested."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, TypeVar

from paste_mcp.core.model import Event, Prediction
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Forecaster, Tools
from paste_mcp.lab.evaluate.lessons import Lesson, reads_of, tool_of

MAX_PREDICTIONS: Final = 16

K = TypeVar("K", bound=Hashable)


class Learner:
    """A forecaster whose knowledge is tables: dicts, maybe of dicts, of values that are never changed in place."""

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        raise NotImplementedError

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        raise NotImplementedError

    def guessed(self, prediction: Prediction) -> None:
        """Baselines learn from calls alone."""

    def hit(self, prediction: Prediction) -> None:
        """Baselines learn from calls alone."""

    def copied(self) -> Learner:
        """One that goes on from here by itself."""
        other = copy.copy(self)
        for name, table in vars(self).items():
            setattr(other, name, _copied(table))
        return other


class Baseline:
    """A learner as a method of the evaluation."""

    indexed = False

    def __init__(self, name: str, begin: Callable[[], Learner], *, online: bool = False) -> None:
        self.name = name
        self._begin = begin
        self._online = online

    def train(self, lessons: Sequence[Lesson]) -> Forecaster:
        learner = self._begin()
        tools = {key: tool_of(key, reads) for key, reads in reads_of(lessons).items()}
        nothing = ValueIndex()
        for lesson in lessons:
            for position, event in enumerate(lesson.events):
                learner.observe(event, lesson.events[:position], tools, nothing)
        return learner

    def session(self, forecaster: Forecaster) -> Forecaster:
        assert isinstance(forecaster, Learner)
        return forecaster if self._online else forecaster.copied()


def last_turn(history: Sequence[Event], before: int | None = None) -> list[Event]:
    """The events of the latest turn (before this one), in order."""
    found: list[Event] = []
    for event in reversed(history):
        if before is not None and event.turn >= before:
            continue
        if found and event.turn != found[0].turn:
            break
        found.append(event)
    return found[::-1]


def begins_turn(event: Event, history: Sequence[Event]) -> bool:
    """Whether this is the first call of its turn."""
    return not history or history[-1].turn != event.turn


def add(table: dict[K, int], key: K, count: int = 1) -> None:
    """Count one more."""
    table[key] = table.get(key, 0) + count


def ranked(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Best first; of equal ones the earlier."""
    return sorted(predictions, key=lambda prediction: -prediction.probability)[:MAX_PREDICTIONS]


def _copied(table: Any) -> Any:
    if not isinstance(table, dict):
        return table
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in table.items()}
