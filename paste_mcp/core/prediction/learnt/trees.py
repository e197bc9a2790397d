"""Small boosted trees: what single weights cannot say, that one feature counts only beside another.

Second-order gradient boosting of the logistic loss (Friedman 2001; Chen and Guestrin 2016, section 2), over binned
features. The trees have two levels and there are few, since there are few hits to learn from.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

TREES: Final = 60
RATE: Final = 0.1
BINS: Final = 16
FEWEST: Final = 20
"""Examples on either side of a split."""
RIDGE: Final = 1.0

Row = Sequence[float]


class Split(NamedTuple):
    """Rows with `feature` up to `bound` go left. A side is a split or what it adds to the score."""

    feature: int
    bound: float
    left: Split | float
    right: Split | float


class Trees:
    """A score in logarithms of odds: a constant and what each tree adds."""

    def __init__(self, start: float, trees: Sequence[Split]) -> None:
        self._start = start
        self._trees = tuple(trees)

    def score(self, row: Row) -> float:
        """What the trees say of one row."""
        score = self._start
        for tree in self._trees:
            node: Split | float = tree
            while isinstance(node, tuple):
                node = node.left if row[node.feature] <= node.bound else node.right
            score += node
        return score


def grow(rows: Sequence[Row], answers: Sequence[bool], counts: Sequence[float]) -> Trees:
    """Fit trees to `answers`; each row counts as often as `counts` says. There must be answers of both kinds."""
    came = sum(count for count, answer in zip(counts, answers, strict=True) if answer)
    start = math.log(came / (sum(counts) - came))
    table = _Table(rows)
    scores = [start] * len(rows)
    trees: list[Split] = []
    for _ in range(TREES):
        chances = [1 / (1 + math.exp(-score)) for score in scores]
        slopes = [count * (y - p) for count, y, p in zip(counts, answers, chances, strict=True)]
        bends = [count * p * (1 - p) for count, p in zip(counts, chances, strict=True)]
        tree = table.grown(list(range(len(rows))), slopes, bends, scores)
        if tree is None:
            break
        trees.append(tree)
    return Trees(start, trees)


class _Table:
    """The rows by feature, each value as the number of its bin."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._bounds = [_bounds_of(sorted(row[feature] for row in rows)) for feature in range(len(rows[0]))]
        self._bins = [[bisect_left(bounds, row[f]) for row in rows] for f, bounds in enumerate(self._bounds)]

    def grown(
        self, among: list[int], slopes: Sequence[float], bends: Sequence[float], scores: list[float]
    ) -> Split | None:
        """A tree of two levels over these rows, its answer added to their scores; None where nothing parts them."""
        best = self._best(among, slopes, bends)
        if best is None:
            return None
        feature, bin = best
        bins = self._bins[feature]
        sides: list[Split | float] = []
        for side in ([at for at in among if bins[at] <= bin], [at for at in among if bins[at] > bin]):
            again = self._best(side, slopes, bends)
            if again is None:
                sides.append(_leaf(side, slopes, bends, scores))
                continue
            inner = self._bins[again[0]]
            left = _leaf([at for at in side if inner[at] <= again[1]], slopes, bends, scores)
            right = _leaf([at for at in side if inner[at] > again[1]], slopes, bends, scores)
            sides.append(Split(again[0], self._bounds[again[0]][again[1]], left, right))
        return Split(feature, self._bounds[feature][bin], *sides)

    def _best(self, among: Sequence[int], slopes: Sequence[float], bends: Sequence[float]) -> tuple[int, int] | None:
        """The feature, and the last bin to the left, that part these rows best."""
        best, most = None, 1e-9
        own_slopes, own_bends = [slopes[at] for at in among], [bends[at] for at in among]
        slope, bend = sum(own_slopes), sum(own_bends)
        whole = slope * slope / (bend + RIDGE)
        for feature, bounds in enumerate(self._bounds):
            if not bounds:
                continue
            size = len(bounds) + 1
            of_slopes, of_bends, of_rows = [0.0] * size, [0.0] * size, [0] * size
            bins = self._bins[feature]
            for at, one, other in zip(among, own_slopes, own_bends, strict=True):
                bin = bins[at]
                of_slopes[bin] += one
                of_bends[bin] += other
                of_rows[bin] += 1
            left_slope = left_bend = 0.0
            left_rows = 0
            for bin in range(size - 1):
                left_slope += of_slopes[bin]
                left_bend += of_bends[bin]
                left_rows += of_rows[bin]
                if left_rows < FEWEST or len(among) - left_rows < FEWEST:
                    continue
                right_slope = slope - left_slope
                gain = left_slope**2 / (left_bend + RIDGE) + right_slope**2 / (bend - left_bend + RIDGE) - whole
                if gain > most:
                    best, most = (feature, bin), gain
        return best


def _leaf(among: Sequence[int], slopes: Sequence[float], bends: Sequence[float], scores: list[float]) -> float:
    """What these rows' scores are raised by: a damped Newton step."""
    added = RATE * sum(slopes[at] for at in among) / (sum(bends[at] for at in among) + RIDGE)
    for at in among:
        scores[at] += added
    return added


def _bounds_of(ordered: Sequence[float]) -> list[float]:
    """Upper bounds of all bins but the last: every value where they are few, else quantiles."""
    distinct = sorted(set(ordered))
    if len(distinct) > BINS:
        size = len(ordered)
        distinct = sorted({ordered[size * place // BINS] for place in range(1, BINS)} | {distinct[-1]})
    return distinct[:-1]
