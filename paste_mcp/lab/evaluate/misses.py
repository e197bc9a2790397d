"""What the calls that were not foreseen would have needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from paste_mcp.core.model import Json
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.lab.evaluate.ceilings import Seen, leaves
from paste_mcp.lab.evaluate.judging import Judged
from paste_mcp.lab.evaluate.lessons import Lesson
from paste_mcp.lab.evaluate.play import TURNS_GOOD
from paste_mcp.lab.evaluate.recording import Guess, Recording

HIT: Final = "hit"
NOT_READ_ONLY: Final = "not read-only"
DROPPED: Final = "foreseen, dropped by a write or used before"
GATED: Final = "foreseen, but not sure enough"
OUTRANKED: Final = "foreseen, but outranked"
NO_TOOL: Final = "values all extracted, tool not proposed"
NOT_COMPOSED: Final = "values all extracted, call not composed"
IN_TEXT: Final = "value only inside text, not extracted"
ABSENT_SHORT: Final = "value absent, short"
ABSENT_LONG: Final = "value absent, free text"

ROWS: Final = (
    HIT,
    NOT_READ_ONLY,
    DROPPED,
    GATED,
    OUTRANKED,
    NO_TOOL,
    NOT_COMPOSED,
    IN_TEXT,
    ABSENT_SHORT,
    ABSENT_LONG,
)

SHORT: Final = 40
"""Characters of a value that is no free text."""
FEW_WORDS: Final = 3


def misses(judged: Iterable[Judged], top: int) -> Counter[str]:
    """How many calls after the first turn fall into each of `ROWS`."""
    counts: Counter[str] = Counter()
    for part in judged:
        for recording, played in zip(part.recordings, part.played, strict=True):
            hits = set(played.hits)
            lesson = recording.lesson
            for turn, position, shown in _demands(lesson):
                if position in hits:
                    counts[HIT] += 1
                elif not lesson.reads[position]:
                    counts[NOT_READ_ONLY] += 1
                else:
                    counts[_why(recording, turn, position, shown, part.threshold, top)] += 1
    return counts


class _Shown:
    """What the session has shown before a turn, as the predictor's index holds it and as plain text."""

    def __init__(self) -> None:
        self.index = ValueIndex()
        self.seen = Seen()

    def extracted(self, value: Json) -> bool:
        if value is None or value == "" or isinstance(value, bool) or self.index.places(value):
            return True
        folder, slash, name = value.rstrip("/").rpartition("/") if isinstance(value, str) else ("", "", "")
        return bool(
            slash and self.index.places(name) and (self.index.places(folder) or self.index.places(f"{folder}/"))
        )

    def told(self, value: Json) -> bool:
        return self.extracted(value) or self.seen.holds(value) or self.seen.holds_parts(value)


def _demands(lesson: Lesson) -> Iterator[tuple[int, int, _Shown]]:
    """(turn, call, what had been shown) of the calls after the first turn."""
    shown = _Shown()
    for turn, calls in enumerate(lesson.turns):
        for position in calls if turn else ():
            yield turn, position, shown
        for position in calls:
            shown.index.add(lesson.events[position])
            shown.seen.add(lesson.events[position])


def _why(recording: Recording, turn: int, position: int, shown: _Shown, threshold: float, top: int) -> str:
    lesson = recording.lesson
    foreseen = list(_foreseen(recording, turn, position))
    if any(rank < top and guess.prediction.probability > threshold for rank, guess in foreseen):
        return DROPPED
    if foreseen:
        return GATED if any(rank < top for rank, _ in foreseen) else OUTRANKED
    call = lesson.events[position].call
    values = list(leaves(call.arguments))
    if all(shown.extracted(value) for value in values):
        proposed = _guesses(recording, turn - 1)
        tools = {(guess.prediction.call.server, guess.prediction.call.tool) for guess in proposed}
        return NOT_COMPOSED if (call.server, call.tool) in tools else NO_TOOL
    absent = [value for value in values if not shown.told(value)]
    if not absent:
        return IN_TEXT
    return ABSENT_SHORT if all(_is_short(value) for value in absent) else ABSENT_LONG


def _foreseen(recording: Recording, turn: int, position: int) -> Iterator[tuple[int, Guess]]:
    """The guesses of this call that would still be good, with their ranks."""
    lesson = recording.lesson
    for earlier in range(turn - 1, max(-1, turn - 1 - TURNS_GOOD), -1):
        for rank, guess in enumerate(_guesses(recording, earlier)):
            if guess.key is not None and guess.key == lesson.keys[position]:
                yield rank, guess
        if not all(lesson.reads[call] for call in lesson.turns[earlier]):
            return


def _guesses(recording: Recording, turn: int) -> Sequence[Guess]:
    return recording.turns[turn] if turn < len(recording.turns) else ()


def _is_short(value: Json) -> bool:
    return not isinstance(value, str) or (len(value) <= SHORT and len(value.split()) <= FEW_WORDS)
