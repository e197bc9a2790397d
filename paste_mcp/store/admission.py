"""What of the learnt may be remembered beyond its session: structure always, texts of the user's with his word, secrets
never.

Structure is what a server's definitions say (tools, arguments, places in a result) and counts; a text of the user's is
a value that a call sent or a result held, or a piece of one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Final, TypeAlias

from paste_mcp.core.prediction.learnt.counts import Counts, Group, Item
from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.sights import ColumnId
from paste_mcp.store.secrets import is_secret, names_id, names_secret

Members: TypeAlias = set[tuple[str, str, str]]
"""(tool, argument, constant as JSON): the values that schemas themselves list."""

_STRUCTURAL: Final = frozenset("follow again form repeat same fresh present link rank ranks shape".split())
"""Groups whose texts are names out of definitions. In any other group a text may be a value."""
_WORDS: Final = frozenset(("", "hits", "tries", "ok", "error", "empty", "copy", "join", "step", "frame"))
_TOOL: Final = re.compile(r"[^\t\n]{0,128}\t[^\t\n]{1,256}\t[0-9a-f]{0,12}")
_NAME: Final = re.compile(r"[A-Za-z_][\w-]{0,40}", re.ASCII)
_LABEL: Final = re.compile(r"[\w .:#-]{0,48}")
_SUFFIX: Final = re.compile(r"file:[a-z0-9]{1,5}")
_STEPS: Final = re.compile(r"\A[@$]|\[\*\]|[.|]")


class Admission(Enum):
    """What may be done with a count."""

    STRUCTURE = auto()
    LITERAL = auto()
    SECRET = auto()


@lru_cache(maxsize=65_536)
def admission(group: Group, item: Item) -> Admission:
    """Whether this item of this group says something of the user's data, and whether that may be kept at all."""
    if group[0] == "const":
        return _of_constant(group, item)
    if group[0] == "then":
        return _of_recalled(item)
    strict = group[0] not in _STRUCTURAL
    found = Admission.STRUCTURE
    for part in (inner for value in (*group[1:], item) for inner in _parts(value)):
        of_part = _of_part(part, strict)
        if of_part is Admission.SECRET:
            return of_part
        if of_part is Admission.LITERAL:
            found = of_part
    return found


@dataclass(slots=True)
class Delta:
    """Counts to be added to those kept: what is free to keep, and what the user's word allows."""

    free: Counts = field(default_factory=Counts)
    literals: Counts = field(default_factory=Counts)

    def __len__(self) -> int:
        return len(self.free) + len(self.literals)


class KeptCounts(Counts):
    """Counts that take in only what may be remembered, and note what was added since the last `take`.

    Without `history`, texts of the user's are left out, but for the values that a tool's schema lists (`members`).
    """

    def __init__(self, *, history: bool = False) -> None:
        super().__init__()
        self.members: Members = set()
        self._history = history
        self._delta = Delta()

    def add(self, group: Group, item: Item, amount: float = 1.0) -> None:
        kind = Admission.STRUCTURE if (*group[1:], item) in self.members else admission(group, item)
        if kind is Admission.SECRET or (kind is Admission.LITERAL and not self._history):
            return
        super().add(group, item, amount)
        (self._delta.literals if kind is Admission.LITERAL else self._delta.free).add(group, item, amount)

    def merge(self, other: Counts, weight: float = 1.0) -> None:
        for group, item, amount in other:
            self.add(group, item, weight * amount)

    def remember(self, group: Group, item: Item, amount: float) -> None:
        """Count what was kept before; it is nothing new."""
        super().add(group, item, amount)

    def take(self) -> Delta:
        """What was added since the last time."""
        delta, self._delta = self._delta, Delta()
        return delta

    def put_back(self, delta: Delta) -> None:
        """Have this taken again."""
        self._delta.free.merge(delta.free)
        self._delta.literals.merge(delta.literals)


def _parts(value: Item) -> Iterator[Any]:
    if isinstance(value, str | Origin | ColumnId):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from _parts(inner)


def _of_part(part: str | Origin | ColumnId, strict: bool) -> Admission:
    if isinstance(part, Origin):
        return _worst(
            *(_of_part(column, strict) for column in (part.of, part.more) if column is not None),
            *(_of_value(text) for text in _parts(part.by) if any(sign.isalnum() for sign in text)),
        )
    if isinstance(part, ColumnId):
        return _worst(_of_name(part.tool), _of_place(part.place))
    if strict:
        return Admission.STRUCTURE if part in _WORDS or _TOOL.fullmatch(part) else _of_value(part)
    return _of_name(part)


def _of_name(text: str) -> Admission:
    if _TOOL.fullmatch(text) or text in _WORDS or _SUFFIX.fullmatch(text):
        return Admission.STRUCTURE
    return _of_step(text) if text not in ("@", "$", "~") else Admission.STRUCTURE


def _of_place(place: str) -> Admission:
    """Member names may be data themselves (file names, titles, addresses), and so may labels in a text."""
    path, tilde, label = place.partition("~")
    steps = [_of_step(step) for step in _STEPS.split(path) if step]
    if tilde:
        steps.append(_of_value(label) if is_secret(label) or not _LABEL.fullmatch(label) else Admission.STRUCTURE)
    return _worst(*steps)


def _of_step(name: str) -> Admission:
    return Admission.STRUCTURE if _NAME.fullmatch(name) and not is_secret(name) else _of_value(name)


def _of_value(text: str) -> Admission:
    return Admission.SECRET if is_secret(text) else Admission.LITERAL


def _of_constant(group: Group, item: Item) -> Admission:
    """`item` is a value as JSON, or "" where the group counts its sessions."""
    name = str(group[-1])
    found = _worst(*(_of_part(part, False) for part in group[1:] if isinstance(part, str)))
    if item == "" or found is Admission.SECRET:
        return found
    try:
        value = json.loads(str(item))
    except (ValueError, RecursionError):
        return Admission.SECRET
    return _worst(found, _of_json(value, name))


def _of_recalled(item: Item) -> Admission:
    """`item` is a call, its arguments as JSON, that followed the one whose digest the group has; or "" for a count."""
    if not isinstance(item, tuple):
        return Admission.LITERAL
    try:
        arguments = json.loads(str(item[-1]))
    except (ValueError, RecursionError):
        return Admission.SECRET
    return _worst(Admission.LITERAL, _of_json(arguments, ""))


def _of_json(value: Any, name: str) -> Admission:
    if isinstance(value, bool) or value is None:
        return Admission.STRUCTURE
    if names_secret(name):
        return Admission.SECRET
    if isinstance(value, dict):
        return _worst(Admission.LITERAL, *(_of_json(inner, member) for member, inner in value.items()))
    if isinstance(value, list):
        return _worst(*(_of_json(inner, name) for inner in value))
    if isinstance(value, str):
        return Admission.SECRET if is_secret(value, is_id=names_id(name)) else Admission.LITERAL
    return Admission.SECRET if is_secret(str(value)) else Admission.STRUCTURE


def _worst(*kinds: Admission) -> Admission:
    return max(kinds, key=lambda kind: kind.value, default=Admission.STRUCTURE)
