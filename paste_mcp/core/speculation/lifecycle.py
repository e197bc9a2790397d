"""The life of one speculation. Two rules about this file:

1. every change of a speculation's state happens here, in `Speculation.move`, by the table `TRANSITIONS`;
2. an edge that is not in the table is a mistake of the caller and raises.

It does not know who decides, who executes, or what a result means.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Json, Prediction


class State(Enum):
    """Where a speculation is. The second half are ends; each speculation reaches exactly one."""

    QUEUED = "queued"
    RUNNING = "running"
    JOINED = "joined"
    READY = "ready"

    HIT = "hit"
    LATE_HIT = "late hit"
    PROMOTED = "promoted"
    SQUASHED = "squashed"
    UNUSED = "unused"
    PREEMPTED = "preempted"
    STALE = "stale"
    FAILED = "failed"


class Cause(Enum):
    """What happens to a speculation."""

    LAUNCH = "the shell starts it"
    DEMAND = "the agent asks for exactly this call"
    COMPLETE = "the server answered with something that may be served"
    FAIL = "the server answered with anything else, or not at all"
    WRITE = "something changed what the answer may depend on"
    PREEMPT = "a demand needs the server, or a better guess the place"
    EXPIRE = "it waited too long"
    ABANDON = "the demand that had joined was cancelled"
    CLOSE = "the session ends"


LIVE = frozenset({State.QUEUED, State.RUNNING, State.JOINED, State.READY})
EXECUTING = frozenset({State.RUNNING, State.JOINED})

TRANSITIONS: dict[tuple[State, Cause], State] = {
    (State.QUEUED, Cause.LAUNCH): State.RUNNING,
    (State.QUEUED, Cause.DEMAND): State.PROMOTED,
    (State.QUEUED, Cause.WRITE): State.SQUASHED,
    (State.QUEUED, Cause.PREEMPT): State.SQUASHED,
    (State.QUEUED, Cause.EXPIRE): State.SQUASHED,
    (State.QUEUED, Cause.CLOSE): State.SQUASHED,
    (State.RUNNING, Cause.COMPLETE): State.READY,
    (State.RUNNING, Cause.FAIL): State.FAILED,
    (State.RUNNING, Cause.DEMAND): State.JOINED,
    (State.RUNNING, Cause.WRITE): State.STALE,
    (State.RUNNING, Cause.PREEMPT): State.PREEMPTED,
    (State.RUNNING, Cause.CLOSE): State.UNUSED,
    # A joined call is the agent's own by now: no write or preemption may take it away. A write that comes after the
    # join is concurrent with the call the agent made, so an answer from before it is one the agent could have got.
    (State.JOINED, Cause.COMPLETE): State.LATE_HIT,
    (State.JOINED, Cause.FAIL): State.FAILED,
    (State.JOINED, Cause.ABANDON): State.UNUSED,
    (State.JOINED, Cause.CLOSE): State.UNUSED,
    (State.READY, Cause.DEMAND): State.HIT,
    (State.READY, Cause.WRITE): State.STALE,
    (State.READY, Cause.PREEMPT): State.UNUSED,
    (State.READY, Cause.EXPIRE): State.UNUSED,
    (State.READY, Cause.CLOSE): State.UNUSED,
}


class ImpossibleTransition(RuntimeError):
    """This cause cannot befall a speculation in this state."""


@dataclass(slots=True, eq=False)
class Speculation:
    """One guess and what has become of it. Times are the session clock's seconds."""

    id: int
    key: CallKey
    prediction: Prediction
    queued_at: float
    utility: float
    row: str = ""
    """The row of the decision table that let it through."""
    state: State = State.QUEUED
    launched_at: float | None = None
    joined_at: float | None = None
    completed_at: float | None = None
    result: Json | None = None
    size_bytes: int = 0
    chained: bool = False
    """It follows another guess, not a call of the agent; nothing follows it."""

    def move(self, cause: Cause, now: float) -> State:
        """Apply `cause` at `now` and return the new state. Raises `ImpossibleTransition`."""
        try:
            self.state = TRANSITIONS[self.state, cause]
        except KeyError:
            raise ImpossibleTransition(f"{self.state.value}: {cause.value}") from None
        if cause is Cause.LAUNCH:
            self.launched_at = now
        elif cause is Cause.COMPLETE:
            self.completed_at = now
        elif self.state is State.JOINED:
            self.joined_at = now
        return self.state

    def can(self, cause: Cause) -> bool:
        """Whether the table has this edge."""
        return (self.state, cause) in TRANSITIONS
