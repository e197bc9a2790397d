"""The report and the statistics on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from paste_mcp.lab.report.arms import Comparison
from paste_mcp.lab.report.gather import Report
from paste_mcp.lab.report.rows import By, Row
from paste_mcp.lab.report.words import duration, money, percent

MAX_ROWS = 30


def stats(rows: Sequence[Row], sums: Row, by: By, live: int) -> RenderableType:
    """The table of `stats`, and what was not sent and why."""
    if not rows:
        return Text("Nothing was recorded yet: use the proxy, or give a longer --since.")
    shadow = not any(row.issued for row in rows)
    shown = Table(header_style="bold", pad_edge=False, box=None)
    shown.add_column(by, overflow="fold", min_width=26)
    names = ("calls", "waited", "would hit", "would save", "would send") if shadow else (
        "calls", "hit", "late", "miss", "saved", "sent", "waste", "lost", "right"
    )  # fmt: skip
    for name in names:
        shown.add_column(name, justify="right", no_wrap=True)
    for row in (*rows[:MAX_ROWS], *([sums] if len(rows) > 1 and sums.calls and by != "pattern" else ())):
        shown.add_row(escape(row.name), *(_shadow_cells(row) if shadow else _cells(row)), end_section=row is sums)
    parts: list[RenderableType] = [shown]
    if len(rows) > MAX_ROWS:
        parts.append(Text(f"... and {len(rows) - MAX_ROWS} more (--json has all)", "dim"))
    if shadow and sums.calls:
        parts.append(Text("In shadow nothing is sent: this is what would have been saved.", "italic"))
    if sums.why_not:
        why = ", ".join(f"{reason} {count}" for reason, count in sums.why_not.most_common(8))
        parts.append(Text(f"\nForeseen and not sent: {why}"))
    if live:
        parts.append(Text(f"{live} {'session is' if live == 1 else 'sessions are'} live."))
    return Group(*parts)


def _cells(row: Row) -> Iterable[str]:
    return (
        str(row.calls),
        f"[green]{row.hits}[/green]",
        f"[yellow]{row.late_hits}[/yellow]",
        str(row.promoted + row.misses),
        f"[bold green]{duration(row.saved_s)}[/bold green]",
        str(row.issued),
        str(row.wasted),
        duration(row.wasted_s),
        percent(row.accuracy),
    )


def _shadow_cells(row: Row) -> Iterable[str]:
    return (
        str(row.calls),
        duration(row.waited_s),
        f"[green]{row.shadow_hits}[/green]",
        f"[bold green]{duration(row.would_save_s)}[/bold green]",
        str(row.shadow_issued),
    )


def show_report(console: Console, report: Report) -> None:
    """Everything, in the order in which one asks."""
    waiting, sums = report.waiting, report.total
    if not report.sessions:
        console.print("Nothing was recorded yet: use the proxy, or give a longer --since.")
        return
    days = len(report.days)
    console.print(
        f"[bold]{len(report.sessions)} sessions on {days} {'day' if days == 1 else 'days'}, {sums.calls} calls[/bold]"
    )
    console.print(_waits(report))
    if report.shadow_only:
        console.print("In shadow nothing is sent: this is what would have been saved.", style="italic")
    for title, rows in (("By tool", report.tools), ("By pattern", report.patterns)):
        console.print(f"\n[bold]{title}[/bold]")
        console.print(stats([row for row in rows if row.calls or row.issued or row.shadow_issued][:12],
                            Row("", why_not=sums.why_not) if title == "By pattern" else Row(""),
                            "tool" if title == "By tool" else "pattern", 0))  # fmt: skip
    console.print()
    _show_estimate(console, report)
    if report.comparison.on or report.comparison.control:
        console.print()
        show_arms(console, report.comparison)
    if waiting.oracle_s:
        console.print(
            "\nOracle: who had known the next turn's calls when the last answer came, under the same policy and budget."
        )


def _waits(report: Report) -> Table:
    waiting = report.waiting
    shown = Table(header_style="bold", pad_edge=False, box=None, show_header=False)
    shown.add_column()
    shown.add_column(justify="right")
    shown.add_column(style="dim")
    shown.add_row("model thought", duration(waiting.think_s), "between calls")
    shown.add_row("tools took", duration(waiting.without_s), "what the agent waits without speculation")
    word = "would save" if report.shadow_only else "saved"
    shown.add_row(f"[bold green]{word}[/bold green]", f"[bold green]{duration(report.gain_s)}[/bold green]",
                  f"{percent(report.gain_s / waiting.without_s if waiting.without_s else None)} of that")  # fmt: skip
    shown.add_row("oracle", duration(waiting.oracle_s), f"{percent(report.of_oracle)} of it was reached")
    if not report.shadow_only:
        shown.add_row("wasted", duration(report.total.wasted_s),
                      f"{report.total.wasted} of {report.total.issued} early calls came to nothing")  # fmt: skip
    return shown


def _show_estimate(console: Console, report: Report) -> None:
    estimate = report.estimate
    assumed = estimate.assumptions
    console.print(f"[bold]A team of {assumed.team}, for a year[/bold]")
    console.print(f"  {estimate.hours:,.0f} hours, {money(estimate.money, assumed.currency)}")
    if estimate.hours_low is not None and estimate.hours_high is not None:
        console.print(
            f"  95 % interval by resampling days: {estimate.hours_low:,.0f} to {estimate.hours_high:,.0f} hours"
        )
    else:
        console.print("  from too few days to say how sure that is", style="yellow")
    console.print(
        f"  = {estimate.seconds_per_day:.1f} s that you {'saved' if estimate.basis == 'saved' else 'would have saved'}"
        f" a day (seen: {estimate.days_seen}) × {assumed.days} days × {assumed.team} people × {assumed.attended:.0%}"
        f" attended × {money(assumed.cost_per_hour, assumed.currency)} an hour"
        f" − {estimate.wasted_per_day:.1f} wasted calls a day × {money(assumed.cost_per_call, assumed.currency, 4)}",
        style="dim",
    )
    console.print(
        "  Change them: --team --cost-per-hour --days --attended --cost-per-call --currency",
        style="dim",
        soft_wrap=True,
    )


def show_arms(console: Console, comparison: Comparison) -> None:
    """The comparison of `--ab`."""
    console.print("[bold]With and without, by lot[/bold]")
    if comparison.measures:
        shown = Table(header_style="bold", pad_edge=False, box=None)
        for name in ("seconds", "with", "without", "difference", "95 % interval"):
            shown.add_column(name, justify="left" if name == "seconds" else "right", no_wrap=True)
        for measure in comparison.measures:
            shown.add_row(
                measure.name,
                f"{measure.on:.2f}",
                f"{measure.control:.2f}",
                f"{measure.difference:+.2f}",
                f"{measure.low:+.2f} to {measure.high:+.2f}",
            )
        console.print(shown)
        on, control = comparison.error_rates
        console.print(
            f"{comparison.on} sessions with, {comparison.control} without; errors {on:.1%} and {control:.1%}",
            style="dim",
        )
    console.print(comparison.words)
