"""Every outcome counted once, and every ratio as a formula beside its counters.

Seconds are of the session's clock. `issued` counts launches, so that what never left the queue is no waste.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

from paste_mcp.core.speculation.lifecycle import Speculation, State

_COUNTED = {
    State.HIT: "hits",
    State.LATE_HIT: "late_hits",
    State.PROMOTED: "promoted",
    State.SQUASHED: "squashed",
    State.UNUSED: "unused",
    State.PREEMPTED: "preempted",
    State.STALE: "stale",
    State.FAILED: "failed",
}


@dataclass(slots=True)
class Ledger:
    """The counts of one session, or the sum of many (`a + b`)."""

    demand: int = 0
    """Tool calls that the agent made."""
    misses: int = 0
    """Demand calls that went to the server with no guess to help them."""
    eligible_misses: int = 0
    """... of tools that could have been guessed under the user's policy."""
    overlooked: int = 0
    """Demand calls that came too fast to be recorded and learnt from."""
    predicted: int = 0
    """Whole calls that patterns foresaw."""
    refused: Counter[str] = field(default_factory=Counter)
    """Predictions that the policy did not allow, by the row of its table."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Predictions that were allowed but not worth it, by reason."""
    queued: int = 0
    issued: int = 0
    """Guesses that were sent to a server."""
    hits: int = 0
    """Ready when demanded."""
    late_hits: int = 0
    """Running when demanded; the demand joined and was answered by it."""
    promoted: int = 0
    """Still queued when demanded; became the real call."""
    squashed: int = 0
    """Left the queue without being sent."""
    unused: int = 0
    preempted: int = 0
    stale: int = 0
    failed: int = 0
    verified: int = 0
    """Served results that were fetched once more and compared; none of the counts above holds these calls."""
    differing: int = 0
    """... and were not what had been served."""
    hidden_s: float = 0.0
    """Seconds of waiting that the agent was spared."""
    wasted_s: float = 0.0
    """Seconds that servers worked for guesses that nobody used."""
    shadow_issued: int = 0
    """Guesses that would have been sent, had the user trusted the server."""
    shadow_hits: int = 0
    """... of which the agent then asked for exactly that call."""
    shadow_hidden_s: float = 0.0
    """... and the seconds that this would have spared it, by the tools' usual durations."""

    @property
    def useful(self) -> int:
        return self.hits + self.late_hits

    @property
    def settled(self) -> int:
        """Issued guesses that have reached an end."""
        return self.useful + self.unused + self.preempted + self.stale + self.failed

    @property
    def live(self) -> int:
        """Issued guesses still running, joined or ready."""
        return self.issued - self.settled

    @property
    def wasted(self) -> int:
        return self.issued - self.useful - self.live

    @property
    def accuracy(self) -> float | None:
        """Of what was sent, how much was used; None before anything was."""
        return self.useful / self.issued if self.issued else None

    @property
    def coverage(self) -> float | None:
        """Of the calls that could have been guessed, how many were."""
        helped = self.useful + self.promoted
        return helped / (helped + self.eligible_misses) if helped + self.eligible_misses else None

    @property
    def timeliness(self) -> float | None:
        """Of the useful guesses, how many were ready in time."""
        return self.hits / self.useful if self.useful else None

    @property
    def amplification(self) -> float | None:
        """Calls made, by agent and guesses together, for each call of the agent."""
        return (self.demand + self.issued + self.verified) / self.demand if self.demand else None

    def settle(self, speculation: Speculation, now: float) -> None:
        """Count the end that `speculation` has just reached."""
        name = _COUNTED[speculation.state]
        setattr(self, name, getattr(self, name) + 1)
        hidden_s, wasted_s = seconds(speculation, now)
        self.hidden_s += hidden_s
        self.wasted_s += wasted_s

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Ledger)})

    def as_dict(self) -> dict[str, int | float | dict[str, int]]:
        """The counters by name, for records and reports."""
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in values}


def seconds(speculation: Speculation, now: float) -> tuple[float, float]:
    """(hidden, wasted): what a guess that ends `now` spared the agent, or else cost its server for nothing."""
    if speculation.launched_at is None:
        return 0.0, 0.0
    worked_until = speculation.completed_at if speculation.completed_at is not None else now
    if speculation.state is State.HIT:
        return worked_until - speculation.launched_at, 0.0
    if speculation.state is State.LATE_HIT and speculation.joined_at is not None:
        return speculation.joined_at - speculation.launched_at, 0.0
    return 0.0, worked_until - speculation.launched_at
