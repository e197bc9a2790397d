"""Learning from sessions of the past, each call of each session once, by what learns from those that pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from paste_mcp.core.model import Event, Hints, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.speculation.screens import suspicion
from paste_mcp.store.admission import Delta
from paste_mcp.store.history.past import Past
from paste_mcp.store.learner import Learner
from paste_mcp.store.learnt import LearntStore
from paste_mcp.store.traces import TracedCall

AT_ONCE: Final = 2_000
"""Calls after which what was learnt is written down: an interrupted run has lost no more."""
_OURS: Final = ("paste", "paste-mcp", "paste_mcp")
"""What this proxy is called in its users' configurations."""


class Miner:
    """Learns from sessions, into `store` where there is one."""

    def __init__(self, store: LearntStore | None, today: int, *, history: bool) -> None:
        self._store = store
        self._today = today
        self._learnt_from = store.learnt_from() if store is not None else {}
        self._learner = Learner(history=history)
        self._of_skeletons = Learner()
        self._deltas: defaultdict[int, Delta] = defaultdict(Delta)
        self._sessions: defaultdict[int, dict[str, int]] = defaultdict(dict)
        self._waiting = 0

    def learn(self, past: Past) -> int:
        """Learn from a session. Returns how many of its calls are news. May raise StoreError."""
        calls = calls_to_learn(past)
        known = self._learnt_from.get(past.key, 0)
        learner = self._learner if past.values else self._of_skeletons
        index, tools = ValueIndex(), _tools(past, calls)
        old, new = calls[:known], calls[known:]
        history: list[Event] = []
        self._show(learner, old, tools, history, index, past)
        delta = self._show(learner, new, tools, history, index, past)
        if new:
            day = min(past.day if past.day is not None else self._today, self._today)
            self._deltas[day].free.merge(delta.free)
            self._deltas[day].literals.merge(delta.literals)
            self._learnt_from[past.key] = self._sessions[day][past.key] = len(calls)
            self._waiting += len(new)
            if self._waiting >= AT_ONCE:
                self.write()
        return len(new)

    @property
    def counts(self) -> Counts:
        """All that was learnt, new or not."""
        both = Counts()
        both.merge(self._learner.counts)
        both.merge(_without_shapes(self._of_skeletons.counts))
        return both

    def write(self) -> None:
        """Write down what was learnt since the last time. May raise StoreError."""
        if self._store is not None:
            for day, sessions in self._sessions.items():
                self._store.add(self._deltas[day], day, sessions)
        self._deltas.clear()
        self._sessions.clear()
        self._waiting = 0

    def _show(
        self,
        learner: Learner,
        calls: Sequence[TracedCall],
        tools: Tools,
        history: list[Event],
        index: ValueIndex,
        past: Past,
    ) -> Delta:
        """Let the calls pass. Returns what they taught."""
        for turn, group in groupby(calls, key=lambda call: call.turn):
            for call in group:
                made = ToolCall(call.server, call.tool, call.arguments)
                event = Event(len(history), turn, made, call.status, call.result, call.ended or 0.0)
                learner.observe(event, history, tools, index)
                history.append(event)
                index.add(event)
        learner.ended(index)
        delta = learner.take()
        return delta if past.values else Delta(free=_without_shapes(delta.free))


def calls_to_learn(past: Past) -> list[TracedCall]:
    """The calls that a proxy could see. Of a host's log not the host's own, and none that passed through this proxy,
    which learnt from them then.
    """
    return [
        call
        for call in past.session.calls
        if not past.of_host or (call.server and not (call.server in _OURS and "__" in call.tool))
    ]


def _tools(past: Past, calls: Sequence[TracedCall]) -> dict[tuple[str, str], Tool]:
    """The tools as far as the log tells. Where it does not say what only reads, names have to do: nothing is sent by
    that, it is only learnt what follows.
    """
    tools: dict[tuple[str, str], Tool] = {}
    for call in calls:
        key = (call.server, call.tool)
        tool = Tool(*key, definition=past.definitions.get(key, ""))
        reads = suspicion(tool) is None if call.read_only is None else call.read_only
        tools[key] = Tool(*key, hints=Hints(read_only=True if reads else None), definition=tool.definition)
    return tools


def _without_shapes(counts: Counts) -> Counts:
    """Values that stand in for others say nothing of what those looked like."""
    kept = Counts()
    for group, item, amount in counts:
        if group[0] != "shape":
            kept.add(group, item, amount)
    return kept
