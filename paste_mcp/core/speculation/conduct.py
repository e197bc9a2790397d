"""How tools behave when they are called early: how often that fails, and whether they answer the same way twice.

Shared by all sessions of a proxy. What a tool says of itself is not looked at here.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, TypeAlias

ToolKey: TypeAlias = tuple[str, str]
"""(alias of the server, the server's own tool name)."""

FEWEST_GUESSES: Final = 10
MOST_FAILING: Final = 0.20
"""Share of a tool's early calls that may end in errors."""
FEWEST_DIFFERING: Final = 2
"""One answer that differs decides nothing: the world may have changed between the two."""
MOST_DIFFERING: Final = 0.02
"""Share of a tool's checked answers that may differ from those that were served."""


class Conduct:
    """Counts by tool, and what follows from them."""

    def __init__(self) -> None:
        self._guesses: Counter[ToolKey] = Counter()
        self._failed: Counter[ToolKey] = Counter()
        self._checked: Counter[ToolKey] = Counter()
        self._differing: Counter[ToolKey] = Counter()

    def guessed(self, tool: ToolKey, *, failed: bool) -> None:
        """An early call of this tool was answered, with an error or not."""
        self._guesses[tool] += 1
        self._failed[tool] += failed

    def checked(self, tool: ToolKey, *, same: bool) -> None:
        """A served result was fetched once more and compared."""
        self._checked[tool] += 1
        self._differing[tool] += not same

    def checks(self, tool: ToolKey) -> int:
        return self._checked[tool]

    def failing(self, tool: ToolKey) -> str | None:
        """Why the tool should not be called early for now, in words; None where nothing speaks against it."""
        guesses, failed = self._guesses[tool], self._failed[tool]
        if guesses < FEWEST_GUESSES or failed / guesses <= MOST_FAILING:
            return None
        return f"{failed} of {guesses} early calls of it failed"

    def unlike_itself(self, tool: ToolKey) -> str | None:
        """Why its answers cannot be had in advance at all, in words; None where nothing speaks against it."""
        checked, differing = self._checked[tool], self._differing[tool]
        if differing < FEWEST_DIFFERING or differing / checked <= MOST_DIFFERING:
            return None
        return f"{differing} of {checked} answers of it differed when asked for again"
