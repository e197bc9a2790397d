"""What was learnt, as sums: how often each item was seen in each group. Sums of two runs may be added in any order.

Knows nothing of what groups and items mean.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Final, TypeAlias

Group: TypeAlias = tuple[Hashable, ...]
Item: TypeAlias = Hashable

_NOTHING: Final[Mapping[Item, float]] = {}


class Counts:
    """Groups of counted items."""

    def __init__(self) -> None:
        self._groups: dict[Group, dict[Item, float]] = {}
        self._tops: dict[Group, tuple[int, Mapping[Item, float]]] = {}

    def add(self, group: Group, item: Item, amount: float = 1.0) -> None:
        """Count `item` in `group`."""
        items = self._groups.get(group)
        if items is None:
            items = self._groups[group] = {}
        items[item] = items.get(item, 0.0) + amount
        self._tops.pop(group, None)

    def of(self, group: Group) -> Mapping[Item, float]:
        """The items of a group and their counts."""
        return self._groups.get(group, _NOTHING)

    def top(self, group: Group, most: int) -> Mapping[Item, float]:
        """The greatest counts of a group, greatest first: the same object until the group changes."""
        held = self._tops.get(group)
        if held is not None and held[0] == most:
            return held[1]
        items = self._groups.get(group)
        if not items:
            return _NOTHING
        found = dict(sorted(items.items(), key=lambda item: (-item[1], str(item[0])))[:most])
        self._tops[group] = (most, found)
        return found

    def merge(self, other: Counts, weight: float = 1.0) -> None:
        """Add all that `other` counted."""
        for group, item, amount in other:
            self.add(group, item, weight * amount)

    def __iter__(self) -> Iterator[tuple[Group, Item, float]]:
        for group, items in self._groups.items():
            for item, amount in items.items():
                yield group, item, amount

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))
