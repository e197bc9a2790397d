"""The evaluation as people and programs read it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from paste_mcp.lab.evaluate.ceilings import Ceilings
from paste_mcp.lab.evaluate.figures import Bin, Figures, Sizes, percent
from paste_mcp.lab.evaluate.judging import Judged
from paste_mcp.lab.evaluate.lessons import Lesson
from paste_mcp.lab.evaluate.misses import ROWS

LEGEND = """
hits    calls foreseen exactly (tool and every argument) by a guess that was
        issued, in % of all calls after a session's first turn
policy  the same where the default safety policy has its say as well
top1/3  calls that were the best guess, or one of the best three, right after
        the turn before; in %, nothing issued
waste   guesses for nothing, per hit;  acc.  hits per guess
Brier   mean squared error of the probabilities;  base  of always saying how
        many such guesses come true
us      processor time of a decision, 99th percentile, in microseconds
"""


@dataclass(slots=True)
class SetReport:
    """All that is known of one set."""

    name: str
    sessions: int
    sizes: Sizes
    ceilings: Ceilings
    methods: dict[str, Figures]
    """Ours comes first."""
    thresholds: list[float]
    """Ours, by fold; 1 where it abstains."""
    reliability: list[Bin]
    misses: Counter[str] | None

    def as_json(self) -> dict[str, Any]:
        (_, ours), *others = self.methods.items()
        demand = self.sizes.demand_after_first
        return {
            "calls": self.sizes.calls,
            "read_only": self.sizes.read_only,
            "demand_after_first": demand,
            **ours.as_json(),
            "ceiling_pct": round(percent(self.ceilings.copied, demand), 4),
            "ceiling_join_pct": round(percent(self.ceilings.with_join, demand), 4),
            **({} if self.misses is None else {"misses": {row: self.misses[row] for row in ROWS}}),
            "baselines": {name: figures.as_json() for name, figures in others},
        }


def show(console: Console, reports: Sequence[SetReport]) -> None:
    """Print everything."""
    for report in reports:
        sizes, demand = report.sizes, report.sizes.demand_after_first
        console.print(
            f"\n[bold]{report.name}[/bold]  {report.sessions} sessions, {sizes.calls} calls, "
            f"{sizes.read_only} read-only, {demand} after the first turn\n"
            f"Likely tool and every value seen before: {percent(report.ceilings.copied, demand):.1f} %, "
            f"with joined paths {percent(report.ceilings.with_join, demand):.1f} %",
            highlight=False,
        )
        console.print(_methods(report.methods))
        abstained = sum(threshold >= 1 for threshold in report.thresholds)
        if abstained:
            parts = f"{abstained} of {len(report.thresholds)} parts" if len(report.thresholds) > 1 else "all"
            console.print(f"Abstained in {parts}: too few guesses would come true.", highlight=False)
        if report.reliability:
            console.print()
            console.print(_reliability(report.reliability))
        if report.misses is not None:
            console.print()
            console.print(_misses(report.misses, demand))
    console.print(LEGEND, highlight=False)


def last_line(reports: Iterable[SetReport]) -> str:
    """The figures for programs."""
    return json.dumps({"sets": {report.name: report.as_json() for report in reports}}, allow_nan=False)


def dump(file: TextIO, judged: Iterable[Judged], lessons: Sequence[Lesson]) -> None:
    """One line of JSON for each issued guess, tools named as the traces name them."""
    for part in judged:
        names = {key: name for number in part.plan.knowledge for key, name in lessons[number].names.items()}
        for recording, played in zip(part.recordings, part.played, strict=True):
            names_here = dict(recording.lesson.names) | names
            for after_call, call in played.issued:
                guess = {
                    "session": recording.lesson.session,
                    "after_call": after_call,
                    "tool": names_here[call.server, call.tool],
                    "arguments": dict(call.arguments),
                }
                file.write(json.dumps(guess) + "\n")


def _methods(methods: Mapping[str, Figures]) -> Table:
    table = _table("", "hits", "policy", "top1", "top3", "issued", "waste", "acc.", "Brier", "base", "us")
    for name, figures in methods.items():
        table.add_row(
            name,
            _number(figures.hit_pct, 2),
            _number(figures.hit_pct_policy, 2),
            _number(figures.top1_pct, 2),
            _number(figures.top3_pct, 2),
            str(figures.issued),
            _number(figures.wasted_per_hit, 2),
            _number(figures.accuracy, 2),
            _number(figures.brier, 3),
            _number(figures.brier_base, 3),
            _number(figures.decision_us_p99, 0),
        )
    return table


def _reliability(bins: Sequence[Bin]) -> Table:
    table = _table("probability below", "guesses", "promised", "came true")
    for each in bins:
        table.add_row(f"{each.below:g}", str(each.guesses), f"{each.promised:.3f}", f"{each.came:.3f}")
    return table


def _misses(counts: Counter[str], demand: int) -> Table:
    table = _table("calls after the first turn", "calls", "%")
    for row in ROWS:
        table.add_row(row, str(counts[row]), f"{percent(counts[row], demand):.1f}")
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
