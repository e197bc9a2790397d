"""Drives the real engine through a recorded session, turn by turn.

A turn's calls are demanded, then all return, then the engine thinks and its guesses are answered at once. Time counts
turns, slots and speed are no matter here: what is measured is whether the right calls are foreseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import thread_time_ns
from typing import Final

from paste_mcp.core.commands import Demand, Miss, Outcome
from paste_mcp.core.engine import Engine
from paste_mcp.core.model import Event, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Forecaster
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.settings import Limits, ServerPolicy
from paste_mcp.lab.evaluate.lessons import Lesson, ToolKey, meet, tool_of

TURNS_GOOD: Final = 5
"""Turns after which an unused guess is dropped."""
NEVER: Final = 1.0
"""A threshold that nothing exceeds: abstain."""
_PLENTY: Final = 1_000_000


class Gate(Budget):
    """Worth issuing is what is surer than `threshold`, at most `top` guesses a turn; nothing else is scarce."""

    def __init__(self, threshold: float, top: int) -> None:
        super().__init__(
            Limits(total=_PLENTY, per_session=_PLENTY, per_server=_PLENTY, per_trigger=top, ttl_s=TURNS_GOOD)
        )
        self._threshold = threshold

    def utility(self, probability: float, service_s: float, hidden_s: float) -> float:
        return probability - self._threshold

    def holds_back(self, server: str, pattern: str) -> str | None:
        return None

    def width(self) -> int:
        return self.limits.per_trigger


@dataclass(frozen=True, slots=True)
class Rules:
    """What the engine is told about tools, and what it may do with them."""

    policy: ServerPolicy
    by_call: bool
    """Each call's own `read_only` decides whether it leaves guesses valid, and every tool passes as a read: whoever
    guesses holds back what is known to write. Else the engine judges by the tool's hint alone, as when serving.
    """


PREDICTION: Final = Rules(
    ServerPolicy(mode="annotated", closed_world=True, allow=("*",), hosts=("*",), history=True), by_call=True
)
"""Only `read_only` is enforced."""
DEFAULT_POLICY: Final = Rules(ServerPolicy(mode="annotated", closed_world=True), by_call=False)
"""The default safety policy for a user who trusts the hints. Traces say nothing of open worlds, so the word that such
servers need from the user (`closed_world`) is taken as given: without it nothing would be sent at all.
"""


@dataclass(slots=True)
class Played:
    """What came of one session."""

    hits: list[int] = field(default_factory=list)
    """Positions of the calls that a guess answered."""
    issued: list[tuple[int, ToolCall]] = field(default_factory=list)
    """Each guess, with the position of the last call whose result was known."""
    observe_ns: list[int] = field(default_factory=list)


def play(
    lesson: Lesson,
    forecaster: Forecaster,
    budget: Budget,
    tools: Mapping[ToolKey, bool],
    rules: Rules,
    *,
    indexed: bool,
) -> Played:
    """One session through an engine of its own. `tools` are those known beforehand, with whether they only read.

    Not `indexed` where the forecaster looks no values up: that is most of the work.
    """
    stage = _Stage(lesson, forecaster, budget, tools, rules)
    engine = stage.engine
    if not indexed:
        engine.values = _NoIndex()
    played = Played()
    for turn, calls in enumerate(lesson.turns):
        now = float(turn)
        stage.meet(calls, now)
        demands = [_demand(engine, lesson, position, rules, now) for position in calls]
        played.hits += [at for at, demand in zip(calls, demands, strict=True) if not isinstance(demand.answer, Miss)]
        for position, demand in zip(calls, demands, strict=True):
            engine.returned(demand, lesson.events[position].status, now)
        for position, demand in zip(calls, demands, strict=True):
            event = lesson.events[position]
            began = thread_time_ns()
            engine.observe(demand, event.status, event.payload, now)
            played.observe_ns.append(thread_time_ns() - began)
        engine.think(now)
        for launch in engine.launch(now):
            played.issued.append((calls[-1], launch.call))
            engine.ended(launch.id, Outcome(None, "ok"), now)
    return played


class _Stage:
    """An engine, and what it has been told of tools."""

    def __init__(
        self, lesson: Lesson, forecaster: Forecaster, budget: Budget, tools: Mapping[ToolKey, bool], rules: Rules
    ) -> None:
        self._lesson = lesson
        self._rules = rules
        self._known = dict(tools)
        servers = {server for server, _ in tools} | {event.call.server for event in lesson.events}
        self.engine = Engine(forecaster, budget, dict.fromkeys(servers, rules.policy))
        if rules.by_call:
            # Told once, with those still to come: who guesses is told by the recorder, as they are met.
            meet(self._known, lesson, range(len(lesson.events)))
            for server in servers:
                self._tell(server, dict.fromkeys(self._known, True), now=0.0)
        else:
            for server in servers:
                self._tell(server, self._known, now=0.0)

    def meet(self, calls: range, now: float) -> None:
        """The engine hears of new tools, and of those that turn out to write, when they are called."""
        if self._rules.by_call:
            return
        before = dict(self._known)
        meet(self._known, self._lesson, calls)
        for server in {key[0] for key, reads in self._known.items() if before.get(key) != reads}:
            self._tell(server, self._known, now)

    def _tell(self, server: str, known: Mapping[ToolKey, bool], now: float) -> None:
        self.engine.set_tools(server, [tool_of(key, reads) for key, reads in known.items() if key[0] == server], now)


class _NoIndex(ValueIndex):
    """For those who do not look values up."""

    def add(self, event: Event) -> None:
        pass


def _demand(engine: Engine, lesson: Lesson, position: int, rules: Rules, now: float) -> Demand:
    plain = lesson.reads[position] or not rules.by_call
    demand, _ = engine.demanded(lesson.events[position].call, now, plain=plain)
    return demand
