"""What is counted, in seconds and calls, with intervals by resampling tasks.

Sessions of one task belong together (two models on the same task are alike), so tasks are what chance chooses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias

from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.lab.simulate.agent import Session

RESAMPLED: Final = 2_000
COVERED: Final = 0.95

Interval: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Played:
    """One set under one policy, with so many sessions side by side. `copies` of each session were played."""

    set: str
    policy: str
    side_by_side: int
    copies: int
    sessions: Sequence[Session]


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of one run, for one copy of each session."""

    set: str
    policy: str
    sessions: int
    e2e_s: float
    """End to end: thinking and waiting of all sessions together."""
    stall_s: float
    """Of that, waiting for tools."""
    p50_s: float
    p95_s: float
    p99_s: float
    demand: int
    hits: int
    late_hits: int
    promoted: int
    issued: int
    wasted: int
    hidden_s: float
    """Waiting that results which were there early spared the agent."""
    wasted_s: float
    """What servers worked for guesses that nobody used."""
    amplification: float
    hidden_per_wasted: float | None
    """Seconds hidden for each second wasted; None where none is."""
    e2e_interval_s: Interval | None
    hidden_interval_s: Interval | None
    saved_s: float | None
    """By how much sooner all is done than with `none`, under the same luck; None where `none` was not run."""
    saved_interval_s: Interval | None

    def as_json(self) -> dict[str, Any]:
        return {name: _rounded(getattr(self, name)) for name in self.__slots__}


def figures_of(played: Played, none: Played | None, seed: int) -> Figures:
    """Count one run; `none` is the one to compare with."""
    ledger = sum((session.ledger for session in played.sessions), Ledger())
    latencies = sorted(latency for session in played.sessions for latency in session.latencies_s)
    copies = played.copies
    e2e, hidden = _by_task(played, lambda s: s.e2e_s), _by_task(played, lambda s: s.ledger.hidden_s)
    saved = None
    if none is not None:
        without = _by_task(none, lambda s: s.e2e_s)
        saved = {task: without[task] - e2e[task] for task in e2e}
    return Figures(
        set=played.set,
        policy=played.policy,
        sessions=played.side_by_side,
        e2e_s=sum(e2e.values()),
        stall_s=sum(session.stall_s for session in played.sessions) / copies,
        p50_s=_quantile(latencies, 0.5),
        p95_s=_quantile(latencies, 0.95),
        p99_s=_quantile(latencies, 0.99),
        demand=round(ledger.demand / copies),
        hits=round(ledger.hits / copies),
        late_hits=round(ledger.late_hits / copies),
        promoted=round(ledger.promoted / copies),
        issued=round(ledger.issued / copies),
        wasted=round(ledger.wasted / copies),
        hidden_s=ledger.hidden_s / copies,
        wasted_s=ledger.wasted_s / copies,
        amplification=ledger.amplification or 1.0,
        hidden_per_wasted=ledger.hidden_s / ledger.wasted_s if ledger.wasted_s else None,
        e2e_interval_s=interval(e2e, seed),
        hidden_interval_s=interval(hidden, seed),
        saved_s=sum(saved.values()) if saved is not None else None,
        saved_interval_s=interval(saved, seed) if saved is not None else None,
    )


def interval(by_task: Mapping[str, float], seed: int) -> Interval | None:
    """Where the sum would mostly lie (95 %), had other tasks of this kind come: the percentile bootstrap. One task says
    nothing of others.
    """
    if len(by_task) < 2:
        return None
    values = [by_task[task] for task in sorted(by_task)]
    random = Random(f"{seed}|bootstrap")  # noqa: S311 - chance, not secrets
    sums = sorted(sum(random.choices(values, k=len(values))) for _ in range(RESAMPLED))
    left = round((1 - COVERED) / 2 * RESAMPLED)
    return sums[left], sums[-left - 1]


def _by_task(played: Played, value: Callable[[Session], float]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for session in played.sessions:
        sums[session.task] += value(session) / played.copies
    return sums


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    return [round(each, 4) for each in value] if isinstance(value, tuple) else value
