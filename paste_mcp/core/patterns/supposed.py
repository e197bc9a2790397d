"""A session's values as they would be if one more event had happened: nothing of the session is changed by asking.

What comes after a guess is foreseen this way, by the same code as what comes after a call.
"""

from __future__ import annotations

from collections.abc import Mapping

from paste_mcp.core.model import Event, Json
from paste_mcp.core.patterns.extract import MAX_PLACES, Place, ValueIndex
from paste_mcp.core.patterns.used import UsedValues, ValueKey


class SupposedIndex(ValueIndex):
    """`base`, and `event` on top of it."""

    def __init__(self, base: ValueIndex, event: Event) -> None:
        super().__init__()
        self.base = base
        self.event = event
        self.used = _SupposedUsed(base.used)
        self.texts = base.texts
        self.add(event)

    def __len__(self) -> int:
        return len(self.base) + super().__len__()

    def places(self, value: Json) -> list[Place]:
        return [*super().places(value), *self.base.places(value)][:MAX_PLACES]


class _SupposedUsed(UsedValues):
    def __init__(self, base: UsedValues) -> None:
        super().__init__()
        self._base = base

    def of(self, server: str, tool: str, argument: str) -> Mapping[ValueKey, int]:
        before, now = self._base.of(server, tool, argument), super().of(server, tool, argument)
        return {key: index for key, index in before.items() if key not in now} | dict(now) if now else before
