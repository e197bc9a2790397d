"""After SpecFaaS (HPCA 2023): the branch predictor says which function comes next, a memo table with what input.

The memo table holds what followed exactly this call; where it never came before, what usually followed its tool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import nlargest
from typing import Final, TypeAlias

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Event, Prediction, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.lab.baselines.learner import Learner, add, last_turn, ranked
from paste_mcp.lab.evaluate.lessons import ToolKey, key_of

MAX_NEXT: Final = 5
"""Next tools that are looked at."""
MAX_INPUTS: Final = 3
"""Memoised arguments of each."""

Before: TypeAlias = CallKey | ToolKey


class SpecFaas(Learner):
    """First-order Markov over tools, with memoised arguments."""

    def __init__(self) -> None:
        self._next: dict[ToolKey, dict[ToolKey, int]] = {}
        self._memo: dict[tuple[Before, ToolKey], dict[CallKey, int]] = {}
        self._calls: dict[CallKey, ToolCall] = {}

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        key, before = key_of(event.call), last_turn(history, before=event.turn)
        if key is None or not before:
            return
        tool, (last, *_) = _tool(event), before[::-1]
        add(self._next.setdefault(_tool(last), {}), tool)
        self._calls[key] = event.call
        for context in (key_of(last.call), _tool(last)):
            if context is not None:
                add(self._memo.setdefault((context, tool), {}), key)

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        last = history[-1]
        following = self._next.get(_tool(last), {})
        total = sum(following.values())
        found = []
        for tool in nlargest(MAX_NEXT, following, key=following.__getitem__):
            inputs = self._inputs(last, tool)
            seen = sum(inputs.values())
            for key in nlargest(MAX_INPUTS, inputs, key=inputs.__getitem__):
                chance = following[tool] / (total + 1) * inputs[key] / (seen + 1)
                found.append(Prediction(self._calls[key], chance, "specfaas"))
        return ranked(found)

    def _inputs(self, last: Event, tool: ToolKey) -> Mapping[CallKey, int]:
        key = key_of(last.call)
        exact = self._memo.get((key, tool)) if key is not None else None
        return exact or self._memo.get((_tool(last), tool), {})


def _tool(event: Event) -> ToolKey:
    return event.call.server, event.call.tool
