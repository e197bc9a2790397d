"""A server as the simulation knows it: so many calls at once, the others in the order of their coming."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from paste_mcp.lab.simulate.clock import Clock


@dataclass(slots=True, eq=False)
class Job:
    """One call at a server: how long it takes there, and what to do when it is answered."""

    service_s: float
    answered: Callable[[], None]
    stopped: bool = False
    running: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a server can do."""

    slots: int = 0
    """Calls it answers side by side; 0: as many as come."""
    per_second: float = 0.0
    """Calls that it begins in a second, whoever sent them; 0: as many as come."""
    honours_cancel: bool = True
    """A cancelled call is dropped; else it is worked on to its end, for nobody."""


class Server:
    """One process of it. A call that is cancelled in time leaves its place to the next."""

    def __init__(self, clock: Clock, capacity: Capacity) -> None:
        self._clock = clock
        self._capacity = capacity
        self._waiting: deque[Job] = deque()
        self._running = 0
        self._next_at = 0.0
        self._due = False

    def ask(self, job: Job) -> None:
        """A call comes in."""
        self._waiting.append(job)
        self._begin()

    def cancel(self, job: Job) -> None:
        """Its answer is not wanted any more."""
        if job.stopped:
            return
        job.stopped = True
        if self._capacity.honours_cancel:
            if job.running:
                self._running -= 1
                job.running = False
            elif job in self._waiting:
                self._waiting.remove(job)
            self._begin()

    def _begin(self) -> None:
        while self._waiting and not (self._capacity.slots and self._running >= self._capacity.slots):
            if self._clock.now < self._next_at:
                if not self._due:
                    self._due = True
                    self._clock.at(self._next_at, self._open)
                return
            if self._capacity.per_second:
                self._next_at = self._clock.now + 1 / self._capacity.per_second
            job = self._waiting.popleft()
            job.running = True
            self._running += 1
            self._clock.at(self._clock.now + job.service_s, lambda job=job: self._end(job))  # type: ignore[misc]

    def _open(self) -> None:
        self._due = False
        self._begin()

    def _end(self, job: Job) -> None:
        if not job.running:
            return  # cancelled, and its place given away
        job.running = False
        self._running -= 1
        if not job.stopped:
            job.answered()
        self._begin()
