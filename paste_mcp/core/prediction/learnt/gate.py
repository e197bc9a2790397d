"""How likely a guess really is: the counts' probability, corrected by what became of earlier guesses.

The mean of three opinions, since each alone is wrong in its own way: the counts themselves, a logistic regression (it
counts twice), and a few small trees; then one more regression on that mean, which is drawn to the middle. The first
regression's starting point is the probability that it corrects: the odds are multiplied by what a few features say, and
the weights are drawn to zero, so that little evidence changes little. (Rich models overfit the few hundred hits that
there are to learn from.) Pure Python: it is fitted rarely, and applied to a dozen guesses a turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from paste_mcp.core.prediction.learnt.guess import logit
from paste_mcp.core.prediction.learnt.trees import Trees, grow

RIDGE: Final = 30.0
"""How strongly the weights of standardised features are drawn to zero."""
STEPS: Final = 15
LEAST_HITS: Final = 8
"""With fewer there is nothing to fit but how much is claimed."""
DOUBT: Final = 4.0
"""How many promised hits the claims are trusted for before what came counts more."""
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
        self._trees: Trees | None = None
        self._last = (0.0, 0.0)
        self._kept_share = 1.0

    def probability(self, raw: float, features: Sequence[float]) -> float:
        """The probability of an exact hit."""
        if self._weights is None:
            return raw * self._kept_share
        mean = logit(self._mean(raw, features))
        return _sigmoid(mean + self._last[0] + self._last[1] * mean)

    def fit(self, examples: Iterable[Example]) -> None:
        """Learn from guesses that were not used to count what they were made from."""
        hits: list[Example] = []
        misses: list[Example] = []
        for example in examples:
            (hits if example.came else misses).append(example)
        self._weights = self._trees = None
        promised = sum(example.raw for example in (*hits, *misses))
        self._kept_share = min(1.0, (DOUBT + len(hits)) / (DOUBT + promised))
        if len(hits) < LEAST_HITS or not misses:
            return
        kept = misses[:: max(1, math.ceil(len(misses) / max(1, KEPT - len(hits))))]
        examples = [*hits, *kept]
        counts = [1.0] * len(hits) + [len(misses) / len(kept)] * len(kept)
        self._weights = _fit(examples, counts)
        rows = [(logit(example.raw), *example.features) for example in examples]
        self._trees = grow(rows, [example.came for example in examples], counts)
        means = [self._mean(example.raw, example.features) for example in examples]
        last = [Example(p, (logit(p),), example.came) for p, example in zip(means, examples, strict=True)]
        level, slope = _fit(last, counts)
        self._last = level, slope

    def _mean(self, raw: float, features: Sequence[float]) -> float:
        """Of what the counts, the regression and the trees say."""
        assert self._weights is not None
        assert self._trees is not None
        start = logit(raw)
        regressed = _sigmoid(start + self._weights[0] + sum(map(float.__mul__, self._weights[1:], features)))
        return (raw + 2 * regressed + _sigmoid(self._trees.score((start, *features)))) / 4


def _fit(examples: Sequence[Example], counts: Sequence[float]) -> list[float]:
    """The penalised likelihood's maximum, by damped Newton steps; a constant, and a weight for each plain feature."""
    rows = [example.features for example in examples]
    size, total = len(rows[0]), sum(counts)
    means = [sum(n * row[k] for n, row in zip(counts, rows, strict=True)) / total for k in range(size)]
    spreads = [
        math.sqrt(sum(n * (row[k] - means[k]) ** 2 for n, row in zip(counts, rows, strict=True)) / total) or 1.0
        for k in range(size)
    ]
    table = [[1.0, *((row[k] - means[k]) / spreads[k] for k in range(size))] for row in rows]
    starts = [logit(example.raw) for example in examples]
    answers = [example.came for example in examples]

    def loss(weights: Sequence[float]) -> float:
        found = RIDGE / 2 * sum(weight * weight for weight in weights[1:])
        for row, start, came, n in zip(table, starts, answers, counts, strict=True):
            p = _sigmoid(start + sum(map(float.__mul__, weights, row)))
            found -= n * math.log(p if came else 1 - p)
        return found

    found = [0.0] * (size + 1)
    least = loss(found)
    for _ in range(STEPS):
        gradient = [0.0, *(-RIDGE * weight for weight in found[1:])]
        curvature = [[0.0] * (size + 1) for _ in range(size + 1)]
        for row, start, came, n in zip(table, starts, answers, counts, strict=True):
            p = _sigmoid(start + sum(map(float.__mul__, found, row)))
            _add(gradient, curvature, row, n * (came - p), n * p * (1 - p))
        step = _solved(curvature, gradient)
        stride = 1.0
        while (now := loss([w + stride * s for w, s in zip(found, step, strict=True)])) > least and stride > 1e-3:
            stride /= 2
        if now >= least - 1e-6:
            break
        found, least = [w + stride * s for w, s in zip(found, step, strict=True)], now
    plain = [weight / spread for weight, spread in zip(found[1:], spreads, strict=True)]
    return [found[0] - sum(weight * mean for weight, mean in zip(plain, means, strict=True)), *plain]


def _add(gradient: list[float], curvature: list[list[float]], row: Sequence[float], miss: float, bend: float) -> None:
    """One observation's share of the likelihood's slope and of (the lower half of) its curvature."""
    for j, value in enumerate(row):
        gradient[j] += miss * value
        bent, line = bend * value, curvature[j]
        for k in range(j + 1):
            line[k] += bent * row[k]


def _solved(matrix: list[list[float]], right: list[float]) -> list[float]:
    """The solution of a symmetric positive definite system, given by its lower half, made ridged here (Cholesky)."""
    size = len(right)
    for j in range(size):
        matrix[j][j] += RIDGE if j else 1e-6
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
