"""The rules of scoring, written down plainly: hundreds of times faster than the engine, for trying thresholds.

What is reported comes from the engine; that both count alike is tested.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from paste_mcp.core.keys import CallKey
from paste_mcp.lab.evaluate.play import TURNS_GOOD
from paste_mcp.lab.evaluate.recording import Recording


@dataclass(frozen=True, slots=True)
class Tally:
    """Guesses issued, and how many answered a call."""

    issued: int
    hits: int

    @property
    def wasted(self) -> int:
        return self.issued - self.hits


def tally(recordings: Iterable[Recording], threshold: float, top: int) -> Tally:
    """What issuing the `top` guesses a turn that are surer than `threshold` would have brought.

    A guess answers one equal call, in a later turn, within the turns that it is good for; any call that is not
    read-only drops all guesses. What is still held is not issued again.
    """
    issued = hits = 0
    for recording in recordings:
        lesson = recording.lesson
        good_until: dict[CallKey | None, int] = {}
        for turn, calls in enumerate(lesson.turns):
            for position in calls:
                if not lesson.reads[position]:
                    good_until.clear()
                elif turn <= good_until.pop(lesson.keys[position], -1):
                    hits += 1
            left = top
            for guess in recording.turns[turn] if turn < len(recording.turns) else ():
                if not left or guess.prediction.probability <= threshold:
                    break
                if guess.key is not None and turn > good_until.get(guess.key, -1):
                    good_until[guess.key] = turn + TURNS_GOOD
                    issued += 1
                    left -= 1
    return Tally(issued, hits)
