"""Hours and money of a team, from one user's own days. Every assumption is an argument and is shown with the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from paste_mcp.lab.report.sampling import interval
from paste_mcp.lab.report.waiting import Waiting
from paste_mcp.store.sessions import Session

ENOUGH_DAYS: Final = 5
"""Fewer say nothing of how one day differs from another."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is not in the records."""

    team: int = 10
    """People who work as this user does."""
    cost_per_hour: float = 80.0
    """Of one of them, in `currency`."""
    days: int = 220
    """Working days a year."""
    attended: float = 1.0
    """The share of an agent's waiting that keeps somebody waiting."""
    cost_per_call: float = 0.0
    """Of a call that was made for nothing, in `currency`."""
    currency: str = "$"


@dataclass(frozen=True, slots=True)
class Day:
    """One day on which there were sessions."""

    date: str
    waited_s: float
    """Had nothing run early."""
    saved_s: float
    would_save_s: float
    oracle_s: float
    wasted: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a year would bring, if the team's days were as the user's were."""

    basis: str
    """`saved`, or `would save` where nothing was sent yet."""
    days_seen: int
    seconds_per_day: float
    wasted_per_day: float
    hours: float
    money: float
    hours_low: float | None
    """95 % interval by resampling days; None where there are too few."""
    hours_high: float | None
    assumptions: Assumptions

    def as_json(self) -> dict[str, Any]:
        data = asdict(self)
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in data.items()}


def days_of(sessions: Iterable[tuple[Session, Waiting]]) -> list[Day]:
    """Sums by the local date on which a session began, in order."""
    found: dict[str, Day] = {}
    for session, waiting in sessions:
        if not session.calls:
            continue
        date = datetime.fromtimestamp(session.began).astimezone().date().isoformat()
        day = found.get(date, Day(date, 0.0, 0.0, 0.0, 0.0, 0))
        found[date] = Day(
            date,
            day.waited_s + waiting.without_s,
            day.saved_s + waiting.saved_s,
            day.would_save_s + waiting.would_save_s,
            day.oracle_s + waiting.oracle_s,
            day.wasted + sum(guess.wasted and not guess.shadow for guess in session.guesses),
        )
    return sorted(found.values(), key=lambda day: day.date)


def estimate(days: Sequence[Day], assumed: Assumptions) -> Estimate:
    """The year that these days suggest."""
    sent = any(day.saved_s or day.wasted for day in days)
    seconds = [day.saved_s if sent else day.would_save_s for day in days]
    a_day_s = sum(seconds) / len(days) if days else 0.0
    wasted = sum(day.wasted for day in days) / len(days) if days else 0.0
    hours_per_second = assumed.days * assumed.team * assumed.attended / 3600
    bounds = None
    if len(days) >= ENOUGH_DAYS:
        bounds = interval(seconds, lambda drawn: sum(drawn) / len(drawn))
    hours = a_day_s * hours_per_second
    return Estimate(
        basis="saved" if sent else "would save",
        days_seen=len(days),
        seconds_per_day=a_day_s,
        wasted_per_day=wasted,
        hours=hours,
        money=hours * assumed.cost_per_hour - wasted * assumed.days * assumed.team * assumed.cost_per_call,
        hours_low=None if bounds is None else bounds[0] * hours_per_second,
        hours_high=None if bounds is None else bounds[1] * hours_per_second,
        assumptions=assumed,
    )
