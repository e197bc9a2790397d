"""The calls that were made most often, whatever happened before."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Event, Prediction, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.lab.baselines.learner import MAX_PREDICTIONS, Learner, add
from paste_mcp.lab.evaluate.lessons import key_of


class Unigram(Learner):
    """Whole calls by their share of all calls."""

    def __init__(self) -> None:
        self._calls: dict[CallKey, ToolCall] = {}
        self._counts: dict[CallKey, int] = {}
        self._all: dict[None, int] = {None: 0}

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        add(self._all, None)
        known = tools.get((event.call.server, event.call.tool))
        if known is None or known.hints.read_only is False or (key := key_of(event.call)) is None:
            return
        self._calls[key] = event.call
        add(self._counts, key)

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        best = nlargest(MAX_PREDICTIONS, self._counts, key=self._counts.__getitem__)
        return [Prediction(self._calls[key], self._counts[key] / (self._all[None] + 1), "unigram") for key in best]
