"""How likely a guess really is: the counts' probability, corrected by what became of earlier guesses.

A logistic regression over a few features, averaged with the probability that it corrects: rich models overfit the few
hundred hits that there are to learn from. Pure Python: it is fitted rarely and applied to a dozen guesses a turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

RIDGE: Final = 10.0
"""How strongly weights are drawn to zero: of so many (standardised) observations."""
STEPS: Final = 12
LEAST_HITS: Final = 8
"""With fewer there is nothing to fit."""
RECALLED: Final = 16
"""The feature that is not 0 where a guess repeats another session."""
KEPT: Final = 3_000
"""Guesses that are fitted; of those that missed, every n-th counts n times."""


@dataclass(frozen=True, slots=True)
class Example:
    """A guess and whether it came true. `raw` is the probability that the counts gave it."""

    raw: float
    features: tuple[float, ...]
    came: bool


class Gate:
    """The correction; the identity until it is fitted."""

    def __init__(self) -> None:
        self._weights: list[float] | None = None

    def probability(self, raw: float, features: Sequence[float]) -> float:
        """The probability of an exact hit."""
        weights = self._weights
        if weights is None:
            return raw
        score = weights[0]
        for weight, value in zip(weights[1:], features, strict=True):
            score += weight * value
        # What is recalled has no probability of its own to be averaged with.
        return _sigmoid(score) if features[RECALLED] else (raw + _sigmoid(score)) / 2

    def fit(self, examples: Iterable[Example]) -> None:
        """Learn from guesses that were not used to count what they were made from."""
        hits, misses = [], []
        for example in examples:
            (hits if example.came else misses).append(example.features)
        self._weights = None
        if len(hits) < LEAST_HITS or not misses:
            return
        every = max(1, math.ceil(len(misses) / max(1, KEPT - len(hits))))
        rows = [*hits, *misses[::every]]
        weights = [1.0] * len(hits) + [len(misses) / len(misses[::every])] * len(misses[::every])
        answers = [1.0] * len(hits) + [0.0] * len(misses[::every])
        self._weights = _fit(rows, answers, weights)


def _fit(rows: Sequence[Sequence[float]], answers: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Newton's method on the penalised likelihood of standardised features; weights for the features as they are."""
    total = sum(weights)
    size = len(rows[0])
    means = [sum(w * row[k] for w, row in zip(weights, rows, strict=True)) / total for k in range(size)]
    spreads = [
        math.sqrt(sum(w * (row[k] - means[k]) ** 2 for w, row in zip(weights, rows, strict=True)) / total) or 1.0
        for k in range(size)
    ]
    table = [[1.0, *((row[k] - means[k]) / spreads[k] for k in range(size))] for row in rows]
    found = [0.0] * (size + 1)
    for _ in range(STEPS):
        gradient = [0.0] + [-RIDGE * weight for weight in found[1:]]
        curvature = [[0.0] * (size + 1) for _ in range(size + 1)]
        for row, answer, weight in zip(table, answers, weights, strict=True):
            p = _sigmoid(sum(map(float.__mul__, found, row)))
            miss, bend = weight * (answer - p), weight * p * (1 - p)
            for j, value in enumerate(row):
                gradient[j] += miss * value
                bent = bend * value
                line = curvature[j]
                for k in range(j + 1):
                    line[k] += bent * row[k]
        for j in range(size + 1):
            curvature[j][j] += RIDGE if j else 1e-6
            for k in range(j):
                curvature[k][j] = curvature[j][k]
        step = _solved(curvature, gradient)
        found = [weight + change for weight, change in zip(found, step, strict=True)]
        if max(map(abs, step)) < 1e-4:
            break
    plain = [weight / spread for weight, spread in zip(found[1:], spreads, strict=True)]
    return [found[0] - sum(weight * mean for weight, mean in zip(plain, means, strict=True)), *plain]


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """The solution of a symmetric positive definite system (Cholesky)."""
    size = len(right)
    lower = [[0.0] * size for _ in range(size)]
    for j in range(size):
        for k in range(j + 1):
            rest = matrix[j][k] - sum(lower[j][i] * lower[k][i] for i in range(k))
            lower[j][k] = math.sqrt(max(rest, 1e-12)) if j == k else rest / lower[k][k]
    half = [0.0] * size
    for j in range(size):
        half[j] = (right[j] - sum(lower[j][i] * half[i] for i in range(j))) / lower[j][j]
    found = [0.0] * size
    for j in reversed(range(size)):
        found[j] = (half[j] - sum(lower[i][j] * found[i] for i in range(j + 1, size))) / lower[j][j]
    return found


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
