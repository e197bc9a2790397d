"""Which values calls have given for which argument, so that `next` can go on after the last and repeat none.

Fed event by event; bounded, the oldest forgotten first. Knows nothing of patterns or results.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final, TypeAlias

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Event, Json

MAX_ARGUMENTS: Final = 2_000
"""Arguments (of all tools of a session) whose values are remembered."""
MAX_VALUES: Final = 2_000
"""Values remembered of one argument."""

ValueKey: TypeAlias = tuple[str, Hashable]


class UsedValues:
    """The values used in one session, by server, tool and argument."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str, str], dict[ValueKey, int]] = {}

    def add(self, event: Event) -> None:
        """Take in what `event` sent."""
        for name, value in event.call.arguments.items():
            values = self._used.setdefault((event.call.server, event.call.tool, name), {})
            key = value_key(value)
            values.pop(key, None)  # the latest use counts, also for what is forgotten first
            values[key] = event.index
            if len(values) > MAX_VALUES:
                del values[next(iter(values))]
        while len(self._used) > MAX_ARGUMENTS:
            del self._used[next(iter(self._used))]

    def of(self, server: str, tool: str, argument: str) -> Mapping[ValueKey, int]:
        """Each value that this tool was given for this argument, with the index of the latest such event."""
        return self._used.get((server, tool, argument), {})


def value_key(value: Json) -> ValueKey:
    """Equal exactly where the JSON values are equal, with their types (1 is not true)."""
    if value is None or isinstance(value, str | int | float | bool):
        return type(value).__name__, value
    try:
        return "json", canonical(value)
    except Unkeyable:
        return "none", id(value)
