"""The measurement: everything in turn, in an order drawn anew each time, again and again.

What disturbs the machine for a while then disturbs all alike, and the medians of the rounds leave it out.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from paste_mcp.lab.overhead.figures import CELLS, MANY, ONE, SMALL_BYTES, TOOLS, Cell, Results, Sample, Start, sample
from paste_mcp.lab.overhead.running import Running, free_port, listening_server, running
from paste_mcp.lab.overhead.subjects import BEFORE_SDK, Command, Route, Setting, echo

SLICE_S = 0.12
"""How long one subject is called in one cell of one round."""
LIST_S = 0.1

Told = Callable[[str], None]
"""Hears of each step before it is taken."""


def cells_of(subject: str) -> tuple[Cell, ...]:
    """How a subject is called. Before the SDK's server small calls are enough to show that it hides the rest."""
    return tuple(cell for cell in CELLS if cell.bytes == SMALL_BYTES) if subject in BEFORE_SDK else CELLS


def steps_of_route(subjects: Iterable[str], rounds: int) -> int:
    """How many steps `measure_route` tells of."""
    return sum(1 + len(cells_of(subject)) * rounds for subject in subjects)


def measure_route(
    route: Route, subjects: Mapping[str, Command], rounds: int, folder: Path, results: Results, tell: Told
) -> None:
    """All subjects between these transports, alive at once and called in turn. Raises OverheadError."""
    results.samples[route.name] = {name: {cell: [] for cell in cells_of(name)} for name in subjects}
    with ExitStack() as alive:
        settings = {sdk: _setting(route, sdk, folder, alive) for sdk in {name in BEFORE_SDK for name in subjects}}
        started: list[Running] = []
        for name, command in subjects.items():
            tell(f"{route.name}: starting {name}")
            setting = settings[name in BEFORE_SDK].listening(free_port() if route.front == "http" else None)
            subject = alive.enter_context(running(name, command, setting))
            for in_flight in (ONE, MANY):
                subject.host.warm_up(in_flight)
            started.append(subject)
        for number in range(1, rounds + 1):
            for cell in CELLS:
                called = [subject for subject in started if cell in cells_of(subject.name)]
                for subject in random.sample(called, len(called)):
                    tell(f"{route.name}: round {number}, {cell.bytes} B, {cell.in_flight} in flight")
                    results.samples[route.name][subject.name][cell].append(_slice(subject, cell))


def steps_of_starts(subjects: int, rounds: int) -> int:
    """How many steps `measure_starts` tells of."""
    return subjects * rounds


def measure_starts(subjects: Mapping[str, Command], rounds: int, folder: Path, results: Results, tell: Told) -> None:
    """All subjects on stdio before a server of many tools, started again and again. Raises OverheadError."""
    setting = Setting(echo("--tools", str(TOOLS)), folder)
    results.starts = {name: [] for name in subjects}
    for number in range(1, rounds + 1):
        for name in random.sample(list(subjects), len(subjects)):
            tell(f"start {number}: {name}")
            with running(name, subjects[name], setting) as subject:
                idle_mb = subject.process.memory_mb()
                with _undisturbed():
                    took = subject.host.list_for(LIST_S, TOOLS)
                lists = sample(took, sum(took), None, None)
            results.starts[name].append(Start(subject.start_s, idle_mb, lists.p50_ms))


def _setting(route: Route, sdk: bool, folder: Path, alive: ExitStack) -> Setting:
    """What stands behind each proxy on this route, running already where it listens."""
    command = echo(sdk=sdk)
    url = alive.enter_context(listening_server(command, folder)) if route.back == "http" else None
    return Setting(command, folder, url)


def _slice(subject: Running, cell: Cell) -> Sample:
    """One subject, called for a short while."""
    host, process, text = subject.host, subject.process, "x" * cell.bytes
    host.warm_up(cell.in_flight)
    with _undisturbed():
        cpu_s, began = process.cpu_s(), time.perf_counter()
        took = host.call_for(SLICE_S, cell.in_flight, text)
        elapsed, cpu_after_s = time.perf_counter() - began, process.cpu_s()
    used = None if cpu_s is None or cpu_after_s is None else cpu_after_s - cpu_s
    return sample(took, elapsed, used, process.memory_mb())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without this process's own garbage collection."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
