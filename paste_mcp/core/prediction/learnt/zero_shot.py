"""What may follow a listing before anything was learnt: reads whose schemas ask for what the listing's places name.

Only schemas and names speak here: a tool that reads one thing (`get_page`), whose every required argument is named
like a place that the last turn showed (`page_id`, or `id` of `list_pages`). The prior is low; what happens next raises
it or kills it, since it only stands in where no context was seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from paste_mcp.core.model import Tool
from paste_mcp.core.prediction.forecaster import Tools
from paste_mcp.core.prediction.learnt.memory import Memory
from paste_mcp.core.prediction.learnt.names import tool_id, tool_of
from paste_mcp.core.prediction.learnt.sights import ColumnId

PRIOR: Final = 0.3
"""P(some read of what was listed comes next), shared by the tools that could."""
BY_NAME: Final = 0.5
"""P(the value is in a column that is named like the argument)."""
AS_BEFORE: Final = 0.7
"""P(it is what the server was sent under this very name before, as the folder that all its tools work in)."""
MAX_REQUIRED: Final = 4
READING: Final = frozenset(
    "get read open fetch visit view show describe inspect details lookup retrieve cat list".split()
)

ALIKE: Final = tuple(
    frozenset(words.split())
    for words in ("commit revision rev sha hash", "url uri link href address", "path file filename filepath")
)
"""Words that servers use for one thing."""

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def words_of(name: str) -> list[str]:
    """The words of a name in snake or camel case, in lower case."""
    return [word.lower() for word in _WORDS.findall(name)]


def asks_for(tool: Tool) -> tuple[str, ...]:
    """The required arguments of a tool, sorted; empty where it has none or too many to guess."""
    required = tool.input_schema.get("required")
    if not isinstance(required, list) or not 0 < len(required) <= MAX_REQUIRED:
        return ()
    return tuple(sorted(name for name in required if isinstance(name, str)))


def reads_one(tool: Tool) -> bool:
    """Its name begins with a verb of reading."""
    words = words_of(tool.name)
    return bool(words) and not READING.isdisjoint(words[:3])


def columns_for(memory: Memory, server: str, argument: str) -> Iterator[tuple[ColumnId, float]]:
    """Columns whose names say that they hold this argument, with the probability that they do."""
    words = words_of(argument)
    whole = "".join(words)
    others = [other for alike in ALIKE if words and words[-1] in alike for other in sorted(alike - {words[-1]})]
    for name in dict.fromkeys((argument.lower(), whole, words[-1] if words else "", *others)):
        for column in memory.sights.by_leaf.get(name, ()):
            prior = AS_BEFORE if column.place.startswith("@") else BY_NAME
            if name in others:
                prior = BY_NAME * 0.8
            elif name not in (argument.lower(), whole):
                # `id` alone says little: the listing must be one of pages for it to be a `page_id`.
                about = (tool_of(column.tool)[1] + column.place).lower()
                if not words[:-1] or words[0].rstrip("s") not in about:
                    continue
                prior = BY_NAME * 0.8
            yield column, prior if tool_of(column.tool)[0] == server else prior * 0.3


class Readers:
    """The tools that read one thing, found once for a set of tools."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools
        self.size = len(tools)
        self._asking = [
            (tool_id(*key, tool), tool.server, asks)
            for key, tool in tools.items()
            if tool.hints.read_only is not False and (asks := asks_for(tool)) and reads_one(tool)
        ]

    def of_last_turn(self, memory: Memory) -> list[str]:
        """Those that could read what the last turn listed."""
        return [id for id, server, asks in self._asking if _is_fed(memory, server, asks)]


def _is_fed(memory: Memory, server: str, required: Sequence[str]) -> bool:
    shown = False
    for name in required:
        columns = [column for column, _ in columns_for(memory, server, name)]
        if not columns:
            return False
        shown = shown or any(
            memory.tools.get(column.tool) == memory.turns and not column.place.startswith("@") for column in columns
        )
    return shown
