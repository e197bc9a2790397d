"""A session of the past, once more before what is known now: what would be foreseen after each of its turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from paste_mcp.core.keys import CallKey, Unkeyable, call_key
from paste_mcp.core.model import Event, Hints, Prediction, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.forecast import Foresight
from paste_mcp.core.prediction.learnt.names import parts_of
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.core.prediction.together import Together
from paste_mcp.core.speculation.screens import suspicion
from paste_mcp.core.speculation.settings import ServerPolicy
from paste_mcp.store.history.past import Past
from paste_mcp.store.traces import TracedCall

TRUSTED = ServerPolicy(mode="annotated", closed_world=True)
"""Of a server that nothing is known of: as if its hints were trusted."""

ToolKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known now. `policies` and `tools` are those of the user's configuration, where he names it."""

    pool: Pool = field(default_factory=Pool)
    counts: Counts = field(default_factory=Counts)
    policies: Mapping[str, ServerPolicy] = field(default_factory=dict)
    tools: Mapping[ToolKey, Tool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """The calls of one turn, and what was foreseen before them: after each earlier turn from which guesses would
    still be good, the latest first.
    """

    calls: tuple[Event, ...]
    foreseen: tuple[tuple[Prediction, ...], ...]


def replay(past: Past, knowledge: Knowledge, tools: Mapping[ToolKey, Tool], turns_good: int) -> Iterator[Turn]:
    """The turns, one after the other. What comes later has no part in what is foreseen."""
    forecaster = Together(Predictor(knowledge.pool), Foresight(knowledge.counts), knowledge.pool.disabled)
    index, history = ValueIndex(), list[Event]()
    foreseen: list[tuple[Prediction, ...]] = []
    for number, (_, group) in enumerate(groupby(past.session.calls, key=lambda call: call.turn)):
        calls = list(group)
        events = tuple(
            Event(
                len(history) + at,
                number,
                ToolCall(call.server, call.tool, call.arguments),
                call.status,
                call.result,
                0.0,
            )
            for at, call in enumerate(calls)
        )
        yield Turn(events, tuple(foreseen))
        for event in events:
            forecaster.observe(event, history, tools, index)
            history.append(event)
            index.add(event)
        if not all(map(_reads, calls)):
            foreseen.clear()  # what was guessed before a write is dropped
        foreseen.insert(0, tuple(forecaster.predict(history, tools, index)))
        del foreseen[turns_good:]


def key_of(call: ToolCall) -> CallKey | None:
    """What makes two calls the same; None where a call has no such key."""
    try:
        return call_key(call, "")
    except Unkeyable:
        return None


def tools_of(past: Past, knowledge: Knowledge, *, hints_told: bool) -> dict[ToolKey, Tool]:
    """The session's tools as their servers describe them, where the configuration leads to that, else as far as the
    log tells and the counts do. `hints_told`: a call that the log calls not read-only was called so by its server.
    """
    definitions = _definitions(knowledge.counts)
    found: dict[ToolKey, Tool] = dict(knowledge.tools)
    for call in past.session.calls:
        key = (call.server, call.tool)
        if key in knowledge.tools:
            continue
        read_only = call.read_only if hints_told or call.read_only else None
        definition = past.definitions.get(key) or definitions.get(key, "")
        found[key] = Tool(*key, hints=Hints(read_only=read_only), definition=definition)
    return found


def _definitions(counts: Counts) -> dict[ToolKey, str]:
    """Of each tool that was learnt about, the definition with the most evidence."""
    amounts: defaultdict[str, float] = defaultdict(float)
    for group, _, amount in counts:
        if len(group) == 2 and group[0] == "form":
            amounts[str(group[1])] += amount
    found: dict[ToolKey, str] = {}
    for name, _ in sorted(amounts.items(), key=lambda item: (item[1], item[0])):
        server, tool, definition = parts_of(name)
        found[server, tool] = definition
    return found


def _reads(call: TracedCall) -> bool:
    """Whether guesses outlive the call: where the log does not say, names have to do."""
    return suspicion(Tool(call.server, call.tool)) is None if call.read_only is None else call.read_only
