"""The simulation as people and programs read it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from paste_mcp.lab.simulate.figures import Figures, Interval
from paste_mcp.lab.simulate.policies import MEANINGS

LEGEND = """
e2e      thinking and waiting, all sessions together;  stall  the waiting
saved    sooner done than none, same luck; in % of none's e2e, with 95 % interval over tasks
hit      ready when asked for;  late  running already;  prom.  still queued
hidden   seconds of waiting spared by results that were there early
wasted   guesses for nothing, and the seconds that servers worked for them
h/w      seconds hidden for each second wasted;  ampl.  calls made per call asked for
"""


def show(console: Console, figures: Sequence[Figures]) -> None:
    """Print everything."""
    for (name, sessions), runs in groupby(figures, key=lambda each: (each.set, each.sessions)):
        beside = "one session at a time" if sessions == 1 else f"{sessions} sessions side by side"
        console.print(f"\n[bold]{name}[/bold]  {beside}", highlight=False)
        console.print(_table(list(runs)))
    console.print(LEGEND, highlight=False)
    for policy in dict.fromkeys(each.policy for each in figures):
        console.print(f"{policy:<11}{MEANINGS[policy]}", highlight=False)


def last_line(figures: Sequence[Figures]) -> str:
    """The figures for programs."""
    return json.dumps({"runs": [each.as_json() for each in figures]}, allow_nan=False)


def _table(runs: Sequence[Figures]) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in "e2e s,saved %,stall s,p50,p95,p99,hit,late,prom.,sent,wasted,hidden s,h/w,ampl.".split(","):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        table.add_row(
            run.policy,
            f"{run.e2e_s:.0f}",
            _saved(run),
            f"{run.stall_s:.0f}",
            f"{run.p50_s:.2f}",
            f"{run.p95_s:.2f}",
            f"{run.p99_s:.2f}",
            str(run.hits),
            str(run.late_hits),
            str(run.promoted),
            str(run.issued),
            f"{run.wasted} {run.wasted_s:.0f}s",
            f"{run.hidden_s:.0f}",
            "-" if run.hidden_per_wasted is None else f"{run.hidden_per_wasted:.2f}",
            f"{run.amplification:.2f}",
        )
    return table


def _saved(run: Figures) -> str:
    if run.saved_s is None:
        return "-"
    none_s = run.e2e_s + run.saved_s
    between = "" if run.saved_interval_s is None else f" {_between(run.saved_interval_s, none_s)}"
    return f"{_percent(run.saved_s, none_s)}{between}"


def _between(interval: Interval, whole: float) -> str:
    return f"({_percent(interval[0], whole)} to {_percent(interval[1], whole)})"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"
