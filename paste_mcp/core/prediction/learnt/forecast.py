"""Foresight from learnt counts: whole calls, put together or recalled, each with a calibrated probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from weakref import WeakKeyDictionary

from paste_mcp.core.keys import parse_strict
from paste_mcp.core.model import Event, Ingredient, Prediction, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.patterns.supposed import SupposedIndex
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.core.prediction.learnt.calls import calls_of
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.following import next_tools
from paste_mcp.core.prediction.learnt.gate import Gate
from paste_mcp.core.prediction.learnt.guess import Guess, recalled_features, with_recall
from paste_mcp.core.prediction.learnt.lessons import learn
from paste_mcp.core.prediction.learnt.memory import Memory
from paste_mcp.core.prediction.learnt.names import learnt_id, tool_id, tool_of
from paste_mcp.core.prediction.learnt.seen import Seen, seen
from paste_mcp.core.prediction.learnt.sights import key_of
from paste_mcp.core.prediction.learnt.slots import Learnt
from paste_mcp.core.prediction.learnt.zero_shot import Readers

MAX_PREDICTIONS: Final = 16
MAX_RECALLED: Final = 12
RECALL_TRUST: Final = 0.2
"""How often a call that followed before follows again, as long as nothing was learnt of it."""
LEAST: Final = 0.04
"""The smallest share of the time that a tool must come next for its calls to be put together."""


class _Readable:
    """The tools that do not say that they write, by their names in the counts."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def __contains__(self, id: object) -> bool:
        key = tool_of(str(id))
        tool = self._tools.get(key)
        return tool is not None and tool.hints.read_only is not False and tool_id(*key, tool) == id

    def __getitem__(self, id: str) -> Tool:
        return self._tools[tool_of(id)]


