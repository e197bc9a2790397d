"""The demonstration as a newcomer sees it: a timeline of each workflow, and a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from paste_mcp.lab.runs import Comparison, Run

WAITING = {"miss": ("█", "red"), "promoted": ("█", "yellow"), "late_hit": ("▓", "yellow"), "hit": ("▌", "green")}
THINKING = ("·", "dim")
_LANE = 10


def show(console: Console, comparisons: list[Comparison]) -> None:
    """Print everything."""
    width = max(20, min(console.width, 100) - _LANE - 12)
    longest = max(run.seconds for c in comparisons for run in (c.without, c.with_))
    for comparison in comparisons:
        console.print(f"\n[bold]{comparison.name}[/bold]")
        for label, run in (("without", comparison.without), ("with", comparison.with_)):
            console.print(Text(f"  {label:<{_LANE - 2}}"), _timeline(run, width / longest), f"{run.seconds:.1f} s")
    console.print(_legend())
    console.print(_table(comparisons))
    console.print(
        "\nhit    the answer was there when the agent asked\n"
        "join   the tool was running already\n"
        "miss   called as usual\n"
        "waste  run early, and then not asked for\n"
        "same   every result identical, without and with\n"
    )
    same = all(comparison.identical for comparison in comparisons)
    console.print(
        "[green]Nothing but time differed.[/green]" if same else "[red]Results differed: please report.[/red]"
    )


def _timeline(run: Run, cells_per_s: float) -> Text:
    """Thinking as dots, waiting for tools as blocks; what was answered early has almost no block left."""
    drawn = Text()
    at = 0
    for step in run.steps:
        began, ended = round(step.began * cells_per_s), round(step.ended * cells_per_s)
        drawn.append(THINKING[0] * max(0, began - at), THINKING[1])
        sign, style = WAITING[step.answered]
        drawn.append(sign * max(1, ended - max(began, at)), style)
        at = max(at + 1, ended)
    return drawn


def _legend() -> Text:
    legend = Text("\n  ")
    for (sign, style), meaning in (
        (THINKING, "model thinks"),
        (WAITING["miss"], "waits for a tool"),
        (WAITING["late_hit"], "tool ran already"),
        (WAITING["hit"], "answer was there"),
    ):
        legend.append(sign, style).append(f" {meaning}   ")
    return legend.append("\n")


def _table(comparisons: list[Comparison]) -> Table:
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("workflow", no_wrap=True)
    for name in ("without", "with", "gain", "calls", "hit", "join", "miss", "waste", "same"):
        table.add_column(name, justify="right", no_wrap=True)
    for comparison in comparisons:
        row = comparison.as_json()
        table.add_row(
            row["name"],
            f"{row['without_s']:.1f} s",
            f"{row['with_s']:.1f} s",
            f"{row['speedup']:.2f}x",
            *(str(row[key]) for key in ("demand", "hits", "late_hits", "misses", "wasted")),
            "yes" if row["identical"] else "NO",
        )
    return table
