"""Ways of foreseeing calls, as the evaluation sees them. Another one is plugged in at `ours`, and nowhere else.

A `Method` is all that is needed. One whose probabilities are to be fitted to what came of guesses is `Calibrating`,
too: it is given guesses that its forecasters made on sessions they were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol, runtime_checkable

from paste_mcp.core.model import Prediction
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.evidence import Evidence
from paste_mcp.core.prediction.forecaster import Forecaster
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.forecast import Foresight
from paste_mcp.core.prediction.learnt.gate import Example, Gate
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.lab.baselines.bigram import Bigram
from paste_mcp.lab.baselines.learner import Baseline
from paste_mcp.lab.baselines.memo import Memo
from paste_mcp.lab.baselines.repeat_last import RepeatLast
from paste_mcp.lab.baselines.specfaas import SpecFaas
from paste_mcp.lab.baselines.unigram import Unigram
from paste_mcp.lab.evaluate.lessons import Lesson, reads_of, tool_of
from paste_mcp.store.pattern_files import default_patterns

MOST_FITTED: Final = 8
"""Guesses of a turn that a correction is fitted to: the others are never issued."""


@dataclass(frozen=True, slots=True)
class Record:
    """A guess on a session that was not learnt from: what was said, and whether it came true in time."""

    prediction: Prediction
    came: bool
    rank: int
    """From 0, among the guesses after the same turn."""
    again: bool
    """It was said before, and would still be good: it could not be issued once more."""
    turn: int
    session: str
    task: str


class Method(Protocol):
    """A way of foreseeing calls."""

    name: str
    indexed: bool
    """Its forecasters look values up in the session's index."""

    def train(self, lessons: Sequence[Lesson]) -> Forecaster:
        """A forecaster that has learnt from these sessions and nothing else."""
        ...

    def session(self, forecaster: Forecaster) -> Forecaster:
        """The forecaster for one more session, which begins with what `forecaster` knows.

        What the session shows must not stay in `forecaster`, unless the method learns from session to session.
        """
        ...


@runtime_checkable
class Calibrating(Protocol):
    """A method whose probabilities are fitted to what came of guesses."""

    def calibrate(self, forecaster: Forecaster, records: Sequence[Record]) -> None:
        """Make the probabilities that `forecaster` gives fit `records`; forget any earlier calibration."""
        ...

    def probability(self, forecaster: Forecaster, prediction: Prediction) -> float:
        """What `forecaster` says now of a prediction that it made before it was calibrated."""
        ...


class Written:
    """The shipped patterns, as they are: nothing is learnt from training."""

    name = "written"
    indexed = True

    def __init__(self, *, online: bool = False) -> None:
        self._online = online
        self._pool = Pool(default_patterns())

    def train(self, lessons: Sequence[Lesson]) -> Forecaster:
        return Predictor(self._pool)

    def session(self, forecaster: Forecaster) -> Forecaster:
        assert isinstance(forecaster, Predictor)
        return forecaster if self._online else Predictor(self._pool, Evidence(forecaster.evidence.counts()))


class Learnt:
    """What is learnt from sessions, with probabilities corrected by what became of guesses."""

    name = "learnt"
    indexed = False

    def __init__(self, *, online: bool = False) -> None:
        self._online = online

    def train(self, lessons: Sequence[Lesson]) -> Forecaster:
        counts = Counts()
        for lesson in lessons:
            counts.merge(_shown(lesson))
        return Foresight(counts, online=self._online)

    def session(self, forecaster: Forecaster) -> Forecaster:
        return forecaster  # which keeps apart what a session shows, unless it learns online

    def calibrate(self, forecaster: Forecaster, records: Sequence[Record]) -> None:
        assert isinstance(forecaster, Foresight)
        forecaster.gate = self.fitted(records)

    def fitted(self, records: Sequence[Record]) -> Gate:
        """The correction that `records` ask for."""
        gate = Gate()
        gate.fit(
            Example(record.prediction.features[0], record.prediction.features[1:], record.came)
            for record in records
            if record.rank < MOST_FITTED and not record.again
        )
        return gate

    def probability(self, forecaster: Forecaster, prediction: Prediction) -> float:
        assert isinstance(forecaster, Foresight)
        return forecaster.gate.probability(prediction.features[0], prediction.features[1:])


@cache
def _shown(lesson: Lesson) -> Counts:
    """What one session shows: the same whatever is learnt beside it, so counted once in a process."""
    foresight, index = Foresight(), ValueIndex()
    tools = {key: tool_of(key, reads) for key, reads in reads_of([lesson]).items()}
    for position, event in enumerate(lesson.events):
        foresight.observe(event, lesson.events[:position], tools, index)
    return foresight.shown(index)


def ours(*, online: bool = False) -> Method:
    """What is measured. `online`: what one tested session shows is known in the next."""
    return Learnt(online=online)


def baselines(*, online: bool = False) -> list[Method]:
    """What ours is held against; the oracle is apart, since it does not learn."""
    return [
        Baseline("repeat_last", RepeatLast, online=online),
        Baseline("unigram", Unigram, online=online),
        Baseline("bigram", Bigram, online=online),
        Baseline("specfaas", SpecFaas, online=online),
        Baseline("memo", Memo, online=online),
    ]
