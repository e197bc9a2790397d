"""Medians over the rounds, and what follows from them; the same for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from statistics import median
from typing import Any, NamedTuple, TypeVar

from paste_mcp.lab.overhead.subjects import DIRECT, FLOOR, OFF, ON

SMALL_BYTES, LARGE_BYTES = 64, 20_000
ONE, MANY = 1, 32
TOOLS = 200
"""How many there are in the long list."""


class Cell(NamedTuple):
    """One way of calling."""

    bytes: int
    in_flight: int


CELLS = tuple(Cell(size, in_flight) for size in (SMALL_BYTES, LARGE_BYTES) for in_flight in (ONE, MANY))
LATENCY, THROUGHPUT = Cell(SMALL_BYTES, ONE), Cell(SMALL_BYTES, MANY)


@dataclass(frozen=True, slots=True)
class Sample:
    """One subject in one cell in one round, or the medians of several. None where the system does not say."""

    p50_ms: float
    p99_ms: float
    calls_s: float
    cpu_ms: float | None
    """CPU time of the subject's own process for each call."""
    memory_mb: float | None
    """Resident memory of that process after the calls."""


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a subject before a server of many tools, or the medians of several."""

    start_s: float
    """Until its first list of tools was there."""
    idle_mb: float | None
    """Resident memory then."""
    list_ms: float
    """How long a later list took."""


def sample(took_s: Sequence[float], elapsed_s: float, cpu_s: float | None, memory_mb: float | None) -> Sample:
    """The figures of one round."""
    ordered, calls = sorted(took_s), len(took_s)
    return Sample(
        p50_ms=median(ordered) * 1e3,
        p99_ms=ordered[int(calls * 0.99)] * 1e3,
        calls_s=calls / elapsed_s,
        cpu_ms=None if cpu_s is None else cpu_s / calls * 1e3,
        memory_mb=memory_mb,
    )


Figures = TypeVar("Figures", Sample, Start)


def medians(rounds: Sequence[Figures]) -> Figures:
    """Of each figure the median, so that a round that was disturbed does not count."""
    first = rounds[0]
    values: dict[str, Any] = {}
    for each in fields(first):
        known = [value for one in rounds if (value := getattr(one, each.name)) is not None]
        values[each.name] = median(known) if known else None
    return replace(first, **values)


@dataclass(slots=True)
class Results:
    """Everything that was measured, round by round."""

    samples: dict[str, dict[str, dict[Cell, list[Sample]]]] = field(default_factory=dict)
    """By route, subject and cell."""
    starts: dict[str, list[Start]] = field(default_factory=dict)
    """By subject, on stdio."""
    speculated: int = 0
    """Calls that nobody asked for; none, unless a pattern foresees an echo, and then ours flatters."""

    def of(self, route: str, subject: str, cell: Cell) -> Sample | None:
        """The medians, where that was measured."""
        rounds = self.samples.get(route, {}).get(subject, {}).get(cell)
        return medians(rounds) if rounds else None

    def added_ms(self, route: str, subject: str, cell: Cell = LATENCY) -> float | None:
        """What the subject adds to a call's median time."""
        direct, this = self.of(route, DIRECT, cell), self.of(route, subject, cell)
        return this.p50_ms - direct.p50_ms if direct and this else None


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two figures of one run, and what this project holds itself to."""

    name: str
    meaning: str
    value: float
    bound: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def ratios(results: Results) -> list[Ratio]:
    """Those that can be told from what was measured."""
    found: list[Ratio] = []

    def note(
        name: str, meaning: str, value: float | None, base: float | None, bound: float, at_least: bool = False
    ) -> None:
        if value is not None and base:
            found.append(Ratio(name, meaning, value / base, bound, at_least))

    added, of = results.added_ms, results.of
    note("stdio_added_vs_floor", "stdio: added p50, ours / floor", added("stdio", OFF), added("stdio", FLOOR), 1.5)
    ours, fastmcp = of("stdio", OFF, THROUGHPUT), of("stdio", "fastmcp", THROUGHPUT)
    if ours and fastmcp:
        meaning = "stdio: calls/s with 32 in flight, ours / fastmcp"
        note("stdio_calls_s_vs_fastmcp", meaning, ours.calls_s, fastmcp.calls_s, 15, at_least=True)
    off, on = of("stdio", OFF, LATENCY), of("stdio", ON, LATENCY)
    if off and on:
        note("stdio_on_vs_off_p50", "stdio: p50, engine on / off", on.p50_ms, off.p50_ms, 1.1)
        note("stdio_on_vs_off_cpu", "stdio: CPU time per call, engine on / off", on.cpu_ms, off.cpu_ms, 1.1)
    direct, http = of("http_http", DIRECT, LATENCY), of("http_http", OFF, LATENCY)
    if direct and http:
        note("http_http_vs_direct", "HTTP to HTTP: p50, ours / direct", http.p50_ms, direct.p50_ms, 3)
    starts = {subject: medians(rounds) for subject, rounds in results.starts.items()}
    if DIRECT in starts and ON in starts:
        meaning = f"stdio: list of {TOOLS} tools, ours / direct"
        note("list_200_vs_direct", meaning, starts[ON].list_ms, starts[DIRECT].list_ms, 2)
        note("start_s", "stdio: s from start to first list", starts[ON].start_s, 1, 2)
        note("idle_mb", "stdio: MB resident when idle", starts[ON].idle_mb, 1, 90)
    return found


def as_json(results: Results) -> dict[str, Any]:
    """One line for programs: 64 B; `calls_s` with 32 calls in flight, everything else with one."""
    told: dict[str, Any] = {}
    for route, subjects in results.samples.items():
        told[route] = {subject: _summary(results, route, subject) for subject in subjects}
    starts = {subject: medians(rounds) for subject, rounds in results.starts.items()}
    for key, figure in (("start_s", "start_s"), ("idle_mb", "idle_mb"), (f"list_{TOOLS}_ms", "list_ms")):
        told[key] = {subject: _rounded(getattr(start, figure)) for subject, start in starts.items()}
    told["ratios"] = {ratio.name: _rounded(ratio.value) for ratio in ratios(results)}
    told["speculated"] = results.speculated
    told["rows"] = [
        {"route": route, "subject": subject, **cell._asdict(), **_figures(results, route, subject, cell)}
        for route, subjects in results.samples.items()
        for subject, cells in subjects.items()
        for cell in cells
    ]
    return told


def _summary(results: Results, route: str, subject: str) -> dict[str, float | None]:
    latency, throughput = results.of(route, subject, LATENCY), results.of(route, subject, THROUGHPUT)
    assert latency and throughput
    return _figures(results, route, subject, LATENCY) | {"calls_s": _rounded(throughput.calls_s)}


def _figures(results: Results, route: str, subject: str, cell: Cell) -> dict[str, float | None]:
    measured = results.of(route, subject, cell)
    assert measured
    told = {name: _rounded(value) for name, value in asdict(measured).items()}
    direct = results.of(route, DIRECT, cell)
    # From the rounded figures, so that whoever reads them can check the sum.
    added = None if direct is None else round((told["p50_ms"] or 0) - (_rounded(direct.p50_ms) or 0), 4)
    return told | {"added_p50_ms": added}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
