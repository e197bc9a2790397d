"""What a session remembers for learning and foreseeing: its values, and what each of its tools was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from paste_mcp.core.model import Json
from paste_mcp.core.prediction.learnt.counts import Counts, Group, Item
from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.recall import Trail
from paste_mcp.core.prediction.learnt.seen import Seen
from paste_mcp.core.prediction.learnt.sights import Sights, key_of

OWN_WEIGHT: Final = 2.0
"""What this session taught counts so many times as much as what others did."""
MAX_MADE: Final = 4_000
"""Calls whose exact arguments are remembered."""


class Memory:
    """One session up to the last whole turn, and what it taught by itself."""

    def __init__(self) -> None:
        self.sights = Sights()
        self.own = Counts()
        """What this session alone has taught."""
        self.offers: dict[tuple[tuple[str, str], Origin], tuple[Any, Any]] = {}
        """What `slots.py` worked out, and what it depends on."""
        self._joined: dict[Group, tuple[Mapping[Item, float], Mapping[Item, float], Mapping[Item, float]]] = {}
        self.last: dict[str, Mapping[str, Json]] = {}
        self.used: dict[tuple[str, str], dict[str, None]] = {}
        self.tools: dict[str, int] = {}
        """The turn (counted from 1) in which each tool was last called."""
        self.turns = 0
        self.latest: tuple[str, str] | None = None
        """Tool and status of the last event."""
        self._before: str = ""
        self._sent: set[str] = set()
        self._made: dict[tuple[str, bytes], None] = {}
        self.trail = Trail()

    def add(self, turn: Sequence[Seen]) -> None:
        """Take in a turn, once it has been learnt from."""
        for event, tool, _, _, shown in turn:
            self.sights.add(event, tool, shown)
        self._take_in(turn)

    def _take_in(self, turn: Sequence[Seen]) -> None:
        self.turns += 1
        before = self.latest[0] if self.latest else ""
        for event, tool, _, made, _ in turn:
            self.last[tool] = event.call.arguments
            self.tools[tool] = self.turns
            for name, value in event.call.arguments.items():
                self.used.setdefault((tool, name), {})[key_of(value)] = None
                self._sent.add(key_of(value))
            if made is not None:
                self._made[tool, made] = None
                if len(self._made) > MAX_MADE:
                    del self._made[next(iter(self._made))]
        self._before = before
        self.latest = (turn[-1].tool, turn[-1].event.status)

    def supposing(self, seen: Seen) -> Memory:
        """This session as it would be after one more turn, of this one call. Nothing is learnt from it."""
        other = Memory()
        other.own, other._joined = self.own, self._joined
        other.sights = self.sights.supposing(seen.event, seen.tool, seen.shown)
        other.last, other.tools, other.turns = dict(self.last), dict(self.tools), self.turns
        other.used = dict(self.used)
        for name in seen.event.call.arguments:
            if (slot := (seen.tool, name)) in other.used:
                other.used[slot] = dict(other.used[slot])
        other.latest, other._before = self.latest, self._before
        other._sent, other._made = set(self._sent), dict(self._made)
        other.trail = self.trail.copy()
        other.trail.learn([seen], Counts())
        # What `add` does to sights is done already.
        other._take_in([seen])
        return other

    def contexts(self) -> list[Group]:
        """The contexts that hold now, longest first."""
        if self.latest is None:
            return [("follow",)]
        tool, status = self.latest
        return [("follow", self._before, tool, status), ("follow", tool, status), ("follow",)]

    def weighed(self, group: Group, item: Item) -> float:
        """What this session's own count of one item weighs beside everyone's."""
        return OWN_WEIGHT * self.own.of(group).get(item, 0.0)

    def joined(self, group: Group, everyone: Mapping[Item, float], most: int) -> Mapping[Item, float]:
        """`everyone`'s counts and this session's, put together once for as long as neither changes."""
        own = self.own.top(group, most)
        if not own:
            return everyone
        held = self._joined.get(group)
        if held is not None and held[0] is everyone and held[1] is own:
            return held[2]
        both = dict(everyone)
        for item, amount in own.items():
            both[item] = both.get(item, 0.0) + OWN_WEIGHT * amount
        self._joined[group] = (everyone, own, both)
        return both

    def has_made(self, tool: str, arguments: bytes | None) -> bool:
        """This very call was made before; its arguments are in canonical form."""
        return (tool, arguments) in self._made

    def is_sent(self, value: Json) -> bool:
        """Some call of the session sent this value."""
        return key_of(value) in self._sent

    def is_recent(self, origin: Origin) -> bool:
        """The origin's column was shown by the last turn."""
        return origin.column is not None and self.tools.get(origin.column.tool) == self.turns
