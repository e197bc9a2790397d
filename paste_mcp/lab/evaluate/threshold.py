"""How sure is sure enough: the threshold with the most hits on sessions not learnt from, within the allowed waste."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from paste_mcp.lab.evaluate.play import NEVER
from paste_mcp.lab.evaluate.recording import Recording
from paste_mcp.lab.evaluate.tally import tally

FEWEST_HITS: Final = 5
"""Hits below which a ratio of waste to hits says nothing."""
MOST_TRIED: Final = 200
SAMPLES: Final = 41
"""Drawings of the tasks."""
CAUTION: Final = 0.55
"""The share of the drawings whose best threshold is lower: what is new brings rather more waste than less."""
_JUST_BELOW: Final = 1 - 1e-9


def choose(recordings: Sequence[Recording], top: int, max_waste: float) -> float:
    """The best threshold, or `NEVER` where none keeps within the waste with a handful of hits.

    One that most of those reach that are best on samples of the tasks, drawn with replacement (Breiman's bagging): the
    single best one often hangs on a few sessions.
    """
    thresholds = _candidates(recordings)
    by_task = _by_task(recordings)
    tried = [[tally(runs, threshold, top) for runs in by_task] for threshold in thresholds]
    draw = Random(len(by_task))  # noqa: S311 - the same samples each time are wanted
    chosen = []
    for _ in range(SAMPLES):
        sample = draw.choices(range(len(by_task)), k=len(by_task)) if by_task else []
        best, most = NEVER, FEWEST_HITS - 1
        for threshold, of_tasks in zip(thresholds, tried, strict=True):
            hits = sum(of_tasks[task].hits for task in sample)
            if hits > most and hits * (1 + max_waste) >= sum(of_tasks[task].issued for task in sample):
                best, most = threshold, hits
        chosen.append(best)
    return sorted(chosen)[int(CAUTION * SAMPLES)]


def _by_task(recordings: Sequence[Recording]) -> list[list[Recording]]:
    """Runs of one task are drawn together: they succeed and fail alike."""
    found: dict[str, list[Recording]] = {}
    for recording in recordings:
        found.setdefault(recording.lesson.task, []).append(recording)
    return [found[task] for task in sorted(found)]


def _candidates(recordings: Sequence[Recording]) -> list[float]:
    """Falling thresholds just below the probabilities of guesses that came true: between them only waste changes."""
    came = sorted(
        {guess.prediction.probability for each in recordings for turn in each.turns for guess in turn if guess.came},
        reverse=True,
    )
    step = max(1.0, len(came) / MOST_TRIED)
    return [came[int((place + 1) * step) - 1] * _JUST_BELOW for place in range(int(len(came) / step))]
