"""How sure is sure enough: the threshold with the most hits on sessions not learnt from, within the allowed waste."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from paste_mcp.lab.evaluate.play import NEVER
from paste_mcp.lab.evaluate.recording import Recording
from paste_mcp.lab.evaluate.tally import Tally, tally

FEWEST_HITS: Final = 5
"""Hits below which a ratio of waste to hits says nothing."""
MOST_TRIED: Final = 200
_JUST_BELOW: Final = 1 - 1e-9


def choose(recordings: Sequence[Recording], top: int, max_waste: float) -> float:
    """The best threshold, or `NEVER` where none keeps within the waste with a handful of hits."""
    best, most = NEVER, FEWEST_HITS - 1
    for threshold in _candidates(recordings):
        tried = tally(recordings, threshold, top)
        if tried.hits > most and _surely(tried) >= 1 / (1 + max_waste):
            best, most = threshold, tried.hits
    return best


def _surely(tried: Tally) -> float:
    """The accuracy less half a standard error: what looks best on some sessions is a little worse on others."""
    accuracy = tried.hits / tried.issued
    return accuracy - math.sqrt(accuracy * (1 - accuracy) / tried.issued) / 2


def _candidates(recordings: Sequence[Recording]) -> list[float]:
    """Falling thresholds just below the probabilities of guesses that came true: between them only waste changes."""
    came = sorted(
        {guess.prediction.probability for each in recordings for turn in each.turns for guess in turn if guess.came},
        reverse=True,
    )
    step = max(1.0, len(came) / MOST_TRIED)
    return [came[int((place + 1) * step) - 1] * _JUST_BELOW for place in range(int(len(came) / step))]
