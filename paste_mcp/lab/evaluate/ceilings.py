"""How much could be foreseen at best: read-only calls of which every value had been seen before in the session.

`ceiling`: the tool is among the three that most often followed the previous one in training, and every value of the
arguments occurs in an earlier result, as it is, or was an argument before. `with_join`: a path may also be put
together from a folder and a name that occurred apart.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from paste_mcp.core.model import Event, Json
from paste_mcp.lab.evaluate.folds import Plan
from paste_mcp.lab.evaluate.lessons import Lesson, ToolKey

BEST_TOOLS: Final = 3


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Calls after the first turn that could have been foreseen."""

    copied: int
    with_join: int


class Seen:
    """Everything that a session has shown so far, as text."""

    def __init__(self) -> None:
        self._text = ""
        self._arguments: set[str] = set()

    def add(self, event: Event) -> None:
        self._text += "\n" + event.payload.text
        self._arguments.update(json.dumps(leaf) for leaf in leaves(event.call.arguments))

    def holds(self, value: Json) -> bool:
        """The value as it is: a text anywhere, anything else as a word of its own."""
        if value == "" or json.dumps(value) in self._arguments:
            return True
        if isinstance(value, str):
            return value in self._text
        return re.search(rf"(?<!\w){re.escape(json.dumps(value))}(?!\w)", self._text) is not None

    def holds_parts(self, value: Json) -> bool:
        """A path whose folder and name were seen apart."""
        folder, slash, name = value.rstrip("/").rpartition("/") if isinstance(value, str) else ("", "", "")
        return bool(slash and name) and self.holds(folder) and self.holds(name)


def leaves(value: Json) -> Iterator[Json]:
    """The values in a value, without the lists and objects that hold them."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


def derivable(lesson: Lesson) -> list[tuple[bool, bool]]:
    """Of each call: whether it is read-only with every value seen before its turn; and the same with joined paths."""
    seen = Seen()
    found: list[tuple[bool, bool]] = []
    for calls in lesson.turns:
        for position in calls:
            values = list(leaves(lesson.events[position].call.arguments)) if lesson.reads[position] else []
            missing = [value for value in values if not seen.holds(value)]
            joined = lesson.reads[position] and all(seen.holds_parts(value) for value in missing)
            found.append((lesson.reads[position] and not missing, joined))
        for position in calls:
            seen.add(lesson.events[position])
    return found


def ceilings(plans: Sequence[Plan], lessons: Sequence[Lesson]) -> Ceilings:
    """The ceilings of one set, each part with the tools that followed in its own training sessions."""
    copied = with_join = 0
    for plan in plans:
        likely = _Likely([lessons[number] for number in plan.knowledge])
        for number in plan.test:
            lesson = lessons[number]
            could = derivable(lesson)
            for position in range(len(lesson.turns[0]) if lesson.turns else 0, len(lesson.events)):
                if _tool(lesson, position) in likely.after(_tool(lesson, position - 1)):
                    copied += could[position][0]
                    with_join += could[position][1]
    return Ceilings(copied, with_join)


class _Likely:
    """First-order Markov over tools, call by call; filled up with the commonest ones."""

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        self._following: dict[ToolKey, Counter[ToolKey]] = {}
        usual: Counter[ToolKey] = Counter()
        for lesson in lessons:
            tools = [_tool(lesson, position) for position in range(len(lesson.events))]
            usual.update(tools)
            for before, after in pairwise(tools):
                self._following.setdefault(before, Counter())[after] += 1
        self._usual = [tool for tool, _ in usual.most_common(BEST_TOOLS)]

    def after(self, tool: ToolKey) -> list[ToolKey]:
        """The likeliest next tools."""
        seen = [next_tool for next_tool, _ in self._following.get(tool, Counter()).most_common(BEST_TOOLS)]
        return list(dict.fromkeys([*seen, *self._usual]))[:BEST_TOOLS]


def _tool(lesson: Lesson, position: int) -> ToolKey:
    call = lesson.events[position].call
    return call.server, call.tool
