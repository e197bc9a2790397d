"""The whole evaluation: read, plan, judge side by side, report."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TextIO, TypeAlias

from rich.console import Console

from paste_mcp.lab.baselines.oracle import Oracle
from paste_mcp.lab.evaluate import folds as splits
from paste_mcp.lab.evaluate import report
from paste_mcp.lab.evaluate.ceilings import ceilings
from paste_mcp.lab.evaluate.figures import Sizes, best_guesses, figures_of, reliability
from paste_mcp.lab.evaluate.folds import Numbers, Plan
from paste_mcp.lab.evaluate.judging import Asked, Judged, judge
from paste_mcp.lab.evaluate.lessons import Lesson, lesson_of
from paste_mcp.lab.evaluate.methods import Method, baselines, ours
from paste_mcp.lab.evaluate.misses import misses
from paste_mcp.lab.evaluate.report import SetReport
from paste_mcp.lab.progress import counted
from paste_mcp.store.traces import read_traces, trace_name

WORKERS: Final = 4
"""Processes at most; each holds all sessions."""

ByMethod: TypeAlias = dict[str, list[Judged]]


class EvaluationError(ValueError):
    """The evaluation cannot be made as asked; `str()` is one line."""


@dataclass(frozen=True, slots=True)
class Split:
    """How sessions are kept apart; without folds, training and test files are."""

    folds: int = 0
    by: Literal["task", "model"] = "task"


@dataclass(frozen=True, slots=True)
class Material:
    """The sessions of all files, and whose they are."""

    lessons: tuple[Lesson, ...]
    files: Mapping[Path, Numbers]

    def of(self, paths: Sequence[Path]) -> Numbers:
        return tuple(number for path in dict.fromkeys(paths) for number in self.files[path])


def run(
    train: Sequence[Path],
    test: Sequence[Path],
    split: Split,
    asked: Asked,
    *,
    online: bool = False,
    alone: bool = False,
    why: bool = False,
    dump: Path | None = None,
    json: bool = False,
) -> None:
    """Evaluate and print; with `json` the last line of stdout is for programs, and the rest goes to stderr.

    Raises `TraceError` and `EvaluationError`.
    """
    if split.folds == 1 or (split.by == "model" and not split.folds):
        raise EvaluationError(f"--folds {split.folds}: to keep sessions apart takes two at least; use --folds 5")
    progress = Console(stderr=True)
    material = read([*train, *test])
    planned = plans(material, train, test, split)
    if split.by == "task" and (shared := shared_tasks(material, planned)):
        progress.print(f"{shared} tasks are learnt from and tested: these are repeated workflows; --folds 5 parts them")
    with _opened(dump) as guesses:
        reports, judged = evaluate(material, planned, methods(online=online, alone=alone), asked, progress, why=why)
        if guesses is not None:
            report.dump(guesses, judged, material.lessons)
    report.show(Console(stderr=json), reports)
    if json:
        print(report.last_line(reports))


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO | None]:
    """The file, before anything is computed that could not be written."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"--dump {path}: {error.strerror or error}; choose another file") from None
    with file:
        yield file


def evaluate(
    material: Material,
    planned: Sequence[Plan],
    methods: Sequence[Method | Oracle],
    asked: Asked,
    console: Console,
    *,
    why: bool = False,
) -> tuple[list[SetReport], list[Judged]]:
    """A report on each set, and the parts of the first method for whoever wants its guesses."""
    judged: dict[str, ByMethod] = {}
    with counted(console) as progress:
        bar = progress.add_task("evaluating", total=len(planned) * len(methods))
        for method, part in _judged(material, planned, methods, asked):
            judged.setdefault(part.plan.set, {}).setdefault(method.name, []).append(part)
            progress.advance(bar)
        progress.update(bar, description="counting")
        reports = [_report(name, by_method, material, asked, why) for name, by_method in judged.items()]
    return reports, [part for by_method in judged.values() for part in by_method[methods[0].name]]


def methods(*, online: bool, alone: bool) -> list[Method | Oracle]:
    """Ours first, then what it is held against, unless it is wanted alone."""
    first: list[Method | Oracle] = [ours(online=online)]
    return first if alone else [*first, *baselines(online=online), Oracle()]


