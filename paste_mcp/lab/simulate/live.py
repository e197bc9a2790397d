"""The comparison once more with nothing simulated but the agent: does the simulation tell the truth?

Each session is held through the real proxy once for each policy, side by side since all of them mostly wait, and is
simulated with the same times. What a launch costs is measured on the way: processor time of the always wrong proxy
beyond that of the silent one, for each guess that it sent.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import anyio
from rich.console import Console
from rich.table import Table

from paste_mcp.core.prediction.learnt.forecast import Foresight
from paste_mcp.core.prediction.learnt.gate import Gate
from paste_mcp.lab.evaluate import folds
from paste_mcp.lab.evaluate.judging import Asked, tune
from paste_mcp.lab.evaluate.lessons import Lesson, Reads, lesson_of, reads_of
from paste_mcp.lab.evaluate.methods import Learnt
from paste_mcp.lab.overhead.processes import Process
from paste_mcp.lab.progress import counted
from paste_mcp.lab.simulate.agent import Case, Session
from paste_mcp.lab.simulate.live_session import (
    Foreseen,
    Held,
    LiveError,
    Ready,
    Replayed,
    alias_of,
    hold,
    ledger_of,
    proxied,
)
from paste_mcp.lab.simulate.policies import POLICIES
from paste_mcp.lab.simulate.run import play
from paste_mcp.lab.simulate.synthetic import EARLY, trace_lines
from paste_mcp.lab.simulate.times import Times
from paste_mcp.lab.simulate.world import Setting
from paste_mcp.store.traces import TracedSession, read_traces

MEASURED: Final = ("none", "ours", "oracle", "all-wrong")
FOLDS: Final = 5
WORKFLOWS: Final = 3
"""Of the synthetic suite: one session of each is held."""
CLOSE: Final = 0.10
"""How far the simulation may be off."""
LONGEST_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Workload:
    """The sessions to be held, and what may be known before."""

    trace: Path
    tested: Sequence[Lesson]
    knowledge: Sequence[Lesson]
    known: Reads
    gate: Gate | None


@dataclass(frozen=True, slots=True)
class Result:
    """All sessions under one policy, held and simulated."""

    policy: str
    e2e_s: float
    stall_s: float
    simulated_e2e_s: float
    simulated_stall_s: float
    hits: int
    late_hits: int
    promoted: int
    issued: int
    wasted: int
    hidden_s: float
    cpu_s: float | None

    @property
    def off(self) -> float:
        """By how much the simulation is off end to end, as a share of what was measured."""
        return self.simulated_e2e_s / self.e2e_s - 1 if self.e2e_s else 0.0

    def as_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__}
        rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}
        return rounded | {"off_pct": round(100 * self.off, 2)}


def run(trace: Path | None, most: int, times: Times, latency: str, *, json_line: bool) -> bool:
    """Measure and show; True where the simulation is close. Raises `TraceError` and `LiveError`."""
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="paste-mcp-live-") as folder:
        workload = (
            _synthetic(Path(folder) / "trace.jsonl", times.seed) if trace is None else _recorded(trace, most, progress)
        )
        results = _measure(workload, times, latency, Path(folder), progress)
    cost_s = launch_cost_s(results)
    close = all(abs(result.off) <= CLOSE for result in results)
    _show(Console(stderr=json_line), results, cost_s)
    if json_line:
        line = {"runs": [result.as_json() for result in results], "launch_cost_s": cost_s, "within_10_pct": close}
        print(json.dumps(line, allow_nan=False))
    return close


def launch_cost_s(results: Sequence[Result]) -> float | None:
    """Processor time of the proxy for each guess that it sends; None where the system does not tell."""
    by_name = {result.policy: result for result in results}
    silent, wrong = by_name["none"].cpu_s, by_name["all-wrong"].cpu_s
    if silent is None or wrong is None or not by_name["all-wrong"].issued:
        return None
    return max(0.0, round((wrong - silent) / by_name["all-wrong"].issued, 6))


# --- what is measured -------------------------------------------------------------------------------------------------


def _synthetic(path: Path, seed: str) -> Workload:
    """Repeated workflows whose first runs are known."""
    number = int(seed) if seed.isdecimal() else 0
    path.write_text("\n".join(trace_lines(number, WORKFLOWS, EARLY + 1)), encoding="utf-8")
    lessons = [_aliased(session) for session in read_traces(path)]
    known = EARLY * WORKFLOWS
    return Workload(path, lessons[known:], lessons[:known], reads_of(lessons[:known]), None)


def _recorded(path: Path, most: int, console: Console) -> Workload:
    """Sessions of one fold of the file, foreseen from the other folds."""
    lessons = [_aliased(session) for session in read_traces(path)]
    if not lessons:
        raise LiveError(f"{path}: holds no sessions; choose a trace with some")
    everything = tuple(range(len(lessons)))
    plan = folds.by_task("live", lessons, everything, everything, everything, FOLDS)[0]
    with console.status("learning from the other tasks"):
        gate = Learnt().fitted(tune(plan, Learnt(), lessons, Asked()).records) if plan.nested else None
    knowledge = [lessons[number] for number in plan.knowledge]
    return Workload(path, [lessons[number] for number in plan.test[:most]], knowledge, reads_of(knowledge), gate)


def _aliased(session: TracedSession) -> Lesson:
    """The session with its servers named as the configuration names them."""
    return lesson_of(
        replace(session, calls=tuple(replace(call, server=alias_of(call.server)) for call in session.calls))
    )


def _measure(workload: Workload, times: Times, latency: str, folder: Path, console: Console) -> list[Result]:
    learnt = Learnt().train(workload.knowledge)
    assert isinstance(learnt, Foresight)
    replayed = Replayed(workload.trace, latency, times.seed)
    held: dict[str, list[Held]] = {policy: [] for policy in MEASURED}
    simulated: dict[str, list[Session]] = {policy: [] for policy in MEASURED}
    with counted(console) as progress:
        bar = progress.add_task("", total=len(workload.tested))
        for number, lesson in enumerate(workload.tested):
            progress.update(bar, description=f"session {lesson.session}, {len(lesson.events)} calls")
            foreseen = [Foreseen(policy, lesson, workload.known, learnt.counts, workload.gate) for policy in MEASURED]
            for one in anyio.run(_side_by_side, foreseen, times, replayed, folder / str(number)):
                held[one.policy].append(one)
            for each in foreseen:
                simulated[each.policy].append(_simulated(each, times))
            progress.advance(bar)
    return [_result(policy, held[policy], simulated[policy]) for policy in MEASURED]


async def _side_by_side(foreseen: Sequence[Foreseen], times: Times, replayed: Replayed, folder: Path) -> list[Held]:
    """One session under each policy: all are started, then all begin."""
    ready, begin = Ready(len(foreseen)), anyio.Event()
    done: list[Held] = []
    with ExitStack() as processes:
        running = [(each, *processes.enter_context(proxied(each, replayed, folder / each.policy))) for each in foreseen]

        async def be_held(each: Foreseen, process: Process, url: str) -> None:
            done.append(await hold(each, times, process, url, begin, ready))

        try:
            with anyio.fail_after(LONGEST_S):
                async with anyio.create_task_group() as tasks:
                    for one in running:
                        tasks.start_soon(be_held, *one)
                    await ready.all.wait()
                    begin.set()
        except* LiveError as errors:
            raise LiveError(str(errors.exceptions[0])) from None
    for held in done:
        held.ledger = ledger_of(folder / held.policy)
    return done


def _simulated(foreseen: Foreseen, times: Times) -> Session:
    """The same session on simulated time, its servers started already."""
    lesson, policy = foreseen.lesson, POLICIES[foreseen.policy]
    case = Case(lesson.session, lesson, foreseen.known, foreseen.forecaster(), policy.indexed)
    return play([case], Setting(times=times), 1, opens_early=True)[0]


def _result(policy: str, held: Sequence[Held], simulated: Sequence[Session]) -> Result:
    total: Callable[[str], Any] = lambda name: sum((each.ledger or {})[name] for each in held)  # noqa: E731
    cpu = [each.cpu_s for each in held]
    return Result(
        policy=policy,
        e2e_s=sum(each.e2e_s for each in held),
        stall_s=sum(each.stall_s for each in held),
        simulated_e2e_s=sum(each.e2e_s for each in simulated),
        simulated_stall_s=sum(each.stall_s for each in simulated),
        hits=total("hits"),
        late_hits=total("late_hits"),
        promoted=total("promoted"),
        issued=total("issued"),
        wasted=total("issued") - total("hits") - total("late_hits"),
        hidden_s=total("hidden_s"),
        cpu_s=sum(each for each in cpu if each is not None) if None not in cpu else None,
    )


# --- how it is shown --------------------------------------------------------------------------------------------------


def _show(console: Console, results: Sequence[Result], cost_s: float | None) -> None:
    table = Table(header_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in "e2e s,simulated,off %,stall s,simulated,hit,late,sent,wasted,hidden s".split(","):
        table.add_column(name, justify="right", no_wrap=True)
    for each in results:
        table.add_row(
            each.policy,
            *(f"{each.e2e_s:.2f}", f"{each.simulated_e2e_s:.2f}", f"{100 * each.off:+.1f}"),
            *(f"{each.stall_s:.2f}", f"{each.simulated_stall_s:.2f}"),
            *(str(each.hits), str(each.late_hits), str(each.issued), str(each.wasted), f"{each.hidden_s:.2f}"),
        )
    console.print(table)
    if cost_s is not None:
        console.print(f"A launch costs the proxy {1000 * cost_s:.1f} ms of processor time.", highlight=False)
    worst = max(results, key=lambda each: abs(each.off))
    close = "The simulation is close" if abs(worst.off) <= CLOSE else "[red]The simulation is off[/red]"
    console.print(f"{close}: by {100 * abs(worst.off):.1f} % at most ({worst.policy}).", highlight=False)
