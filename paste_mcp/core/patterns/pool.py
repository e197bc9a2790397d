"""All patterns of a session, found by the last thing that happened.

A pool is immutable; a changed file makes a new one. It must not know events beyond their signature, nor evaluate
anything: whether the earlier context fits is the predictor's question.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from paste_mcp.core.model import Event
from paste_mcp.core.patterns.language import Pattern

MAX_CANDIDATES: Final = 256
"""Patterns that one event may call up, the user's own and then the likeliest first."""
MAX_REMEMBERED: Final = 4_096
"""Signatures whose candidates are kept ready."""


class Pool:
    """Enabled patterns, found by their last context element: by server and tool, by tool, else by trying globs.

    A user's own pattern replaces a shipped or learnt one of the same name (also when it is disabled: that is how one
    is turned off) and every one with the same context and target. What the user turned off by its id is off, too.
    """

    def __init__(self, patterns: Iterable[Pattern] = ()) -> None:
        by_name = _by_name(patterns)
        self.disabled: frozenset[str] = frozenset(
            pattern.name for pattern in by_name.values() if pattern.users_own and not pattern.enabled
        )
        """Names and ids that the user turned off, whoever foresees by them."""
        self.patterns: tuple[Pattern, ...] = _in_force(by_name.values(), self.disabled)
        self._exact: dict[tuple[str, str], list[Pattern]] = {}
        self._by_tool: dict[str, list[Pattern]] = {}
        self._globs: list[Pattern] = []
        self._ready: dict[tuple[str, str, str], tuple[Pattern, ...]] = {}
        for pattern in self.patterns:
            last = pattern.context[-1]
            if last.tool.literal and last.server.literal:
                self._exact.setdefault((last.server.text, last.tool.text), []).append(pattern)
            elif last.tool.literal:
                self._by_tool.setdefault(last.tool.text, []).append(pattern)
            else:
                self._globs.append(pattern)

    def __len__(self) -> int:
        return len(self.patterns)

    def candidates(self, event: Event) -> tuple[Pattern, ...]:
        """The patterns whose last context element is `event`'s signature: the user's own first, then by probability."""
        signature = (event.call.server, event.call.tool, event.status)
        ready = self._ready.get(signature)
        if ready is None:
            if len(self._ready) >= MAX_REMEMBERED:
                self._ready.clear()
            ready = self._ready[signature] = self._found(*signature)
        return ready

    def _found(self, server: str, tool: str, status: str) -> tuple[Pattern, ...]:
        found = [*self._exact.get((server, tool), ())]
        found += [pattern for pattern in self._by_tool.get(tool, ()) if _fits(pattern, server, tool)]
        found += [pattern for pattern in self._globs if _fits(pattern, server, tool)]
        found = [pattern for pattern in found if pattern.context[-1].status in (status, "any")]
        found.sort(key=lambda pattern: (not pattern.users_own, -pattern.probability, pattern.name))
        return tuple(found[:MAX_CANDIDATES])


def _fits(pattern: Pattern, server: str, tool: str) -> bool:
    last = pattern.context[-1]
    return last.server.match(server) is not None and last.tool.match(tool) is not None


def _by_name(patterns: Iterable[Pattern]) -> dict[str, Pattern]:
    """One pattern to a name, the user's own before others, the later before the earlier."""
    by_name: dict[str, Pattern] = {}
    for pattern in patterns:
        earlier = by_name.get(pattern.name)
        if earlier is None or pattern.users_own or not earlier.users_own:
            by_name[pattern.name] = pattern
    return by_name


def _in_force(patterns: Iterable[Pattern], disabled: frozenset[str]) -> tuple[Pattern, ...]:
    """Without what is disabled or replaced."""
    enabled = [pattern for pattern in patterns if pattern.enabled and pattern.context and pattern.id not in disabled]
    own = {(pattern.context, pattern.target) for pattern in enabled if pattern.users_own}
    return tuple(pattern for pattern in enabled if pattern.users_own or (pattern.context, pattern.target) not in own)