def read(paths: Sequence[Path]) -> Material:
    """Read each file once. Raises `TraceError`."""
    lessons: list[Lesson] = []
    files: dict[Path, Numbers] = {}
    for path in dict.fromkeys(paths):
        first = len(lessons)
        lessons += [lesson_of(session) for session in read_traces(path)]
        files[path] = tuple(range(first, len(lessons)))
    return Material(tuple(lessons), files)


def plans(material: Material, train: Sequence[Path], test: Sequence[Path], split: Split) -> list[Plan]:
    """All parts of all sets. Raises `EvaluationError`.

    What is tuned for a file that is also trained on is tuned on that file alone, since sources differ.
    """
    made: list[Plan] = []
    known = material.of(train)
    for path in dict.fromkeys(test):
        name, tested = trace_name(path), material.files[path]
        tuned = tested if path in train else known
        if not tested:
            raise EvaluationError(f"{path}: holds no sessions; choose a trace with some")
        if name in {plan.set.partition("@")[0] for plan in made}:
            raise EvaluationError(f"{path}: another test file is called {name}, too; rename one")
        if not split.folds:
            made += splits.apart(name, material.lessons, known, tested)
        elif split.by == "task":
            made += splits.by_task(name, material.lessons, known, tuned, tested, split.folds)
        else:
            made += splits.by_model(name, material.lessons, known, tuned, tested, split.folds)
    if split.folds and split.by == "model" and not all(plan.knowledge for plan in made):
        raise EvaluationError("--by model: training has no runs of other models; add some, or use --by task")
    return made


def shared_tasks(material: Material, planned: Sequence[Plan]) -> int:
    """Tasks that are both learnt from and tested."""
    return len(
        {
            task
            for plan in planned
            for task in {material.lessons[number].task for number in plan.test}
            & {material.lessons[number].task for number in plan.knowledge}
        }
    )


def _report(name: str, by_method: ByMethod, material: Material, asked: Asked, why: bool) -> SetReport:
    first = next(iter(by_method.values()))
    planned = [part.plan for part in first]
    lessons = [material.lessons[number] for plan in planned for number in plan.test]
    return SetReport(
        name=name,
        sessions=len(lessons),
        sizes=Sizes.of(lessons),
        ceilings=ceilings(planned, material.lessons),
        methods={method: figures_of(parts, asked.top) for method, parts in by_method.items()},
        thresholds=[part.threshold for part in first],
        reliability=reliability(best_guesses([each for part in first for each in part.recordings], asked.top)),
        misses=misses(first, asked.top) if why else None,
    )


def _judged(
    material: Material, planned: Sequence[Plan], methods: Sequence[Method | Oracle], asked: Asked
) -> Iterator[tuple[Method | Oracle, Judged]]:
    """In the order of methods and plans, whichever process ends first."""
    jobs = [(plan, method) for method in methods for plan in planned]
    workers = min(WORKERS, len(jobs), os.cpu_count() or 1)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_hold, initargs=(material.lessons,)) as pool:
        futures: list[Future[Judged]] = [pool.submit(_judge, plan, method, asked) for plan, method in jobs]
        try:
            for (plan, method), future in zip(jobs, futures, strict=True):
                part = future.result()
                for number, recording in zip(plan.test, part.recordings, strict=True):
                    recording.lesson = material.lessons[number]
                yield method, part
        except BrokenProcessPool:
            raise EvaluationError(
                "a worker process died, maybe for lack of memory; evaluate one file at a time"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


_lessons: tuple[Lesson, ...] = ()
"""What a worker process works on: sent once, since it is large."""


def _hold(lessons: tuple[Lesson, ...]) -> None:
    global _lessons  # noqa: PLW0603 - a process of ours, which has nobody else to tell
    _lessons = lessons
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # to be interrupted without a word
    # They live as long as the process: the collector need not walk them again and again.
    gc.collect()
    gc.freeze()


def _judge(plan: Plan, method: Method | Oracle, asked: Asked) -> Judged:
    part = judge(plan, method, _lessons, asked)
    for recording in part.recordings:
        # The other side has the session already.
        recording.lesson = replace(recording.lesson, events=(), keys=())
    return part
