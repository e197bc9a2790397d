"""All that a report says, in one structure: tables, HTML and JSON are made of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from paste_mcp.lab.report.arms import Comparison, compare
from paste_mcp.lab.report.rows import Row, rows_by, total
from paste_mcp.lab.report.savings import Assumptions, Day, Estimate, days_of, estimate
from paste_mcp.lab.report.waiting import Waiting, waiting_of
from paste_mcp.store.sessions import Session


@dataclass(frozen=True, slots=True)
class Report:
    """What speculation did for a user."""

    sessions: tuple[Session, ...]
    """The latest first."""
    waiting: Waiting
    total: Row
    days: tuple[Day, ...]
    tools: tuple[Row, ...]
    patterns: tuple[Row, ...]
    estimate: Estimate
    comparison: Comparison

    @property
    def shadow_only(self) -> bool:
        """Nothing was sent: all there is to tell is what would have been."""
        return not self.total.issued

    @property
    def gain_s(self) -> float:
        """Seconds saved, or where nothing was sent, that would have been."""
        return self.waiting.would_save_s if self.shadow_only else self.waiting.saved_s

    @property
    def of_oracle(self) -> float | None:
        """The share of what was possible at best."""
        return self.gain_s / self.waiting.oracle_s if self.waiting.oracle_s > 0 else None

    def as_json(self) -> dict[str, Any]:
        waiting = {name: getattr(self.waiting, name) for name in Waiting.__slots__}
        return {
            "sessions": len(self.sessions),
            "shadow_only": self.shadow_only,
            "waiting": {name: round(value, 3) for name, value in waiting.items()},
            "of_oracle": None if self.of_oracle is None else round(self.of_oracle, 4),
            "total": self.total.as_json(),
            "days": [
                {"date": day.date, "waited_s": round(day.waited_s, 3), "saved_s": round(day.saved_s, 3),
                 "would_save_s": round(day.would_save_s, 3), "oracle_s": round(day.oracle_s, 3), "wasted": day.wasted}
                for day in self.days
            ],
            "tools": [row.as_json() for row in self.tools],
            "patterns": [row.as_json() for row in self.patterns],
            "estimate": self.estimate.as_json(),
            "ab": self.comparison.as_json(),
        }  # fmt: skip


def gather(sessions: Iterable[Session], assumed: Assumptions) -> Report:
    """The report on these sessions."""
    with_calls = [session for session in sessions if session.calls]
    kept = sorted(with_calls, key=lambda session: -session.ended)
    waits = [(session, waiting_of(session)) for session in kept]
    sums = Waiting()
    for _, waiting in waits:
        sums += waiting
    days = days_of(waits)
    return Report(
        sessions=tuple(kept),
        waiting=sums,
        total=total(kept),
        days=tuple(days),
        tools=tuple(rows_by(kept, "tool")),
        patterns=tuple(rows_by(kept, "pattern")),
        estimate=estimate(days, assumed),
        comparison=compare(kept),
    )
