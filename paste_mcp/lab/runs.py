"""What a demonstration run brought: steps, results and sums, and two of them compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Step:
    """One call of the agent: seconds since the workflow began, and how the proxy answered it."""

    tool: str
    began: float
    ended: float
    answered: str = "miss"


@dataclass(slots=True)
class Run:
    """One workflow, once."""

    seconds: float = 0.0
    steps: list[Step] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    ledger: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Comparison:
    """One workflow without and with speculation."""

    name: str
    without: Run
    with_: Run

    @property
    def identical(self) -> bool:
        """Whether the agent was told exactly the same, call by call."""
        return self.without.results == self.with_.results

    def as_json(self) -> dict[str, Any]:
        ledger = self.with_.ledger
        useful = ledger["hits"] + ledger["late_hits"]
        return {
            "name": self.name,
            "without_s": round(self.without.seconds, 3),
            "with_s": round(self.with_.seconds, 3),
            "speedup": round(self.without.seconds / self.with_.seconds, 3),
            **{key: ledger[key] for key in ("demand", "hits", "late_hits", "promoted", "misses", "issued")},
            "wasted": ledger["issued"] - useful,
            "identical": self.identical,
        }
