"""Whether a server works on one call at a time, and whether it stops when it is told to; learnt from what calls took.

Nobody says so, and timing is all there is: on a serial server a call that overlaps another takes as long as usual from
when the other has ended. Two sequential tests (Wald) gather the logarithm of the odds, one call after the other; a
call counts little where both readings foresee the same, and no single call decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

SPREAD: Final = 0.5
"""How far, as the logarithm of a ratio, a call's duration usually is from the tool's median."""
DECIDED: Final = 2.0
"""Odds of about 7 to 1, as their logarithm."""
MOST_OF_ONE: Final = 1.5
"""What one call may say at most: less than it takes to decide."""
BOUND: Final = 4.0
"""What was certain can be unlearnt by a few calls."""
AT_ONCE_S: Final = 0.02
"""Of calls that begin so close together nobody knows which one the server saw first."""
MAX_WATCHED: Final = 8
"""Calls in flight at one place among which overlaps are looked at; where there are more, the server is no serial one,
or nothing can be told any more."""


class Odds:
    """The logarithm of the odds for one reading against the other."""

    def __init__(self) -> None:
        self.score = 0.0

    def weigh(self, took_s: float, if_so_s: float, else_s: float) -> None:
        """A call took so long; one reading says that it usually takes `if_so_s`, the other `else_s`."""
        far, near = _distance(took_s, else_s), _distance(took_s, if_so_s)
        self.add((far - near) / (2 * SPREAD**2))

    def add(self, evidence: float) -> None:
        bounded = max(-MOST_OF_ONE, min(MOST_OF_ONE, evidence))
        self.score = max(-BOUND, min(BOUND, self.score + bounded))


def _distance(took_s: float, usual_s: float) -> float:
    return math.log(max(took_s, 1e-3) / max(usual_s, 1e-3)) ** 2


@dataclass(slots=True, eq=False)
class Run:
    """A call in flight at one place: a server's process, or its address.

    `ahead` are those in flight that the server may have seen before it, and `free_at` is when the last of them ended.
    """

    server: str
    tool: str
    began: float
    guess: bool
    behind: bool = False
    """Guesses ran there when it began, stopped for it or not..."""
    behind_s: float = 0.0
    """... and this is what they had still to do, as far as it is known."""
    free_at: float = 0.0
    ahead: set[Run] = field(default_factory=set)

    @property
    def overtook(self) -> bool:
        """One that was surely ahead of it still runs."""
        return any(self.began - other.began > AT_ONCE_S for other in self.ahead)


class Queueing:
    """What is known of one server."""

    def __init__(self) -> None:
        self._serial = Odds()
        self._deaf = Odds()

    @property
    def serial(self) -> bool:
        """It works on one call at a time."""
        return self._serial.score >= DECIDED

    @property
    def perhaps_serial(self) -> bool:
        """More speaks for it than against it."""
        return self._serial.score > 0

    @property
    def deaf(self) -> bool:
        """It works on when a call is cancelled, and the next one waits for it."""
        return self._deaf.score >= DECIDED

    @property
    def blocks(self) -> bool:
        """A guess that turns out wrong may hold up a demand. Most serial servers are deaf, so that is what is taken to
        hold until calls have shown otherwise."""
        return self.serial and self._deaf.score >= 0

    def worked_s(self, run: Run, now: float) -> float | None:
        """How long the server worked on `run`, which ends now; None where nobody can tell, since it may have waited."""
        if run.behind and self._deaf.score >= 0:
            return None
        if run.free_at > run.began and self._serial.score >= 0:
            return now - run.free_at if self.serial else None
        return now - run.began

    def learn(self, run: Run, usual_s: float, now: float) -> None:
        """`run` ends now with an answer; calls of its tool usually take `usual_s`."""
        took_s, waited_s = now - run.began, run.free_at - run.began
        if run.overtook:
            self._serial.add(-MOST_OF_ONE)
        elif waited_s > 0:
            self._serial.weigh(took_s, usual_s + waited_s, usual_s)
        if run.behind_s:
            self._deaf.weigh(took_s, usual_s + run.behind_s, usual_s)


class Place:
    """What is in flight at one place."""

    __slots__ = ("_runs", "busy_until", "guesses")

    def __init__(self) -> None:
        self._runs: dict[Run, None] = {}
        self.guesses = 0
        self.busy_until = 0.0
        """When a deaf server will be done with what was given up."""

    def __len__(self) -> int:
        return len(self._runs)

    def begin(self, run: Run) -> None:
        run.free_at = run.began
        if len(self._runs) < MAX_WATCHED:
            run.ahead.update(self._runs)
            for other in self._runs:
                if run.began - other.began <= AT_ONCE_S:
                    other.ahead.add(run)
        self._runs[run] = None
        self.guesses += run.guess

    def end(self, run: Run, answered: bool, now: float) -> None:
        del self._runs[run]
        self.guesses -= run.guess
        if answered and len(self._runs) < MAX_WATCHED:
            for other in self._runs:
                if run in other.ahead:
                    other.free_at = now
        run.ahead.intersection_update(self._runs)
