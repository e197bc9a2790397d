"""What the engine asks of a predictor, whichever way it foresees: written patterns, learnt counts, or a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from paste_mcp.core.model import Event, Prediction, Tool
from paste_mcp.core.patterns.extract import ValueIndex

Tools: TypeAlias = Mapping[tuple[str, str], Tool]
"""All known tools by (server alias, tool name)."""


class Forecaster(Protocol):
    """Foresees calls in any number of sessions; it holds what was learnt, and no session's state."""

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        """The calls that may come next, best first, equal calls once. `index` has been fed the events of `history`."""
        ...

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        """Learn from `event`; `history` and `index` do not hold it yet."""
        ...

    def guessed(self, prediction: Prediction) -> None:
        """A guess was made, sent or not: blame it once."""
        ...

    def hit(self, prediction: Prediction) -> None:
        """A guess turned out to be the call that came: credit it."""
        ...
