"""The figures as people read them."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from paste_mcp.lab.overhead.figures import CELLS, TOOLS, Results, medians, ratios
from paste_mcp.lab.overhead.subjects import DIRECT, DIRECT_SDK, FLOOR, OFF, OFF_SDK, ON

TITLES = {
    "stdio": "stdio to the proxy, stdio to the server",
    "http_stdio": "HTTP to the proxy, stdio to the server",
    "http_http": "HTTP to the proxy, HTTP to the server",
}
MEANINGS = {
    DIRECT: "no proxy (where that is reached by HTTP, the server is)",
    FLOOR: "a bare relay: what any proxy in Python pays at least",
    OFF: "paste-mcp, speculation off",
    ON: "paste-mcp, speculation on, and nothing to foresee",
    DIRECT_SDK: "no proxy; the server is built on the official SDK",
    OFF_SDK: "paste-mcp, speculation off, before that server",
}
UNITS = {
    "load": "size of the argument and of the answer x calls in flight",
    "added": "p50 less that of direct",
    "cpu": "time of the process itself, for each call",
    "MB": "resident memory of the process itself, after the calls",
}


def show(console: Console, results: Results) -> None:
    """Print everything."""
    for route in results.samples:
        console.print(f"\n[bold]{TITLES[route]}[/bold]")
        console.print(_route(results, route))
    if results.starts:
        console.print(f"\n[bold]started before a server of {TOOLS} tools, stdio[/bold]")
        console.print(_starts(results))
    if found := ratios(results):
        table = _table("ratio", "measured", "goal", "")
        for ratio in found:
            goal = f"{'>=' if ratio.at_least else '<='} {ratio.bound:g}"
            table.add_row(
                ratio.meaning, f"{ratio.value:.2f}", goal, "reached" if ratio.reached else "[red]missed[/red]"
            )
        console.print()
        console.print(table)
    shown = {subject for subjects in results.samples.values() for subject in subjects}
    console.print()
    for name, meaning in (MEANINGS | UNITS).items():
        if name in shown or name in UNITS:
            console.print(f"{name:<11} {meaning}", highlight=False)
    console.print("\nMedians of one run's rounds: compare within it, not between machines.")
    if results.speculated:
        console.print(f"[red]{results.speculated} calls were made unasked: the figures of {ON} flatter.[/red]")


def _route(results: Results, route: str) -> Table:
    table = _table("load", "", "p50 ms", "added", "p99 ms", "calls/s", "cpu ms", "MB")
    for cell in CELLS:
        for place, subject in enumerate(results.samples[route]):
            if (measured := results.of(route, subject, cell)) is None:
                continue
            table.add_row(
                f"{cell.bytes} B x {cell.in_flight}" if place == 0 else "",
                subject,
                _number(measured.p50_ms, 3),
                _number(results.added_ms(route, subject, cell) if subject != DIRECT else None, 3),
                _number(measured.p99_ms, 2),
                _number(measured.calls_s, 0),
                _number(measured.cpu_ms, 3),
                _number(measured.memory_mb, 0),
            )
        table.add_section()
    return table


def _starts(results: Results) -> Table:
    table = _table("", "first list s", "idle MB", "later list ms", "/ direct")
    direct = medians(results.starts[DIRECT])
    for subject, rounds in results.starts.items():
        start = medians(rounds)
        times = f"{start.list_ms / direct.list_ms:.2f}x"
        table.add_row(subject, _number(start.start_s, 2), _number(start.idle_mb, 0), _number(start.list_ms, 2), times)
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(header_style="bold", box=box.SIMPLE, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    return table


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
