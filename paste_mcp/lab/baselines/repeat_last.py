"""The same call again, as likely as it was for this tool."""

from __future__ import annotations

from collections.abc import Sequence

from paste_mcp.core.model import Event, Prediction
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.lab.baselines.learner import Learner, add, begins_turn, last_turn, ranked
from paste_mcp.lab.evaluate.lessons import ToolKey, key_of

PRIOR = 4.0
"""How many calls of a tool weigh as much as all other tools together."""


class RepeatLast(Learner):
    """Foresees each call of the last turn once more."""

    def __init__(self) -> None:
        self._made: dict[ToolKey | None, int] = {}
        self._repeated: dict[ToolKey | None, int] = {}

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        before = last_turn(history, before=event.turn)
        for earlier in before if begins_turn(event, history) else ():
            for key in ((earlier.call.server, earlier.call.tool), None):
                add(self._made, key)
        if key_of(event.call) in {key_of(earlier.call) for earlier in before}:
            for key in ((event.call.server, event.call.tool), None):
                add(self._repeated, key)

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        usual = (self._repeated.get(None, 0) + 0.5) / (self._made.get(None, 0) + 10)
        found = {}
        for event in last_turn(history):
            key = (event.call.server, event.call.tool)
            rate = (self._repeated.get(key, 0) + PRIOR * usual) / (self._made.get(key, 0) + PRIOR)
            found[key_of(event.call)] = Prediction(event.call, min(1.0, rate), "repeat_last")
        return ranked(list(found.values()))
