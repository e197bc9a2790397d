"""What comes next: from a session's events and a pool of patterns to whole calls, each with its probability.

This module must not ask whether a call is safe, worth it, or already answered: policy, budget and engine do.
Deterministic: the same history, tools and evidence give the same predictions in the same order.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import nlargest
from typing import Final, TypeAlias

from paste_mcp.core.keys import CallKey, Unkeyable, call_key
from paste_mcp.core.model import Event, Prediction, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.patterns.globs import GlobError, compile_glob, fill
from paste_mcp.core.patterns.language import SAME, Pattern
from paste_mcp.core.patterns.mapping import evaluate
from paste_mcp.core.patterns.past import Past
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.patterns.sources import references
from paste_mcp.core.prediction.evidence import Evidence
from paste_mcp.core.prediction.fits import fitted
from paste_mcp.core.prediction.forecaster import Tools

MAX_LOOKBACK: Final = 64
"""Latest events in which a context is looked for."""
MAX_TURN: Final = 16
"""Calls of the last turn that may end a context, the latest first."""
MAX_TARGETS: Final = 8
"""Tools that one pattern's target may stand for."""
MAX_PREDICTIONS: Final = 16

Match: TypeAlias = tuple[tuple[Event, ...], dict[str, str]]


class Predictor:
    """Ranks the calls that may come next. Holds the pool and the evidence, and no session's state."""

    def __init__(self, pool: Pool, evidence: Evidence | None = None) -> None:
        self.pool = pool
        self.evidence = evidence if evidence is not None else Evidence()

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        """The calls that may come next, best first, at most `MAX_PREDICTIONS`; equal calls once.

        `history` is in the order of `Event.index`; `index` has been fed the same events. A call equal to an earlier
        one is predicted too: whether its answer would be redundant is the engine's question.
        """
        recent = history[-MAX_LOOKBACK:]
        made = {event.call.tool for event in recent}
        past = Past(history, index)
        best: dict[CallKey, Prediction] = {}
        least = -1.0
        for last in _last_turn(recent):
            for at_most, pattern in self._surest_first(recent[last]):
                # Most of a large pool cannot matter here: that is seen before anything is put together.
                if at_most <= least:
                    break
                if not _may_match(pattern, made):
                    continue
                match = match_context(pattern, recent, last)
                if match is None:
                    continue
                for prediction in self._of_pattern(pattern, match, tools, past):
                    _keep_better(best, prediction, tools)
                if len(best) >= MAX_PREDICTIONS:
                    least = nlargest(MAX_PREDICTIONS, (held.probability for held in best.values()))[-1]
                if past.budget.left <= 0:
                    break  # a hostile or huge result: what was found so far is what there is
        ranked = sorted(best.items(), key=lambda item: (-item[1].probability, not item[1].users_own, item[0]))
        return [prediction for _, prediction in ranked[:MAX_PREDICTIONS]]

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        """Written patterns do not change with what is seen."""

    def guessed(self, prediction: Prediction) -> None:
        """Blame the pattern, until the guess comes true."""
        self.evidence.guessed(prediction.pattern, prediction.probability)

    def hit(self, prediction: Prediction) -> None:
        """Credit the pattern."""
        self.evidence.hit(prediction.pattern)

    def _surest_first(self, event: Event) -> list[tuple[float, Pattern]]:
        """The patterns that `event` calls up, each with the probability of the likeliest call it could give."""
        corrected = self.evidence.probability
        found = [(corrected(each.name, each.probability * each.surest), each) for each in self.pool.candidates(event)]
        found.sort(key=lambda one: -one[0])
        return found

    def _of_pattern(self, pattern: Pattern, match: Match, tools: Tools, past: Past) -> list[Prediction]:
        """The calls that one pattern foresees after one matched context."""
        matched, captures = match
        by_tool: list[list[Prediction]] = []
        for tool in _targets(pattern, matched[-1], captures, tools):
            found = [
                Prediction(
                    call=ToolCall(tool.server, tool.name, arguments),
                    probability=self.evidence.probability(pattern.name, bound.probability),
                    pattern=pattern.name,
                    ingredients=bound.ingredients,
                    composed=bound.composed,
                    flows=_flows(pattern),
                    users_own=pattern.users_own,
                )
                for bound in evaluate(pattern, matched, captures, tool, past)
                if (arguments := fitted(bound.arguments, tool.input_schema)) is not None
            ]
            if found:
                by_tool.append(found)
        if len(by_tool) == 1:
            return by_tool[0]
        # One target comes next, not all: tools that a glob makes equally likely share its probability.
        return [
            replace(prediction, probability=prediction.probability / len(by_tool))
            for found in by_tool
            for prediction in found
        ]


