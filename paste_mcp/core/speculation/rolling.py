"""The last few observations of one quantity: what a tool usually takes, how long an agent usually thinks.

Knows nothing of what is measured.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Final

SAMPLES: Final = 9
"""Few: their median is robust against one slow start, quick to follow a change."""


class Rolling:
    """The last few observations, the default being the first: one odd start decides nothing."""

    def __init__(self, default: float) -> None:
        self._seen = deque([default], maxlen=SAMPLES)
        self._median: float | None = default
        """None where it has to be worked out anew: there are more observations than questions."""
        self._observed = 0

    def copy(self) -> Rolling:
        """Another that goes on from here."""
        other = Rolling(self.value)
        other._seen, other._observed = self._seen.copy(), self._observed
        return other

    def observe(self, value: float) -> None:
        self._seen.append(value)
        self._observed += 1
        self._median = None

    @property
    def value(self) -> float:
        """The median."""
        if self._median is None:
            self._median = median(self._seen)
        return self._median

    def at_most(self, most: float, plus: float = 0.0) -> float:
        """The mean of what was seen, each with `plus` added, and of each no more than `most`."""
        return sum(min(most, seen + plus) for seen in self._seen) / len(self._seen)

    @property
    def measured(self) -> float | None:
        """The median of what was observed, without the default; None before anything was."""
        if not self._observed:
            return None
        return median(list(self._seen)[1:]) if self._observed < SAMPLES else self.value
