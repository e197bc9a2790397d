"""One fold from training to guesses: learn, calibrate, choose the threshold; only then look at the test sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from paste_mcp.core.keys import CallKey
from paste_mcp.core.prediction.forecaster import Forecaster
from paste_mcp.lab.baselines.oracle import Oracle
from paste_mcp.lab.evaluate.folds import Nested, Plan
from paste_mcp.lab.evaluate.lessons import Lesson, reads_of
from paste_mcp.lab.evaluate.methods import Calibrating, Method, Record
from paste_mcp.lab.evaluate.play import DEFAULT_POLICY, TURNS_GOOD, Played
from paste_mcp.lab.evaluate.recording import Recording, record, replay
from paste_mcp.lab.evaluate.threshold import choose


@dataclass(frozen=True, slots=True)
class Asked:
    """What may be spent, and on what terms."""

    top: int = 3
    """Guesses a turn."""
    max_waste: float = 3.0
    """Guesses for nothing, per hit."""


@dataclass(slots=True)
class Judged:
    """The test sessions of one plan under one method."""

    plan: Plan
    threshold: float
    recordings: list[Recording]
    played: list[Played]
    under_policy: list[Played]


def judge(plan: Plan, method: Method | Oracle, lessons: Sequence[Lesson], asked: Asked) -> Judged:
    """Run one plan."""
    if isinstance(method, Oracle):
        threshold, recordings = 0.0, [method.foretell(lessons[number]) for number in plan.test]
    else:
        tuned = tune(plan, method, lessons, asked)
        forecaster = method.train([lessons[number] for number in plan.knowledge])
        if isinstance(method, Calibrating):
            method.calibrate(forecaster, tuned.records)
        threshold = tuned.threshold
        recordings = _record_all(Nested(plan.knowledge, plan.test), method, forecaster, lessons)
    return Judged(
        plan=plan,
        threshold=threshold,
        recordings=recordings,
        played=[replay(recording, threshold, asked.top) for recording in recordings],
        under_policy=[replay(recording, threshold, asked.top, DEFAULT_POLICY) for recording in recordings],
    )


@dataclass(frozen=True, slots=True)
class Tuned:
    """What the training sessions say on how to guess."""

    threshold: float
    records: list[Record]


def tune(plan: Plan, method: Method, lessons: Sequence[Lesson], asked: Asked) -> Tuned:
    """Find the threshold, and what to calibrate with; the test sessions are not looked at.

    The runs that the threshold is chosen on are each calibrated with the other runs, as the test sessions will be.
    """
    forecasters: list[Forecaster] = []
    runs: list[list[Recording]] = []
    for nested in plan.nested:
        forecasters.append(method.train([lessons[number] for number in nested.knowledge]))
        runs.append(_record_all(nested, method, forecasters[-1], lessons))
    records = [[one for recording in run for one in records_of(recording)] for run in runs]
    if isinstance(method, Calibrating):
        for number, forecaster in enumerate(forecasters):
            others = [one for other, made in enumerate(records) if other != number for one in made]
            method.calibrate(forecaster, others)
            runs[number] = [_said_again(recording, method, forecaster) for recording in runs[number]]
    threshold = choose([recording for run in runs for recording in run], asked.top, asked.max_waste)
    return Tuned(threshold, [one for made in records for one in made])


def _record_all(nested: Nested, method: Method, forecaster: Forecaster, lessons: Sequence[Lesson]) -> list[Recording]:
    """What the method foresees in the sessions of a run."""
    tools = reads_of(lessons[number] for number in nested.knowledge)
    return [record(lessons[number], method.session(forecaster), tools, indexed=method.indexed) for number in nested.run]


def _said_again(recording: Recording, method: Calibrating, forecaster: Forecaster) -> Recording:
    """The recording with the probabilities that the forecaster gives by now."""
    turns = []
    for guesses in recording.turns:
        now = [(method.probability(forecaster, guess.prediction), guess) for guess in guesses]
        now.sort(key=lambda one: -one[0])
        turns.append([replace(g, prediction=replace(g.prediction, probability=p)) for p, g in now])
    return replace(recording, turns=turns)


def records_of(recording: Recording) -> list[Record]:
    """All guesses of a session, for calibration."""
    lesson = recording.lesson
    records: list[Record] = []
    good_until: dict[CallKey | None, int] = {}
    for turn, guesses in enumerate(recording.turns):
        if not all(lesson.reads[position] for position in lesson.turns[turn]):
            good_until.clear()
        for rank, guess in enumerate(guesses):
            again = turn <= good_until.get(guess.key, -1)
            if not again:
                good_until[guess.key] = turn + TURNS_GOOD
            records.append(Record(guess.prediction, guess.came, rank, again, turn, lesson.session, lesson.task))
    return records