def match_context(pattern: Pattern, recent: Sequence[Event], last: int) -> Match | None:
    """The events that `pattern`'s context matches when its last element is `recent[last]`, and what was captured.

    Each earlier element takes the nearest event before the one already taken that fits it (gaps allowed), so this is
    linear in the events. Captures of the same name must agree.
    """
    matched: list[Event] = []
    captures: dict[str, str] = {}
    position = last
    for element in reversed(pattern.context):
        while position >= 0:
            event = recent[position]
            position -= 1
            found = element.match(event)
            if found is not None and all(captures.get(name, held) == held for name, held in found.items()):
                captures |= found
                matched.append(event)
                break
            if not matched:
                return None  # the last element is this event or none
        else:
            return None
    return tuple(reversed(matched)), captures


def _may_match(pattern: Pattern, made: Container[str]) -> bool:
    """The tools that the earlier context names were called: quicker than looking for where."""
    return all(element.tool.text in made for element in pattern.context[:-1] if element.tool.literal)


def _last_turn(recent: Sequence[Event]) -> list[int]:
    """Positions of the events of the latest turn, the latest event first."""
    if not recent:
        return []
    turn = max(event.turn for event in recent)
    positions = [position for position, event in enumerate(recent) if event.turn == turn]
    return positions[::-1][:MAX_TURN]


def _targets(pattern: Pattern, last: Event, captures: Mapping[str, str], tools: Tools) -> Iterator[Tool]:
    """The known tools that the target stands for, in a fixed order, at most `MAX_TARGETS`."""
    server, name = pattern.target.server, fill(pattern.target.tool, captures)
    if name == SAME:
        name, literal_tool = last.call.tool, True
    else:
        literal_tool = not any(sign in name for sign in "*?")
    if literal_tool and (server is None or server.literal):
        tool = tools.get((server.text if server else last.call.server, name))
        if tool is not None:
            yield tool
        return
    try:
        glob = compile_glob(name)
    except GlobError:
        return  # captures have made the name too long for any tool
    found = 0
    for (alias, tool_name), tool in sorted(tools.items(), key=lambda item: item[0]):
        fits_server = alias == last.call.server if server is None else server.match(alias) is not None
        if fits_server and (tool_name == name if literal_tool else glob.match(tool_name) is not None):
            yield tool
            found += 1
            if found == MAX_TARGETS:
                return


def _flows(pattern: Pattern) -> frozenset[tuple[str, str]]:
    """The cross-server flows that the pattern names at both ends, literally."""
    target = pattern.target.server
    if target is None or not target.literal:
        return frozenset()
    named = [*pattern.context, *(element for _, source in pattern.arguments for element in references(source))]
    sources = {element.server.text for element in named if element.server.literal}
    return frozenset((source, target.text) for source in sources if source != target.text)


def _keep_better(best: dict[CallKey, Prediction], prediction: Prediction, tools: Tools) -> None:
    call = prediction.call
    try:
        key = call_key(call, tools[call.server, call.tool].definition)
    except Unkeyable:
        return
    held = best.get(key)
    if held is None or (prediction.users_own, prediction.probability) > (held.users_own, held.probability):
        best[key] = prediction
