"""Leaves a server alone that turned a call away: too many of them, or not allowed. Only guesses stay away.

It ends when a demand there has succeeded and the time that the server asked for is over. The pause doubles with each
time that this happens, until a guess succeeds again.
"""

from __future__ import annotations

from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 600.0


class Backoff:
    """Of one server. Times are the session clock's seconds."""

    def __init__(self) -> None:
        self._until = 0.0
        self._waits_for_demand = False
        self._times = 0

    def refused(self, retry_after_s: float | None, now: float) -> None:
        """The server turned a call away, whoever made it."""
        if now >= self._until:
            self._until = now + min(FIRST_S * 2.0**self._times, LONGEST_S)
            self._times += 1
        if retry_after_s is not None:
            self._until = max(self._until, now + min(retry_after_s, LONGEST_S))
        self._waits_for_demand = True

    def succeeded(self, *, guess: bool) -> None:
        """The server answered a call."""
        if guess:
            self._times = 0
        else:
            self._waits_for_demand = False

    def holds(self, now: float) -> bool:
        """No guess may be sent."""
        return self._waits_for_demand or now < self._until
