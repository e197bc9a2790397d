"""How often each pattern was right: written probabilities, corrected by what happened. Pure counts, no clock.

This module knows patterns by name only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PRIOR_WEIGHT: Final = 4.0
"""How many expected hits the written probability is worth: after that many, evidence and prior weigh the same."""
MAX_PROBABILITY: Final = 0.99
"""Nothing that comes next is certain."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was seen of one pattern: the hits its written probabilities promised, and the hits it had."""

    expected: float = 0.0
    hits: int = 0


class Evidence:
    """Credit and blame, per pattern.

    A pattern's hits are taken as Poisson with mean `rate * expected`, where `expected` sums the written probabilities
    of its guesses and `rate` has a gamma prior with mean 1 and weight `s = PRIOR_WEIGHT`. The posterior mean of the
    rate is `(s + hits) / (s + expected)`: 1 with no evidence, hits per promised hit with much (empirical Bayes
    shrinkage). Written probabilities times that factor are what is predicted.
    """

    def __init__(self, counts: Mapping[str, Counts] | None = None) -> None:
        self._counts: dict[str, Counts] = dict(counts or {})

    def factor(self, pattern: str) -> float:
        """By how much this pattern's written probabilities are too low (above 1) or too high (below 1)."""
        counts = self._counts.get(pattern)
        if counts is None:
            return 1.0
        return (PRIOR_WEIGHT + counts.hits) / (PRIOR_WEIGHT + counts.expected)

    def probability(self, pattern: str, written: float) -> float:
        """The written probability as evidence corrects it."""
        return min(MAX_PROBABILITY, written * self.factor(pattern))

    def guessed(self, pattern: str, probability: float) -> None:
        """A guess of this pattern was made (not necessarily issued), with `Prediction.probability`.

        That probability is corrected already, so it is divided by the factor in force: counting corrected ones would
        correct the correction, and settle at the square root of the true ratio.
        """
        counts = self._counts.get(pattern, Counts())
        written = min(1.0, probability / self.factor(pattern))
        self._counts[pattern] = Counts(counts.expected + written, counts.hits)

    def hit(self, pattern: str) -> None:
        """A guess of this pattern turned out to be the call that came."""
        counts = self._counts.get(pattern, Counts())
        self._counts[pattern] = Counts(counts.expected, counts.hits + 1)

    def counts(self) -> dict[str, Counts]:
        """All counts, for keeping: `Evidence(counts)` goes on from them. Counts of two runs may be added."""
        return dict(self._counts)
