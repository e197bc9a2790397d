"""What one prediction may read of a session: its events, where values occurred, what was used; within one budget.

This module must not know patterns. One `Past` serves all patterns of one prediction, so that a result that many of
them read is walked once; it is thrown away after.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeVar, cast

from paste_mcp.core.model import Event
from paste_mcp.core.patterns.elements import Element
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.patterns.paths import Budget

MAX_WORK: Final = 50_000
"""Values, lines and rows (and each 32 characters of text) that all evaluations of one prediction may touch."""
CHARS_PER_UNIT: Final = 32

Made = TypeVar("Made")


class Past:
    """A session as mappings see it, up to now."""

    def __init__(self, history: Sequence[Event], index: ValueIndex, work: int = MAX_WORK) -> None:
        self.index = index
        self.budget = Budget(work)
        self._history = history
        self._memo: dict[Hashable, object] = {}

    def event(self, index: int) -> Event | None:
        """The event with this index, if it is still remembered."""
        at = bisect_left(self._history, index, key=lambda event: event.index)
        found = self._history[at] if at < len(self._history) else None
        return found if found is not None and found.index == index else None

    def latest(self, signature: Element) -> Event | None:
        """The latest event with this signature."""
        return self.once(
            ("latest", signature),
            lambda: next((event for event in reversed(self._history) if signature.match(event) is not None), None),
        )

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gives, made at most once for this key."""
        if key not in self._memo:
            self._memo[key] = make()
        return cast("Made", self._memo[key])
