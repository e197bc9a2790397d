"""Two arms compared: sessions that speculated, and sessions that were the same but for that nothing was sent.

Sessions are what was drawn by lot, so sessions are what is resampled. They differ in length, so everything is told per
call: seconds waited, and seconds from a session's first call to its last answer, thinking included.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean, pvariance
from typing import Any, Final

from paste_mcp.lab.report.sampling import interval_of_two
from paste_mcp.store.sessions import Session

FEWEST: Final = 10
"""Sessions of an arm below which nothing is said."""
_POWER: Final = 16
"""Sessions per arm = 16 * variance / difference**2 show a difference in four of five tries (Lehr 1992)."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What one session adds to its arm."""

    calls: int
    waited_s: float
    elapsed_s: float
    errors: int


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of both arms, per call, and how they differ. Seconds; negative: speculation is quicker."""

    name: str
    on: float
    control: float
    low: float
    high: float
    """95 % interval of the difference."""
    needed: int | None
    """Sessions per arm that would show a difference of this size; None where it shows already, or there is none."""

    @property
    def difference(self) -> float:
        return self.on - self.control

    @property
    def verdict(self) -> str:
        if self.high < 0:
            return "quicker with speculation"
        if self.low > 0:
            return "slower with speculation"
        return "no difference shown"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both arms."""

    on: int
    control: int
    """Sessions."""
    error_rates: tuple[float, float]
    measures: tuple[Measure, ...]

    @property
    def enough(self) -> bool:
        return min(self.on, self.control) >= FEWEST

    @property
    def words(self) -> str:
        """What it comes to, in a sentence."""
        if not self.on and not self.control:
            return "No session was in an arm: start the proxy with `paste-mcp serve --ab 50`."
        if not self.enough:
            return (
                f"Too few sessions to say anything: {self.on} with speculation and {self.control} without; "
                f"at least {FEWEST} of each are needed."
            )
        parts = []
        for measure in self.measures:
            more = f" (about {measure.needed} sessions of each would show one of this size)" if measure.needed else ""
            parts.append(f"{measure.name}: {measure.verdict}{more}")
        return "; ".join(parts) + "."

    def as_json(self) -> dict[str, Any]:
        measures = [
            {
                "name": measure.name,
                **{name: round(getattr(measure, name), 4) for name in ("on", "control", "difference", "low", "high")},
                "verdict": measure.verdict,
                "sessions_needed": measure.needed,
            }
            for measure in self.measures
        ]
        return {
            "sessions": {"on": self.on, "control": self.control},
            "error_rates": {"on": round(self.error_rates[0], 4), "control": round(self.error_rates[1], 4)},
            "enough": self.enough,
            "measures": measures,
            "words": self.words,
        }


def compare(sessions: Iterable[Session]) -> Comparison:
    """The sessions that were in an arm."""
    arms: dict[str, list[Sum]] = {"on": [], "control": []}
    for session in sessions:
        if session.arm in arms and session.calls:
            arms[session.arm].append(_sum(session))
    on, control = arms["on"], arms["control"]
    measures: tuple[Measure, ...] = ()
    if min(len(on), len(control)) >= FEWEST:
        measures = (
            _measure("wait per call", on, control, "waited_s"),
            _measure("end to end, per call", on, control, "elapsed_s"),
        )
    return Comparison(len(on), len(control), (_per_call(on, "errors"), _per_call(control, "errors")), measures)


def _sum(session: Session) -> Sum:
    ended = max(call.ended for call in session.calls)
    return Sum(
        calls=len(session.calls),
        waited_s=sum(call.waited_s for call in session.calls),
        elapsed_s=ended - session.calls[0].began,
        errors=sum(call.status == "error" for call in session.calls),
    )


def _per_call(sums: Sequence[Sum], name: str) -> float:
    calls = sum(one.calls for one in sums)
    return float(sum(getattr(one, name) for one in sums)) / calls if calls else 0.0


def _measure(name: str, on: Sequence[Sum], control: Sequence[Sum], of: str) -> Measure:
    difference = _per_call(on, of) - _per_call(control, of)
    low, high = interval_of_two(on, control, lambda one, other: _per_call(one, of) - _per_call(other, of))
    needed = None
    if low <= 0 <= high and difference:
        each = [[getattr(one, of) / one.calls for one in arm] for arm in (on, control)]
        needed = max(FEWEST, ceil(_POWER * fmean(map(pvariance, each)) / difference**2))
    return Measure(name, _per_call(on, of), _per_call(control, of), low, high, needed)
