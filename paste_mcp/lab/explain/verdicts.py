"""What became of each call of a session: foreseen and by what, held back and by which rule, or what it lacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from paste_mcp.core.model import Event, Json, Prediction, Tool
from paste_mcp.core.prediction.learnt.lessons import constant_of
from paste_mcp.core.prediction.learnt.names import tool_id
from paste_mcp.core.speculation import policy
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.policy import Decision
from paste_mcp.core.speculation.settings import Limits
from paste_mcp.lab.explain.origins import Origins
from paste_mcp.lab.explain.replay import TRUSTED, Knowledge, ToolKey, Turn, key_of, replay, tools_of
from paste_mcp.store.history.past import Past

FEWEST: Final = 2
"""Sessions in which a value must have been given for it to count as usual."""
TURNS_GOOD: Final = 5
"""Turns for which a guess is taken to be good."""

Verdict: TypeAlias = Literal[
    "first",
    "foreseen",
    "outranked",
    "not worth it",
    "held back",
    "not read-only",
    "value nowhere",
    "value in text",
    "other values",
    "other tools",
]
WORDS: Final[dict[Verdict, str]] = {
    "first": "the session's first turn: there was nothing to foresee it from",
    "foreseen": "foreseen",
    "outranked": "foreseen, but likelier guesses came before it",
    "not worth it": "foreseen, but so unlikely that it is not worth a call",
    "held back": "foreseen, but held back",
    "not read-only": "not foreseen, and nobody would run it early: it is not read-only",
    "value nowhere": "not foreseen: a value of it had been seen nowhere",
    "value in text": "not foreseen: a value of it had only stood somewhere in a text",
    "other values": "not foreseen: this tool was, with other values",
    "other tools": "not foreseen: other tools usually come next",
}


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. `origin` says where its value came from; None where the session had not shown it."""

    name: str
    value: Json
    origin: str | None
    in_text: str | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """One call. `rank` counts from 1; `turns_before` from 1, for what was foreseen after the turn just before."""

    event: Event
    verdict: Verdict
    arguments: tuple[Argument, ...]
    decision: Decision
    hints_known: bool
    prediction: Prediction | None = None
    rank: int = 0
    turns_before: int = 0
    instead: tuple[Prediction, ...] = ()
    """What was foreseen of the same tool, or of others where this tool was not."""
    usual: str = ""
    """How often this tool came after what came before it."""


def explained(past: Past, knowledge: Knowledge, *, hints_told: bool = True) -> Iterator[Explained]:
    """Every call of the session, in its order."""
    tools = tools_of(past, knowledge, hints_told=hints_told)
    explainer = _Explainer(knowledge, tools)
    for turn in replay(past, knowledge, tools, TURNS_GOOD):
        for event in turn.calls:
            yield explainer.explain(event, turn)
        explainer.add(turn)


class _Explainer:
    """What there was to foresee calls from, up to a turn."""

    def __init__(self, knowledge: Knowledge, tools: Mapping[ToolKey, Tool]) -> None:
        self._knowledge = knowledge
        self._tools = tools
        self._origins = Origins()
        self._latest: Event | None = None

    def add(self, turn: Turn) -> None:
        for event in turn.calls:
            self._origins.add(event, self._id(event))
        self._latest = turn.calls[-1]

    def explain(self, event: Event, turn: Turn) -> Explained:
        tool = self._tools[event.call.server, event.call.tool]
        arguments = tuple(self._argument(event, name, value) for name, value in event.call.arguments.items())
        prediction, rank, turns_before = _found(event, turn)
        foreseen = turn.foreseen[0] if turn.foreseen else ()
        same_tool = tuple(
            guess for guess in foreseen if (guess.call.server, guess.call.tool) == (tool.server, tool.name)
        )
        server_policy = self._knowledge.policies.get(tool.server, TRUSTED)
        if prediction is None:
            decision = policy.decide_tool(server_policy, tool)
            verdict = _lack(tool, turn, arguments, bool(same_tool))
        else:
            decision = policy.decide(server_policy, tool, prediction)
            verdict = _worth(prediction, rank) if decision.eligible else "held back"
        return Explained(
            event=event,
            verdict=verdict,
            arguments=arguments,
            decision=decision,
            hints_known=tool.hints.read_only is not None,
            prediction=prediction,
            rank=rank,
            turns_before=turns_before,
            instead=(same_tool or foreseen)[: Limits().per_trigger] if prediction is None else (),
            usual=self._usual(event),
        )

    def _argument(self, event: Event, name: str, value: Json) -> Argument:
        tool = self._id(event)
        origin = self._origins.of(tool, name, value)
        if origin is None and (times := self._constant(tool, name, value)):
            origin = f"a constant, first given so in {times:.0f} sessions"
        return Argument(name, value, origin, self._origins.in_text(value) if origin is None else None)

    def _constant(self, tool: str, name: str, value: Json) -> float:
        text = constant_of(value)
        times = self._knowledge.counts.of(("const", tool, name)).get(text, 0.0) if text else 0.0
        return times if times >= FEWEST else 0.0

    def _usual(self, event: Event) -> str:
        """How often this tool came after what came before it, as far as it was learnt."""
        if self._latest is None:
            return ""
        items = self._knowledge.counts.of(("follow", self._id(self._latest), self._latest.status))
        seen, hit = items.get("", 0.0), items.get(self._id(event), 0.0)
        before = f"{self._latest.call.tool} ({self._latest.status})"
        return f"after {before}, {event.call.tool} came {hit:.0f} of {seen:.0f} times" if seen else ""

    def _id(self, event: Event) -> str:
        key = (event.call.server, event.call.tool)
        return tool_id(*key, self._tools[key])


def _worth(prediction: Prediction, rank: int) -> Verdict:
    """As for a tool of which nobody knows how long it takes, with nothing else to do."""
    budget = Budget(Limits())
    if budget.worth(prediction.probability, prediction.call.server, prediction.call.tool, budget.lead) <= 0:
        return "not worth it"
    return "foreseen" if rank <= budget.limits.per_trigger else "outranked"


def _found(event: Event, turn: Turn) -> tuple[Prediction | None, int, int]:
    """The guess of this call that was made last, its rank, and how many turns before."""
    key = key_of(event.call)
    for turns_before, predictions in enumerate(turn.foreseen, start=1):
        for rank, prediction in enumerate(predictions, start=1):
            if key is not None and key_of(prediction.call) == key:
                return prediction, rank, turns_before
    return None, 0, 0


def _lack(tool: Tool, turn: Turn, arguments: Sequence[Argument], tool_foreseen: bool) -> Verdict:
    """What a call that was not foreseen would have needed."""
    if turn.calls[0].turn == 0:
        return "first"
    if tool.hints.read_only is False:
        return "not read-only"
    unseen = [argument for argument in arguments if argument.origin is None and not _is_a_switch(argument.value)]
    if unseen:
        return "value in text" if all(argument.in_text for argument in unseen) else "value nowhere"
    return "other values" if tool_foreseen else "other tools"


def _is_a_switch(value: Json) -> bool:
    return value is None or isinstance(value, bool)
