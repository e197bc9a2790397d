"""What `paste-mcp simulate` does: files and options in, tables and the line for programs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rich.console import Console

from paste_mcp.core.speculation.settings import Limits
from paste_mcp.lab.evaluate import run as evaluation
from paste_mcp.lab.evaluate.folds import Plan
from paste_mcp.lab.simulate import report
from paste_mcp.lab.simulate.policies import POLICIES
from paste_mcp.lab.simulate.run import Comparison, SimulationError, compare
from paste_mcp.lab.simulate.servers import Capacity
from paste_mcp.lab.simulate.synthetic import synthetic
from paste_mcp.lab.simulate.times import Seconds, Times, seconds
from paste_mcp.lab.simulate.world import Setting


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for, as written."""

    policies: str = ""
    """Empty: all of them."""
    think: str = "4"
    latency: str = "1"
    start: str = "fixed:0.5"
    sessions: str = "1"
    train: Sequence[Path] = ()
    folds: int = 5
    by: Literal["task", "model"] = "task"
    online: bool = False
    capacity: Capacity = field(default_factory=Capacity)
    shared: bool = False
    total: int | None = None
    per_server: int | None = None
    launch_cost_s: float = 0.001
    seed: int = 0


def run(traces: Sequence[Path], options: Options, *, json: bool) -> None:
    """Simulate and print; with `json` the last line of stdout is for programs, and the rest goes to stderr.

    Raises `TraceError`, `EvaluationError` and `SimulationError`.
    """
    progress = Console(stderr=True)
    figures = compare(comparison(traces, options, progress), progress)
    report.show(Console(stderr=json), figures)
    if json:
        print(report.last_line(figures))


def comparison(traces: Sequence[Path], options: Options, console: Console) -> Comparison:
    """Read everything that was asked for. Without traces it is the synthetic suite, learnt as it comes."""
    policies = policies_of(options.policies)
    side_by_side = numbers_of(options.sessions)
    limits = Limits()
    setting = Setting(
        times=Times(
            seed=str(options.seed),
            think=seconds_of("--think", options.think),
            latency=seconds_of("--latency", options.latency),
            start=seconds_of("--start", options.start),
        ),
        capacity=options.capacity,
        shared=options.shared,
        limits=replace(limits, total=options.total or limits.total, per_server=options.per_server or limits.per_server),
        launch_cost_s=options.launch_cost_s,
    )
    if not traces:
        lessons, plans, online = *synthetic(options.seed), True
    else:
        split = evaluation.Split(0 if options.train else options.folds, options.by)
        if split.folds == 1 or (split.by == "model" and not split.folds):
            raise SimulationError(f"--folds {split.folds}: to keep sessions apart takes two at least; use --folds 5")
        train = list(options.train) or list(traces)
        material = evaluation.read([*train, *traces])
        lessons, online = material.lessons, options.online
        plans = _plans(material, train, traces, split)
        if split.by == "task" and (shared := evaluation.shared_tasks(material, plans)):
            console.print(f"{shared} tasks are learnt from and simulated: these are repeated workflows")
    return Comparison(lessons, plans, policies, side_by_side, setting=setting, seed=options.seed, online=online)


def _plans(
    material: evaluation.Material, train: Sequence[Path], traces: Sequence[Path], split: evaluation.Split
) -> list[Plan]:
    """The parts of each file: learnt from what was named, or else from its own other tasks."""
    if train != list(traces):
        return evaluation.plans(material, train, traces, split)
    return [plan for path in dict.fromkeys(traces) for plan in evaluation.plans(material, [path], [path], split)]


def policies_of(text: str) -> list[str]:
    """The policies that are named, or all of them, in the order of the report. Raises `SimulationError`."""
    named = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := named - POLICIES.keys():
        raise SimulationError(f"--policies {', '.join(sorted(unknown))}: not known; choose from {', '.join(POLICIES)}")
    return [name for name in POLICIES if name in (named or POLICIES)]


def numbers_of(text: str) -> list[int]:
    """Numbers of sessions. Raises `SimulationError`."""
    try:
        numbers = [int(number) for number in text.split(",") if number.strip()]
    except ValueError:
        numbers = []
    if not numbers or not all(1 <= number <= 10_000 for number in numbers):
        raise SimulationError(f"--sessions {text}: not numbers of sessions; give 1 to 10000, like 1,8,32,128")
    return list(dict.fromkeys(numbers))


def seconds_of(option: str, text: str) -> Seconds:
    """The times that an option gives. Raises `SimulationError`."""
    try:
        return seconds(text)
    except ValueError as error:
        raise SimulationError(f"{option} {error}") from None
