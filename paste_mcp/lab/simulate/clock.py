"""Simulated time: what is to happen, in the order of its time, and of what is due at once the first said first."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Clock:
    """Seconds from 0; they pass only from one event to the next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Do this then, or now where that is past."""
        heappush(self._due, (max(when, self.now), next(self._numbers), do))

    def run(self) -> None:
        """Until nothing is left to happen."""
        while self._due:
            self.now, _, do = heappop(self._due)
            do()
