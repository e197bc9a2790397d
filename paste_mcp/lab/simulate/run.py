"""The whole simulation: read, tune, play side by side, report."""

from __future__ import annotations

import gc
import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from rich.console import Console

from paste_mcp.core.prediction.learnt.gate import Gate
from paste_mcp.lab.evaluate.folds import Plan
from paste_mcp.lab.evaluate.judging import Asked, tune
from paste_mcp.lab.evaluate.lessons import Lesson, reads_of
from paste_mcp.lab.evaluate.methods import Learnt
from paste_mcp.lab.progress import counted
from paste_mcp.lab.simulate.agent import Agent, Case, Session
from paste_mcp.lab.simulate.figures import Figures, Played, figures_of
from paste_mcp.lab.simulate.policies import OURS, POLICIES, Knowledge, Policy, ReadsOnly, Way
from paste_mcp.lab.simulate.world import Setting, World

WORKERS: Final = 4
"""Processes at most; each holds all sessions."""
NONE: Final = "none"

Made = TypeVar("Made")


class SimulationError(ValueError):
    """The simulation cannot be made as asked; `str()` is one line."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared on what."""

    lessons: tuple[Lesson, ...]
    plans: Sequence[Plan]
    policies: Sequence[str]
    side_by_side: Sequence[int] = (1,)
    setting: Setting = field(kw_only=True)
    seed: int = 0
    online: bool = False


def compare(asked: Comparison, console: Console) -> list[Figures]:
    """The figures of all runs: by set, by number of sessions, by policy."""
    sets = list(dict.fromkeys(plan.set for plan in asked.plans))
    tuned = [number for number, plan in enumerate(asked.plans) if OURS in asked.policies and plan.nested]
    jobs = [(name, policy) for name in sets for policy in _longest_first(asked.policies)]
    with _workers(asked, max(len(jobs), len(tuned))) as pool, counted(console) as progress:
        bar = progress.add_task("learning", total=len(tuned) + len(jobs))
        step = lambda: progress.advance(bar)  # noqa: E731
        gates = dict(zip(tuned, _all([pool.submit(_tuned, number) for number in tuned], step), strict=True))
        progress.update(bar, description="simulating")
        runs = [run for found in _all([pool.submit(_play, *job, gates) for job in jobs], step) for run in found]
    by_name = {(run.set, run.side_by_side, run.policy): run for run in runs}
    return [
        figures_of(by_name[name, beside, policy], by_name.get((name, beside, NONE)), asked.seed)
        for name in sets
        for beside in asked.side_by_side
        for policy in asked.policies
    ]


def play(cases: Sequence[Case], setting: Setting, side_by_side: int, *, opens_early: bool) -> list[Session]:
    """All cases in a world of their own, so many at once: where one ends the next begins."""
    servers = {event.call.server for case in cases for event in case.lesson.events}
    servers |= {server for case in cases for server, _ in case.known}
    world = World(setting, servers, opens_early=opens_early)
    played: list[Session] = []
    waiting = iter(cases)

    def begin() -> None:
        if (case := next(waiting, None)) is not None:
            Agent(case, world, ended).begin()

    def ended(session: Session) -> None:
        played.append(session)
        world.clock.at(world.clock.now, begin)

    for _ in range(side_by_side):
        begin()
    world.clock.run()
    return played


def cases_of(asked: Comparison, ways: Mapping[Plan, Way], policy: Policy, copies: int) -> list[Case]:
    """The test sessions of these plans, in the order of the file, the whole of them `copies` times.

    Tools are known from training; to who learns from session to session, all are: servers list them.
    """
    lessons = asked.lessons
    known = {
        plan: reads_of(lessons[number] for number in (*plan.knowledge, *(plan.test if asked.online else ())))
        for plan in ways
    }
    tested = sorted(((number, plan) for plan in ways for number in plan.test), key=lambda one: one[0])
    return [
        Case(
            name=f"{lessons[number].session}~{copy}" if copy else lessons[number].session,
            lesson=lessons[number],
            known=known[plan],
            forecaster=ReadsOnly(ways[plan].session(lessons[number]), lessons[number], known[plan]),
            indexed=policy.indexed,
            chains=policy.chains,
        )
        for copy in range(copies)
        for number, plan in tested
    ]


def trained(asked: Comparison, plans: Sequence[tuple[Plan, Gate | None]], policy: Policy) -> dict[Plan, Way]:
    """The policy's way of foreseeing for each plan."""
    return {
        plan: policy.train(Knowledge([asked.lessons[number] for number in plan.knowledge], gate, asked.online))
        for plan, gate in plans
    }


# --- in the worker processes -----------------------------------------------------------------------------------------


@contextmanager
def _workers(asked: Comparison, jobs: int) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    workers = max(1, min(WORKERS, jobs, os.cpu_count() or 1))
    with ProcessPoolExecutor(workers, context, initializer=_hold, initargs=(asked,)) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise SimulationError(
                "a worker process died, maybe for lack of memory; simulate one file at a time"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


_asked: Comparison
"""What a worker process works on: sent once, since it is large."""


def _hold(asked: Comparison) -> None:
    global _asked  # noqa: PLW0603 - a process of ours, which has nobody else to tell
    _asked = asked
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # to be interrupted without a word
    gc.collect()
    gc.freeze()


def _tuned(number: int) -> Gate:
    """The correction of our probabilities for one plan, fitted to guesses on its training sessions."""
    method = Learnt()
    records = tune(_asked.plans[number], method, _asked.lessons, Asked()).records
    return method.fitted(records)


def _play(name: str, policy_name: str, gates: Mapping[int, Gate]) -> list[Played]:
    """One set under one policy, with each number of sessions side by side."""
    policy = POLICIES[policy_name]
    plans = [(plan, gates.get(number)) for number, plan in enumerate(_asked.plans) if plan.set == name]
    tested = sum(len(plan.test) for plan, _ in plans)
    times = _asked.setting.times
    setting = replace(_asked.setting, times=replace(times, seed=f"{times.seed}|{policy.luck}"))
    runs = []
    for side_by_side in _asked.side_by_side:
        copies = math.ceil(side_by_side / tested)
        cases = cases_of(_asked, trained(_asked, plans, policy), policy, copies)
        sessions = play(cases, setting, side_by_side, opens_early=policy.opens_early)
        runs.append(Played(name, policy_name, side_by_side, copies, sessions))
    return runs


def _all(futures: Sequence[Future[Made]], step: Callable[[], object]) -> list[Made]:
    """What they made, in their order; `step` hears of each that is done."""
    for _ in as_completed(futures):
        step()
    return [future.result() for future in futures]


def _longest_first(policies: Sequence[str]) -> list[str]:
    return sorted(policies, key=lambda policy: (policy != OURS, not POLICIES[policy].indexed))
