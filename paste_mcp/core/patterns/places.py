"""Places in plain text, by the names that patterns give them: `urls`, `label:order id`, `cell:2`.

`texts.py` finds them; this module knows how they are written, and remembers what it read. It must not know results.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from paste_mcp.core.patterns import typed
from paste_mcp.core.patterns.texts import values_in_lines

MAX_TEXT: Final = 16 * 1024
"""Characters of a text whose lines are looked at: some tens of milliseconds' work for a whole long text."""
MAX_READ: Final = 32
"""Texts that are remembered."""
MAX_LABEL: Final = 64
"""Characters of a label."""
SINGLE: Final = ("line", "item", "quoted")
"""Whole lines; list items; texts in quotes."""
LABELLED: Final = ("label", "rest", "tag", "cell")
"""What follows `x:` or `x=`; the rest of the line after it; what follows `[x]`; a column of a table, from 0."""
PLACES: Final = (*typed.EXTRACTORS, *SINGLE, *(f"{kind}:..." for kind in LABELLED))
"""All kinds, as a user is told them."""

_LINES: Final = ""
_TYPED: Final[dict[str, Callable[[str], list[str]]]] = {str(kind): read for kind, read in typed.EXTRACTORS.items()}


def place_of(name: str) -> str | None:
    """The place that a user means by `name`, in the one way to write it; None where there is no such kind."""
    if name in _TYPED or name in SINGLE:
        return name
    kind, _, label = name.partition(":")
    label = label.strip().lower()
    if kind not in LABELLED or not 0 < len(label) <= MAX_LABEL:
        return None
    if kind == "cell" and not (label.isascii() and label.isdecimal()):
        return None
    return f"{kind}:{label}"


class ReadTexts:
    """What stands where in the texts that a session looked at last: each is read once, not at every decision."""

    def __init__(self) -> None:
        self._read: dict[str, dict[str, Sequence[str]]] = {}

    def values(self, text: str, place: str) -> Sequence[str]:
        """The distinct values at one place of `text`, in order."""
        known = self._read[text] = self._read.pop(text, {})
        if len(self._read) > MAX_READ:
            del self._read[next(iter(self._read))]
        if place in _TYPED:
            if place not in known:
                known[place] = _TYPED[place](text)
        elif _LINES not in known:
            found: defaultdict[str, dict[str, None]] = defaultdict(dict)
            for where, value in values_in_lines(text[:MAX_TEXT]):
                found[where][value] = None
            known |= {_LINES: ()} | {where: tuple(values) for where, values in found.items()}
        return known.get(place, ())
