"""A recorded session as the engine's events, ready to be learnt from or to be replayed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

from paste_mcp.core.keys import CallKey, Unkeyable, call_key
from paste_mcp.core.model import Event, Hints, Tool, ToolCall
from paste_mcp.store.traces import TracedSession

ToolKey: TypeAlias = tuple[str, str]
"""(server, tool)."""
Reads: TypeAlias = Mapping[ToolKey, bool]
"""Known tools, and whether each call of theirs so far was read-only."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One session, equal to itself only. Turns are counted from 0 without gaps, and time is counted in turns."""

    session: str
    task: str
    model: str
    events: tuple[Event, ...]
    reads: tuple[bool, ...]
    """Whether each call was read-only; nobody's knowing counts as no."""
    names: Mapping[ToolKey, str]
    """How the trace writes its tools."""
    turns: tuple[range, ...]
    """The calls of each turn, as positions in `events`."""
    keys: tuple[CallKey | None, ...]
    """The calls' canonical keys."""


def lesson_of(traced: TracedSession) -> Lesson:
    """The session, replayed on a clock that counts turns."""
    turns: list[range] = []
    events: list[Event] = []
    for number, (_, group) in enumerate(groupby(traced.calls, key=lambda call: call.turn)):
        first = len(events)
        for call in group:
            made = ToolCall(call.server, call.tool, call.arguments)
            events.append(Event(len(events), number, made, call.status, call.result, float(number)))
        turns.append(range(first, len(events)))
    return Lesson(
        session=traced.id,
        task=traced.task,
        model=traced.model,
        events=tuple(events),
        reads=tuple(call.read_only is True for call in traced.calls),
        names={(call.server, call.tool): call.name for call in traced.calls},
        turns=tuple(turns),
        keys=tuple(key_of(event.call) for event in events),
    )


def key_of(call: ToolCall) -> CallKey | None:
    """The key under which the engine looks for a guess; None where the call has none."""
    try:
        return call_key(call, "")
    except Unkeyable:
        return None


def reads_of(lessons: Iterable[Lesson]) -> dict[ToolKey, bool]:
    """The tools of these sessions. One that was seen to write is no read-only tool."""
    known: dict[ToolKey, bool] = {}
    for lesson in lessons:
        meet(known, lesson, range(len(lesson.events)))
    return known


def meet(known: dict[ToolKey, bool], lesson: Lesson, calls: Iterable[int]) -> None:
    """Add what these calls of a session say about their tools."""
    for position in calls:
        call = lesson.events[position].call
        key = (call.server, call.tool)
        known[key] = known.get(key, True) and lesson.reads[position]


def tool_of(key: ToolKey, read_only: bool) -> Tool:
    """The tool as its server would describe it, as far as a trace tells."""
    return Tool(*key, hints=Hints(read_only=read_only))
