"""Confidence intervals by the bootstrap (Efron 1979, percentile), seeded so that a report repeats itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeVar

RESAMPLES: Final = 2000
LEVEL: Final = 0.95

T = TypeVar("T")


def interval(seen: Sequence[T], of: Callable[[Sequence[T]], float], *, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a statistic `of` independent observations."""
    random = Random(seed)  # noqa: S311 - no secret
    return _middle([of(random.choices(seen, k=len(seen))) for _ in range(RESAMPLES)])


def interval_of_two(
    one: Sequence[T], other: Sequence[T], of: Callable[[Sequence[T], Sequence[T]], float], *, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of a statistic of two independent samples."""
    random = Random(seed)  # noqa: S311 - no secret
    return _middle([of(random.choices(one, k=len(one)), random.choices(other, k=len(other))) for _ in range(RESAMPLES)])


def _middle(drawn: list[float]) -> tuple[float, float]:
    drawn.sort()
    tail = (1 - LEVEL) / 2
    return drawn[int(tail * len(drawn))], drawn[min(len(drawn) - 1, int((1 - tail) * len(drawn)))]
