"""Who may learn from whom. Every test session is foreseen by what was learnt, calibrated and tuned without its task
(or, for a repeated workflow, without its model's run of it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias

from paste_mcp.lab.evaluate.lessons import Lesson

INNER_FOLDS: Final = 5
"""Folds of the training sessions where the test sessions are others altogether."""

Numbers: TypeAlias = tuple[int, ...]
"""Sessions, by their numbers among all."""


@dataclass(frozen=True, slots=True)
class Nested:
    """A run inside the training sessions: what is learnt from, and what is foreseen with it."""

    knowledge: Numbers
    run: Numbers


@dataclass(frozen=True, slots=True)
class Plan:
    """One part of a set: what is learnt from, how it is tuned, and what is tested."""

    set: str
    knowledge: Numbers
    nested: tuple[Nested, ...]
    test: Numbers


def fold_of(task: str, folds: int) -> int:
    """The same for both models' runs of a task, whatever else is in the file."""
    return int(sha256(task.encode()).hexdigest(), 16) % folds


def apart(name: str, lessons: Sequence[Lesson], train: Numbers, test: Numbers) -> list[Plan]:
    """Learn from all of `train`, tuned by folds within it; test on `test`."""
    return [Plan(name, train, _nested(lessons, train, train, INNER_FOLDS), test)]


def by_task(
    name: str, lessons: Sequence[Lesson], train: Numbers, tune: Numbers, test: Numbers, folds: int
) -> list[Plan]:
    """Each fold of `test` is foreseen from the other folds of `train`, tuned on the other folds of `tune`."""
    plans = []
    for fold in range(folds):
        known = _without(lessons, train, folds, fold)
        tuned = _without(lessons, tune, folds, fold)
        plans.append(Plan(name, known, _nested(lessons, known, tuned, folds), _only(lessons, test, folds, fold)))
    return [plan for plan in plans if plan.test]


def by_model(
    name: str, lessons: Sequence[Lesson], train: Numbers, tune: Numbers, test: Numbers, folds: int
) -> list[Plan]:
    """The repeated workflow: each model is foreseen from the other models' runs of all tasks, the same ones included.

    Tuned on its own runs of other tasks, with the same knowledge.
    """
    plans = []
    for model in sorted({lessons[number].model for number in test}):
        known = tuple(number for number in train if lessons[number].model != model)
        own = tuple(number for number in tune if lessons[number].model == model)
        tested = tuple(number for number in test if lessons[number].model == model)
        for fold in range(folds):
            others = [_only(lessons, own, folds, other) for other in range(folds) if other != fold]
            nested = tuple(Nested(known, run) for run in others if run)
            plans.append(Plan(f"{name}@{model}", known, nested, _only(lessons, tested, folds, fold)))
    return [plan for plan in plans if plan.test]


def _nested(lessons: Sequence[Lesson], knowledge: Numbers, run: Numbers, folds: int) -> tuple[Nested, ...]:
    parts = [(_only(lessons, run, folds, fold), fold) for fold in range(folds)]
    return tuple(Nested(_without(lessons, knowledge, folds, fold), part) for part, fold in parts if part)


def _only(lessons: Sequence[Lesson], numbers: Numbers, folds: int, fold: int) -> Numbers:
    return tuple(number for number in numbers if fold_of(lessons[number].task, folds) == fold)


def _without(lessons: Sequence[Lesson], numbers: Numbers, folds: int, fold: int) -> Numbers:
    return tuple(number for number in numbers if fold_of(lessons[number].task, folds) != fold)
