"""The whole benchmark, from what was asked for to what is shown."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from paste_mcp.lab.overhead.figures import Results, as_json
from paste_mcp.lab.overhead.peers import Peer
from paste_mcp.lab.overhead.rounds import measure_route, measure_starts, steps_of_route, steps_of_starts
from paste_mcp.lab.overhead.running import state_folder
from paste_mcp.lab.overhead.subjects import BEFORE_SDK, OWN, Command, Route
from paste_mcp.lab.overhead.tables import show

STARTS = 3
"""Starts of each subject at most; they take the longest and vary the least."""


def run(routes: Sequence[Route], peers: Sequence[Peer], rounds: int, to_json: bool) -> None:
    """Measure and show everything. Raises OverheadError. With `to_json` stdout gets one line of JSON and stderr the
    rest.
    """
    console = Console(stderr=to_json)
    load = os.getloadavg()[0]
    if load > (os.cpu_count() or 1) / 4:
        console.print(f"Other programs keep this machine busy (load {load:.1f}): rates and p99 will suffer.")
    results = Results()
    with tempfile.TemporaryDirectory(prefix="paste-mcp-bench-") as folder:
        _measure(routes, peers, rounds, Path(folder), results, console)
        results.speculated = speculated_calls(state_folder(Path(folder)))
    show(console, results)
    if to_json:
        print(json.dumps(as_json(results) | {"rounds": rounds, "load_before": round(load, 2)}))


def _measure(
    routes: Sequence[Route], peers: Sequence[Peer], rounds: int, folder: Path, results: Results, console: Console
) -> None:
    subjects = {route: _subjects(route, peers) for route in routes}
    on_stdio = next((of_route for route, of_route in subjects.items() if route.name == "stdio"), {})
    started = {name: command for name, command in on_stdio.items() if name not in BEFORE_SDK}
    starts = min(rounds, STARTS)
    new = [peer for peer in peers if not peer.installed]
    total = len(new) + steps_of_starts(len(started), starts)
    total += sum(steps_of_route(each, rounds) for each in subjects.values())
    columns = (SpinnerColumn(), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    # Drawn between the steps only: a thread that draws takes its time from what is measured.
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        bar = progress.add_task("", total=total)

        def tell(step: str) -> None:
            progress.update(bar, advance=1, description=step, refresh=True)

        for peer in new:
            tell(f"installing {peer.name} {peer.version} into {peer.folder}")
            peer.install()
        for route, of_route in subjects.items():
            measure_route(route, of_route, rounds, folder, results, tell)
        measure_starts(started, starts, folder, results, tell)
        progress.update(bar, description="done", refresh=True)


def speculated_calls(state: Path) -> int:
    """Calls that our proxies made unasked, by their own records."""
    records = [record.read_text(encoding="utf-8").splitlines() for record in state.glob("sessions/*.jsonl")]
    return sum(json.loads(lines[-1])["summary"]["issued"] for lines in records)


def _subjects(route: Route, peers: Sequence[Peer]) -> Mapping[str, Command]:
    able = {peer.name: peer.command for peer in peers if route.name in peer.routes}
    return {**OWN, **able, **BEFORE_SDK}
