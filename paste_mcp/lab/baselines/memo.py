"""Repeats of the session's earlier calls, by how often and how lately they were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Event, Prediction, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.lab.baselines.learner import Learner, add, begins_turn, ranked
from paste_mcp.lab.evaluate.lessons import key_of

Kind: TypeAlias = tuple[int, int]
"""(times made, turns ago), in classes."""


class Memo(Learner):
    """Each earlier call, with the rate at which such calls come again in the very next turn."""

    def __init__(self) -> None:
        self._could: dict[Kind, int] = {}
        self._came: dict[Kind, int] = {}

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        came = key_of(event.call)
        first = begins_turn(event, history)
        for key, _, kind in _earlier(history, event.turn, tools):
            if first:
                add(self._could, kind)
            if key == came:
                add(self._came, kind)

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        return ranked(
            [
                Prediction(call, (self._came.get(kind, 0) + 0.1) / (self._could.get(kind, 0) + 10), "memo")
                for _, call, kind in _earlier(history, history[-1].turn + 1, tools)
            ]
        )


def _earlier(history: Sequence[Event], turn: int, tools: Tools) -> Iterator[tuple[CallKey, ToolCall, Kind]]:
    """The distinct read-only calls before `turn`, the latest first."""
    seen: dict[CallKey, list[Event]] = {}
    for event in reversed(history):
        known = tools.get((event.call.server, event.call.tool))
        if event.turn >= turn or known is None or known.hints.read_only is False:
            continue
        if (key := key_of(event.call)) is not None:
            seen.setdefault(key, []).append(event)
    for key, events in seen.items():
        age = turn - events[0].turn
        yield key, events[0].call, (min(len(events), 3), 1 if age == 1 else 2 if age <= 3 else 3 if age <= 8 else 4)
