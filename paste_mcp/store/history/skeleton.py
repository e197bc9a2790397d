"""Sessions whose values were never kept, built anew with others in their place.

What is known of an argument is the digest of its value and at which places of which results the session had it before.
So an equal digest gets an equal value, put back at those places, with values of nobody before it in the lists that it
stood in. What follows what, which argument came from where and at which rank can be learnt from that as from the
session itself; values cannot.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias

from paste_mcp.core.keys import canonical
from paste_mcp.core.model import Json
from paste_mcp.store.history.past import text_of

SMALL: Final = 10_000
"""Whole numbers up to this size are told from their digests, which takes the installation's own key."""
MAX_RANK: Final = 400
MAX_STEPS: Final = 12
MAX_FILLED: Final = 2_000
"""Values of nobody that one result is given."""

Steps: TypeAlias = tuple[str | int, ...]

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_HIDDEN: Final = "*"
"""A member whose name was not kept."""


@dataclass(slots=True)
class Digests:
    """The values that digests of one installation can be told to stand for: booleans, nothing, and small numbers."""

    key: bytes = b""
    _values: dict[str, Json] | None = field(default=None, init=False)

    @classmethod
    def beside(cls, record: Path) -> Digests:
        """Those of the installation that made this record, where its key is still there."""
        try:
            return cls((record.parent / "key").read_bytes())
        except OSError:
            return cls()

    def value(self, digest: str) -> tuple[bool, Json]:
        """Whether the value of a digest is known, and the value."""
        if self._values is None:
            small = [True, False, None, *range(-SMALL, SMALL + 1)] if self.key else []
            self._values = {_digest(self.key, value): value for value in small}
        return digest in self._values, self._values.get(digest)


def skeleton(calls: Sequence[Mapping[str, Any]], digests: Digests) -> list[tuple[dict[str, Json], dict[str, Json]]]:
    """Arguments and raw result for each recorded call."""
    stand_ins = _StandIns(calls, digests)
    at = {call["n"]: position for position, call in enumerate(calls)}
    results = [_Result(stand_ins) for _ in calls]
    for digest, place in _places(calls):
        if place.call in at:
            results[at[place.call]].put(place, stand_ins.of(digest))
    return [(_arguments(call, stand_ins), result.raw()) for call, result in zip(calls, results, strict=True)]


@dataclass(frozen=True, slots=True)
class _Place:
    call: int
    kind: str
    steps: Steps


class _StandIns:
    """A value for each digest, of a kind that is found where the true one was found."""

    def __init__(self, calls: Sequence[Mapping[str, Any]], digests: Digests) -> None:
        self._digests = digests
        self._kinds: defaultdict[str, set[str]] = defaultdict(set)
        self._others = count()
        for digest, place in _places(calls):
            self._kinds[digest].add(place.kind)

    def of(self, digest: str) -> Json:
        known, value = self._digests.value(digest)
        return value if known else self._shaped(digest, self._kinds[digest])

    def other(self, kind: str) -> str:
        """A value that no argument has."""
        number = next(self._others)
        return self._shaped(hashlib.sha256(str(number).encode()).hexdigest()[:16], {kind})

    def _shaped(self, digest: str, kinds: set[str]) -> str:
        if "url" in kinds:
            return f"https://v{digest}.invalid"
        return f"0{digest}" if "id" in kinds else f"v{digest}"


@dataclass(slots=True)
class _Result:
    """One result, as far as later arguments tell of it."""

    stand_ins: _StandIns
    document: dict[Steps, Json] = field(default_factory=dict)
    listed: defaultdict[str, dict[int, Json]] = field(default_factory=lambda: defaultdict(dict))

    def put(self, place: _Place, value: Json) -> None:
        if place.kind == "document":
            self.document[place.steps] = value
        elif place.kind in ("line", "url", "id") and len(place.steps) == 1 and isinstance(place.steps[0], int):
            self.listed[place.kind][place.steps[0]] = value

    def raw(self) -> dict[str, Json]:
        result: dict[str, Json] = {}
        lines = [line for kind in ("line", "url", "id") for line in self._lines(kind)]
        result["content"] = [{"type": "text", "text": "\n".join(lines)}] if lines else []
        if self.document:
            result["structuredContent"] = _built(self.document, _Fill(self.stand_ins))
        return result

    def _lines(self, kind: str) -> Iterator[str]:
        found = self.listed.get(kind, {})
        for rank in range(max(found, default=-1) + 1):
            yield str(found[rank]) if rank in found else self.stand_ins.other(kind)


def _built(leaves: Mapping[Steps, Json], fill: _Fill) -> Json:
    """The document with these values at these steps. Lists are filled up, every item with the same members."""
    if () in leaves or not leaves:
        return leaves.get(())
    inner: defaultdict[str | int, dict[Steps, Json]] = defaultdict(dict)
    for steps, value in leaves.items():
        inner[steps[0]][steps[1:]] = value
    ranks = [step for step in inner if isinstance(step, int)]
    if len(ranks) < len(inner):
        return {step: _built(under, fill) for step, under in inner.items() if isinstance(step, str)}
    members = {steps for under in inner.values() for steps in under}
    return [
        _built({**{steps: fill.value() for steps in members if fill.left}, **inner.get(rank, {})}, fill)
        for rank in range(max(ranks) + 1)
    ]


@dataclass(slots=True)
class _Fill:
    """Values for what is between, as long as there is need and room for them."""

    stand_ins: _StandIns
    left: int = MAX_FILLED

    def value(self) -> str:
        self.left -= 1
        return self.stand_ins.other("document")


def _arguments(call: Mapping[str, Any], stand_ins: _StandIns) -> dict[str, Json]:
    leaves: dict[Steps, Json] = {}
    for path, derivation in _derivations(call):
        steps = tuple(int(rank) if rank else name for name, rank in _STEP.findall(path))
        if steps and _HIDDEN not in steps and len(steps) <= MAX_STEPS:
            leaves[steps] = stand_ins.of(text_of(derivation, "digest"))
    built = _built(leaves, _Fill(stand_ins)) if leaves else {}
    return built if isinstance(built, dict) else {}


def _places(calls: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, _Place]]:
    """Digests with the places where their values had been seen."""
    for call in calls:
        for _, derivation in _derivations(call):
            origins = derivation.get("from")
            for origin in origins if isinstance(origins, list) else ():
                if (place := _place(origin)) is not None:
                    yield text_of(derivation, "digest"), place


def _place(origin: Any) -> _Place | None:
    if not isinstance(origin, dict) or not isinstance(origin.get("steps"), list):
        return None
    steps, call = tuple(origin["steps"]), origin.get("call")
    fits = all(isinstance(step, str) or (isinstance(step, int) and 0 <= step <= MAX_RANK) for step in steps)
    if not fits or _HIDDEN in steps or len(steps) > MAX_STEPS or not isinstance(call, int):
        return None
    return _Place(call, text_of(origin, "in"), steps)


def _derivations(call: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    found = call.get("derivations")
    for path, derivation in found.items() if isinstance(found, dict) else ():
        if isinstance(derivation, dict):
            yield path, derivation


def _digest(key: bytes, value: Json) -> str:
    return hmac.new(key, canonical(value), hashlib.sha256).hexdigest()[:16]