class _Session:
    """A session's memory, and the calls of its last turn, which are learnt from when the turn is whole."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.turn: list[Seen] = []


class Foresight:
    """Foresees from counts. With `online`, what any session shows is counted for all of them at once."""

    def __init__(self, counts: Counts | None = None, gate: Gate | None = None, *, online: bool = False) -> None:
        self.counts = counts if counts is not None else Counts()
        self.gate = gate if gate is not None else Gate()
        self._online = online
        self._readers = Readers({})
        self._sessions: WeakKeyDictionary[ValueIndex, _Session] = WeakKeyDictionary()

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        """Take `event` in; it is learnt from once its turn is whole."""
        session = self._session(index)
        if session.turn and session.turn[0].event.turn != event.turn:
            self._settle(session)
        session.turn.append(seen(event, tools.get((event.call.server, event.call.tool))))

    def shown(self, index: ValueIndex) -> Counts:
        """What one session has taught so far: what `online` would have counted of it."""
        session = self._session(index)
        self._settle(session)
        return session.memory.own

    def guessed(self, prediction: Prediction) -> None:
        """Blame is counted where the calls that come are learnt from."""

    def hit(self, prediction: Prediction) -> None:
        """So is credit."""

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        """The calls that may come next, best first."""
        memory = self._memory(history, tools, index)
        if self._readers.tools is not tools or self._readers.size != len(tools):
            self._readers = Readers(tools)
        guesses = self._guesses(memory, _Readable(tools))
        weighed = [(self.gate.probability(guess.probability, guess.features), guess) for guess in guesses]
        weighed.sort(key=lambda one: -one[0])
        return [_prediction(memory, p, guess) for p, guess in weighed[:MAX_PREDICTIONS]]

    def _guesses(self, memory: Memory, known: _Readable) -> list[Guess]:
        if memory.latest is None:
            return []
        learnt = Learnt(self.counts, memory)
        found: dict[tuple[str, bytes], Guess] = {}
        for name, p_tool in next_tools(learnt, known, self._readers):
            if p_tool < LEAST:
                break
            for guess in calls_of(learnt, name, known[name], p_tool):
                key = (name, guess.key)
                if key not in found or found[key].probability < guess.probability:
                    found[key] = guess
        self._recall(memory, known, found)
        return list(found.values())

    def _recall(self, memory: Memory, known: _Readable, found: dict[tuple[str, bytes], Guess]) -> None:
        """Add the calls that followed the recent ones in other sessions."""
        for recalled in memory.trail.recall(self.counts)[:MAX_RECALLED]:
            if recalled.tool not in known:
                continue
            written = recalled.arguments.encode()
            key = (recalled.tool, written)
            if (held := found.get(key)) is not None:
                found[key] = held._replace(features=with_recall(held.features, recalled.probability))
                continue
            made = memory.has_made(*key)
            features = recalled_features(memory, recalled.tool, made, recalled.probability, recalled.seen)
            arguments = parse_strict(recalled.arguments)
            p = RECALL_TRUST * recalled.probability
            found[key] = Guess(known[recalled.tool], arguments, p, features, written)

    def _settle(self, session: _Session) -> None:
        """The session's last turn is whole: learn from it, then remember it."""
        if not session.turn:
            return
        lesson = Counts()
        learn(session.turn, session.memory, lesson)
        session.memory.trail.learn(session.turn, lesson)
        session.memory.own.merge(lesson)
        if self._online:
            self.counts.merge(lesson)
        session.memory.add(session.turn)
        session.turn = []

    def _memory(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> Memory:
        """What the session remembers by now; where one more event is supposed, as if it had come."""
        supposed = index if isinstance(index, SupposedIndex) else None
        session = self._session(index if supposed is None else supposed.base)
        self._settle(session)
        if supposed is None:
            return session.memory
        call = supposed.event.call
        return session.memory.supposing(seen(supposed.event, tools.get((call.server, call.tool))))

    def _session(self, index: ValueIndex) -> _Session:
        session = self._sessions.get(index)
        if session is None:
            session = self._sessions[index] = _Session()
        return session


def _prediction(memory: Memory, probability: float, guess: Guess) -> Prediction:
    latest = memory.latest[0] if memory.latest else ""
    return Prediction(
        call=ToolCall(guess.tool.server, guess.tool.name, guess.arguments),
        probability=probability,
        pattern=learnt_id(latest, tool_id(guess.tool.server, guess.tool.name, guess.tool)),
        ingredients=_ingredients(guess, memory),
        composed=guess.composed,
        features=(guess.probability, *guess.features),
    )


def _ingredients(guess: Guess, memory: Memory) -> tuple[Ingredient, ...]:
    """Where the values came from. Learnt numbers and booleans count as the pattern's own words; a text does where the
    tool's schema lists it or the tool was sent it in this session.
    """
    found: dict[Ingredient, None] = {}
    for candidate in guess.row:
        if candidate.event < 0:
            if candidate.kind in {"same", "step"}:
                found[Ingredient("argument", guess.tool.server)] = None
            elif isinstance(candidate.value, str) and not _is_known(candidate.value, guess, memory):
                found[Ingredient("learnt")] = None
            else:
                found[Ingredient("const")] = None
        for column in candidate.columns:
            server, _ = tool_of(column.tool)
            sent = column.place.startswith("@")
            found[Ingredient("argument" if sent else "result", server, candidate.event)] = None
    return tuple(found) if guess.row else (Ingredient("const"),)


def _is_known(text: str, guess: Guess, memory: Memory) -> bool:
    """The tool's schema lists this text, or the tool was given it in this session."""
    properties = guess.tool.input_schema.get("properties")
    for schema in properties.values() if isinstance(properties, Mapping) else ():
        listed = schema.get("enum") if isinstance(schema, Mapping) else None
        if isinstance(schema, Mapping) and (text in (schema.get("const"), schema.get("default"))):
            return True
        if isinstance(listed, list) and text in listed:
            return True
    tool = tool_id(guess.tool.server, guess.tool.name, guess.tool)
    return any(slot[0] == tool and key_of(text) in values for slot, values in memory.used.items())
