"""The ways of foreseeing that are compared. All of them go through the same engine, budget and servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from paste_mcp.core.model import Event, Prediction, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.forecaster import Forecaster, Tools
from paste_mcp.core.prediction.learnt.forecast import Foresight
from paste_mcp.core.prediction.learnt.gate import Gate
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.core.prediction.together import Together
from paste_mcp.lab.baselines.bigram import Bigram
from paste_mcp.lab.baselines.learner import Baseline
from paste_mcp.lab.baselines.specfaas import SpecFaas
from paste_mcp.lab.evaluate.lessons import Lesson, Reads, ToolKey, meet, tool_of
from paste_mcp.lab.evaluate.methods import Learnt
from paste_mcp.lab.evaluate.recording import answerable
from paste_mcp.store.pattern_files import default_patterns

NEVER_ASKED: Final = "never asked"
"""An argument that no call has."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What a policy may know before a part of a set is played. `gate` is ours, fitted without that part's tasks."""

    lessons: Sequence[Lesson]
    gate: Gate | None = None
    online: bool = False
    """What one session shows is known in the next."""


class Way(Protocol):
    """A trained way of foreseeing."""

    def session(self, lesson: Lesson) -> Forecaster:
        """The forecaster of one more session, which is `lesson`: only those that cheat look at it."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """One row of the comparison."""

    name: str
    train: Callable[[Knowledge], Way]
    opens_early: bool = True
    """Servers are started and connected to when the session begins, as this proxy does it, not at their first call."""
    indexed: bool = False
    chains: bool = False
    """What would follow a guess is guessed, too, as this proxy does it."""
    luck: str = ""
    """What times are drawn with besides the seed: "" draws those of all the others."""


class Silent:
    """Foresees nothing."""

    def session(self, lesson: Lesson) -> Forecaster:
        return self

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        return []

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        pass

    def guessed(self, prediction: Prediction) -> None:
        pass

    def hit(self, prediction: Prediction) -> None:
        pass


class Foretelling(Silent):
    """Knows one session: after each turn the read-only calls that a guess could still answer, the next one first.

    Calls that will fail are left out, since their answers would not be served. `wrongly`: each is said with an argument
    that it does not have, so that the surest guesses never come true.
    """

    def __init__(self, lesson: Lesson | None = None, *, wrongly: bool = False) -> None:
        self._lesson = lesson
        self._wrongly = wrongly

    def session(self, lesson: Lesson) -> Forecaster:
        return Foretelling(lesson, wrongly=self._wrongly)

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        lesson, made = self._lesson, history[-1].index
        if lesson is None or made >= len(lesson.events):
            return []
        coming = {
            lesson.keys[position]: lesson.events[position].call
            for position in answerable(lesson, lesson.events[made].turn)
            if lesson.events[position].status == "ok"
        }
        calls = map(_altered, coming.values()) if self._wrongly else coming.values()
        return [Prediction(call, 1.0, "foretold") for call in calls]


def _altered(call: ToolCall) -> ToolCall:
    return ToolCall(call.server, call.tool, {**call.arguments, NEVER_ASKED: True})


class _Baseline:
    def __init__(self, baseline: Baseline, knowledge: Knowledge) -> None:
        self._baseline = baseline
        self._forecaster = baseline.train(knowledge.lessons)

    def session(self, lesson: Lesson) -> Forecaster:
        return self._baseline.session(self._forecaster)


class _Shared:
    """One forecaster for all sessions, as one proxy has it."""

    def __init__(self, forecaster: Forecaster) -> None:
        self._forecaster = forecaster

    def session(self, lesson: Lesson) -> Forecaster:
        return self._forecaster


def ours(knowledge: Knowledge) -> Forecaster:
    """Learnt and written patterns together, as when serving."""
    foresight = Learnt(online=knowledge.online).train(knowledge.lessons)
    assert isinstance(foresight, Foresight)
    return together(Foresight(foresight.counts, knowledge.gate, online=knowledge.online))


def together(foresight: Foresight) -> Forecaster:
    """What was learnt, and the shipped patterns."""
    pool = Pool(default_patterns())
    return Together(Predictor(pool), foresight, pool.disabled)


POLICIES: Final[Mapping[str, Policy]] = {
    policy.name: policy
    for policy in (
        Policy("none", lambda _: Silent(), opens_early=False),
        Policy("orion", lambda _: Silent()),
        Policy("specfaas", lambda known: _Baseline(Baseline("specfaas", SpecFaas, online=known.online), known)),
        Policy("bigram", lambda known: _Baseline(Baseline("bigram", Bigram, online=known.online), known)),
        Policy("paste", lambda _: _Shared(Predictor(Pool(default_patterns()))), indexed=True),
        Policy("ours", lambda known: _Shared(ours(known)), indexed=True, chains=True),
        Policy("oracle", lambda _: Foretelling(), chains=True),
        Policy("all-wrong", lambda _: Foretelling(wrongly=True), opens_early=False),
        Policy("none-again", lambda _: Silent(), opens_early=False, luck="again"),
    )
}
"""By name, in the order of the report."""
MEANINGS: Final[Mapping[str, str]] = {
    "none": "no speculation; servers are started at their first call",
    "orion": "servers are started and connected to beforehand; no results",
    "specfaas": "the next tool by a Markov chain, its arguments from a memo table",
    "bigram": "previous tool -> next tool, arguments copied from one place",
    "paste": "the shipped patterns alone",
    "ours": "shipped and learnt patterns together, probabilities calibrated",
    "oracle": "knows the next calls; the same rules and budget",
    "all-wrong": "as sure as the oracle, and always wrong; nothing started beforehand",
    "none-again": "none with other luck: what chance alone does",
}
OURS: Final = "ours"


class ReadsOnly:
    """One session's forecaster as it may speak: of tools met so far, and only of those that were never seen to write.

    Where values came from is a question of safety, which is not asked here.
    """

    def __init__(self, inner: Forecaster, lesson: Lesson, known: Reads) -> None:
        self._inner = inner
        self._lesson = lesson
        self._known = dict(known)
        self._tools: dict[ToolKey, Tool] = {key: tool_of(key, reads) for key, reads in known.items()}
        self._met = -1

    def predict(self, history: Sequence[Event], tools: Tools, index: ValueIndex) -> list[Prediction]:
        said = self._inner.predict(history, self._tools, index)
        return [
            replace(each, ingredients=(), composed=False, flows=frozenset())
            for each in said
            if self._known.get((each.call.server, each.call.tool), False)
        ]

    def observe(self, event: Event, history: Sequence[Event], tools: Tools, index: ValueIndex) -> None:
        # By its place in the session: live, calls of one turn may be taken for several.
        turn = self._lesson.events[event.index].turn
        if turn != self._met:
            self._met = turn
            self._meet(self._lesson.turns[turn])
        self._inner.observe(event, history, self._tools, index)

    def guessed(self, prediction: Prediction) -> None:
        self._inner.guessed(prediction)

    def hit(self, prediction: Prediction) -> None:
        self._inner.hit(prediction)

    def _meet(self, calls: range) -> None:
        meet(self._known, self._lesson, calls)
        for position in calls:
            call = self._lesson.events[position].call
            self._tools[call.server, call.tool] = tool_of((call.server, call.tool), self._known[call.server, call.tool])
