"""Whether guessing pays, for one pattern or at one server, by what became of its last guesses.

Where it does not it is all but switched off: now and then a guess is let through, else nothing could be measured again.
"""

from __future__ import annotations

from collections import deque
from typing import Final

RECENT: Final = 24
"""Guesses over which gains and losses are summed."""
FEWEST: Final = 12
"""Before so many have ended nothing is switched off."""
PROBE_EVERY: Final = 16
"""Of the guesses that are held back, each so many-eth is made all the same."""


class Allowance:
    """Of one pattern, or one server."""

    def __init__(self) -> None:
        self._nets: deque[float] = deque(maxlen=RECENT)
        self._held_back = 0

    def ended(self, net_s: float) -> None:
        """A guess that was sent has ended; it brought `net_s` seconds, after its price."""
        self._nets.append(net_s)

    @property
    def pays(self) -> bool:
        """The last guesses together brought more than they cost, or were too few to tell."""
        return len(self._nets) < FEWEST or sum(self._nets) >= 0

    def holds_back(self) -> bool:
        """Whether the next guess is not to be made."""
        if self.pays:
            return False
        self._held_back += 1
        return self._held_back % PROBE_EVERY != 0
