"""Turns of a session: how long the agent waited, would have waited without speculation, and could have at best.

A turn is the calls that the agent made side by side; it ends with the last answer, so of parallel calls only the
slowest counts. Thinking is taken to be the same in all cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from itertools import groupby
from typing import Any

from paste_mcp.core.speculation.settings import Limits
from paste_mcp.store.sessions import Call, Guess, Session

_BOUNDS = ("per_session", "per_server", "per_trigger")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. Seconds."""

    calls: tuple[Call, ...]
    services_s: tuple[float, ...]
    """How long each call's tool took."""
    think_s: float | None
    """From the last answer before to the first call; None for a session's first turn."""
    helps_s: tuple[float, ...]
    """What each call was spared; in shadow, would have been."""
    shadow: bool

    @property
    def began(self) -> float:
        return self.calls[0].began

    def wait_s(self, helps_s: Sequence[float]) -> float:
        """How long the turn takes where its calls are spared so much."""
        ends = (
            call.began + service_s - help_s
            for call, service_s, help_s in zip(self.calls, self.services_s, helps_s, strict=True)
        )
        return max(ends) - self.began

    @property
    def without_s(self) -> float:
        return self.wait_s([0.0] * len(self.calls))

    @property
    def saved_s(self) -> float:
        """How much sooner the turn was over; in shadow, would have been."""
        return self.without_s - self.wait_s(self.helps_s)


@dataclass(slots=True)
class Waiting:
    """Sums over turns. Seconds, but for `hits`."""

    think_s: float = 0.0
    without_s: float = 0.0
    """Waiting, had nothing run early."""
    saved_s: float = 0.0
    would_save_s: float = 0.0
    """In shadow."""
    oracle_s: float = 0.0
    """What perfect knowledge of the next calls would have saved, under the same policy and budget."""
    oracle_hits: int = 0

    @property
    def gained_s(self) -> float:
        """Saved, or in shadow would have been."""
        return self.saved_s + self.would_save_s

    def __iadd__(self, other: Waiting) -> Waiting:
        for name in Waiting.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


def turns_of(session: Session) -> Iterator[Turn]:
    """The session's turns, in order."""
    guesses = {guess.id: guess for guess in session.guesses}
    last_end: float | None = None
    for _, together in groupby(session.calls, key=lambda call: call.turn):
        calls = tuple(sorted(together, key=lambda call: call.began))
        shadow = any(guess.shadow for call in calls if (guess := guesses.get(call.guess or 0)))
        yield Turn(
            calls=calls,
            services_s=tuple(_service_s(call, guesses.get(call.guess or 0)) for call in calls),
            think_s=None if last_end is None else max(0.0, calls[0].began - last_end),
            helps_s=tuple(call.hidden_s for call in calls),
            shadow=shadow,
        )
        last_end = max(call.ended for call in calls)


def _service_s(call: Call, guess: Guess | None) -> float:
    if guess is None or guess.shadow:
        return call.waited_s
    # What is left of a wait for an answer that was there is the proxy's own time.
    return call.waited_s + call.hidden_s if guess.state == "late hit" else max(call.hidden_s, call.waited_s)


def waiting_of(session: Session) -> Waiting:
    """All of one session."""
    sums = Waiting()
    known: dict[str, Any] = {name: session.limits[name] for name in _BOUNDS if name in session.limits}
    limits = Limits(**known)
    for turn in turns_of(session):
        sums.think_s += turn.think_s or 0.0
        sums.without_s += turn.without_s
        if turn.shadow:
            sums.would_save_s += turn.saved_s
        else:
            sums.saved_s += turn.saved_s
        if turn.think_s is not None:
            helps_s = oracle_helps_s(turn, limits)
            sums.oracle_s += turn.without_s - turn.wait_s(helps_s)
            sums.oracle_hits += sum(help_s > 0 for help_s in helps_s)
    return sums


def oracle_helps_s(turn: Turn, limits: Limits) -> list[float]:
    """What each call would be spared by whoever knew them all when the turn before was over.

    The same policy: only calls that could run early, none after a call that may write. The same budget: so many
    guesses for a trigger, so many at once on a server and in a session. The call that is due first is guessed first.
    """
    assert turn.think_s is not None
    known_at = turn.began - turn.think_s
    session_slots = [known_at] * limits.per_session
    slots: dict[str, list[float]] = {}
    helps_s = [0.0] * len(turn.calls)
    guessed = 0
    for position, (call, service_s) in enumerate(zip(turn.calls, turn.services_s, strict=True)):
        if not call.read_only and not call.eligible:
            break
        if not call.eligible or guessed == limits.per_trigger:
            continue
        guessed += 1
        of_server = slots.setdefault(call.server, [known_at] * limits.per_server)
        heapify(of_server)
        start = max(of_server[0], session_slots[0])
        if start >= call.began:
            continue  # queued until it is asked for: nothing is gained
        heapreplace(of_server, start + service_s)
        heapreplace(session_slots, start + service_s)
        helps_s[position] = min(call.began - start, service_s)
    return helps_s
