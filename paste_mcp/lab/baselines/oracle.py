"""Perfect knowledge of what comes: the best that any forecaster could do under the same rules."""

from __future__ import annotations

from paste_mcp.core.model import Prediction
from paste_mcp.lab.evaluate.lessons import Lesson, reads_of
from paste_mcp.lab.evaluate.recording import Recording, answerable, guesses_after


class Oracle:
    """Says after each turn which read-only calls a guess could still answer, the next one first.

    Guesses are few per turn, so the call that is due first is guessed first: no other order answers more of them.
    """

    name = "oracle"

    def foretell(self, lesson: Lesson) -> Recording:
        """The session, foreseen."""
        recording = Recording(lesson, reads=reads_of([lesson]))
        for turn in range(len(lesson.turns)):
            coming = {lesson.keys[position]: lesson.events[position].call for position in answerable(lesson, turn)}
            predictions = [Prediction(call, 1.0, self.name) for call in coming.values()]
            recording.turns.append(guesses_after(lesson, turn, predictions))
        return recording
