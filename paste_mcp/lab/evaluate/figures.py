"""What is counted. Shares are in % of all calls after a session's first turn, reads or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from paste_mcp.lab.evaluate.judging import Judged
from paste_mcp.lab.evaluate.lessons import Lesson
from paste_mcp.lab.evaluate.recording import Guess, Recording

BIN_EDGES: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Bin:
    """A row of the reliability table: guesses of about this probability, and how many of them came true."""

    below: float
    guesses: int
    promised: float
    came: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a set is."""

    calls: int
    read_only: int
    demand_after_first: int

    @classmethod
    def of(cls, lessons: Sequence[Lesson]) -> Sizes:
        return cls(
            calls=sum(len(lesson.events) for lesson in lessons),
            read_only=sum(sum(lesson.reads) for lesson in lessons),
            demand_after_first=sum(after_first(lesson) for lesson in lessons),
        )


def after_first(lesson: Lesson) -> int:
    """The session's calls that a guess could have been made for."""
    return len(lesson.events) - len(lesson.turns[0]) if lesson.turns else 0


@dataclass(slots=True)
class Figures:
    """One set under one method."""

    hits: int
    hit_pct: float
    hit_pct_policy: float
    top1_pct: float
    top3_pct: float
    issued: int
    wasted_per_hit: float | None
    accuracy: float | None
    brier: float | None
    brier_base: float | None
    """Of always saying the share of these guesses that came true: what a probability must beat to be worth anything."""
    decision_us_p50: float | None
    decision_us_p99: float | None
    index_us_p50: float | None
    index_us_p99: float | None

    def as_json(self) -> dict[str, Any]:
        return {name: _rounded(getattr(self, name)) for name in self.__slots__}


def percent(part: int, whole: int) -> float:
    """Of nothing, nothing."""
    return 100 * part / whole if whole else 0.0


def figures_of(judged: Iterable[Judged], top: int) -> Figures:
    """The figures of all parts of a set together."""
    parts = list(judged)
    recordings = [recording for part in parts for recording in part.recordings]
    demand = sum(after_first(recording.lesson) for recording in recordings)
    hits = sum(len(played.hits) for part in parts for played in part.played)
    issued = sum(len(played.issued) for part in parts for played in part.played)
    under_policy = sum(len(played.hits) for part in parts for played in part.under_policy)
    guesses = best_guesses(recordings, top)
    base = sum(guess.came for guess in guesses) / len(guesses) if guesses else 0.0
    decisions = sorted(ns for recording in recordings for ns in recording.predict_ns)
    indexing = sorted(ns for recording in recordings for ns in recording.index_ns)
    return Figures(
        hits=hits,
        hit_pct=percent(hits, demand),
        hit_pct_policy=percent(under_policy, demand),
        top1_pct=percent(_ranked(recordings, 1), demand),
        top3_pct=percent(_ranked(recordings, 3), demand),
        issued=issued,
        wasted_per_hit=(issued - hits) / hits if hits else None,
        accuracy=hits / issued if issued else None,
        brier=_brier([(guess.prediction.probability, guess.came) for guess in guesses]),
        brier_base=_brier([(base, guess.came) for guess in guesses]),
        decision_us_p50=_quantile_us(decisions, 0.5),
        decision_us_p99=_quantile_us(decisions, 0.99),
        index_us_p50=_quantile_us(indexing, 0.5),
        index_us_p99=_quantile_us(indexing, 0.99),
    )


def best_guesses(recordings: Iterable[Recording], top: int) -> list[Guess]:
    """The guesses that the probabilities are judged by: the best ones after each turn, sure or not."""
    return [guess for recording in recordings for turn in recording.turns for guess in turn[:top]]


def reliability(guesses: Sequence[Guess]) -> list[Bin]:
    """What was promised beside what came, by probability."""
    bins = []
    for above, below in pairwise((0.0, *BIN_EDGES, 1.0)):
        last = below == 1.0
        inside = [each for each in guesses if above <= (p := each.prediction.probability) and (p < below or last)]
        if inside:
            promised = sum(guess.prediction.probability for guess in inside) / len(inside)
            bins.append(Bin(below, len(inside), promised, sum(guess.came for guess in inside) / len(inside)))
    return bins


def _ranked(recordings: Iterable[Recording], best: int) -> int:
    """Read-only calls that were among the `best` guesses made right after the turn before, at whatever probability."""
    found = 0
    for recording in recordings:
        lesson = recording.lesson
        for turn, guesses in zip(lesson.turns[1:], recording.turns, strict=False):
            keys = {guess.key for guess in guesses[:best]} - {None}
            found += sum(lesson.reads[position] and lesson.keys[position] in keys for position in turn)
    return found


def _brier(said: Sequence[tuple[float, bool]]) -> float | None:
    return sum((probability - came) ** 2 for probability, came in said) / len(said) if said else None


def _quantile_us(ordered_ns: Sequence[int], share: float) -> float | None:
    return ordered_ns[min(len(ordered_ns) - 1, int(share * len(ordered_ns)))] / 1000 if ordered_ns else None


def _rounded(value: float | None) -> float | None:
    return round(value, 4) if isinstance(value, float) else value
