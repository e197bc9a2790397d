"""What is wrong in written patterns, where, and what to do about it.

This module knows places in plain data and near misses of names; it must not know what a pattern is.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Steps: TypeAlias = tuple[str | int, ...]

MAX_SHOWN: Final = 60
"""Characters of a user's value that a message repeats."""


class PatternError(ValueError):
    """One thing wrong in written patterns; `str()` is one line: `PLACE: PROBLEM; REMEDY`.

    `steps` are the keys and indices that lead to the place in the data, so that a reader of files can name the line.
    """

    def __init__(self, place: str, problem: str, remedy: str, steps: Steps = ()) -> None:
        super().__init__(f"{place}: {problem}; {remedy}")
        self.place = place
        self.problem = problem
        self.remedy = remedy
        self.steps = steps


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the data, for messages: `patterns[2] (search-then-visit).arguments.url.path`."""

    label: str = ""
    steps: Steps = ()

    def at(self, step: str | int, name: str = "") -> Spot:
        """The place one step further in; `name` is what the user calls that element."""
        inner = f"[{step}]" if isinstance(step, int) else f"{'.' if self.label else ''}{shown_key(step)}"
        return Spot(f"{self.label}{inner}{f' ({name})' if name else ''}", (*self.steps, step))

    def error(self, problem: str, remedy: str) -> PatternError:
        return PatternError(self.label or "the file", problem, remedy, self.steps)


def shown(value: Any) -> str:
    """A user's value on one line, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def shown_key(key: str) -> str:
    """A key as a step of a place: bare where it is a plain name."""
    return key if len(key) <= MAX_SHOWN and key.replace("-", "_").isidentifier() else shown(key)


def members(
    data: Any, spot: Spot, *, known: Iterable[str], required: Collection[str] = (), what: str
) -> Mapping[str, Any]:
    """`data` if it is a mapping with only known keys and all required ones. Raises `PatternError`."""
    if not isinstance(data, Mapping):
        raise spot.error(f"{what} is a mapping, not {shown(data)}", f"write it with {_listed(known)}")
    names = list(known)
    for key in data:
        if key not in names:
            raise spot.error(f"{what} has no {shown(key)}", suggestion(key, names))
    for name in required:
        if name not in data:
            raise spot.error(f"{what} lacks {shown(name)}", f"add `{name}:`")
    return data


def suggestion(given: Any, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest known one, else all of them."""
    names = list(known)
    near = difflib.get_close_matches(str(given)[:MAX_SHOWN], names, n=1) if isinstance(given, str) else []
    return f'did you mean "{near[0]}"?' if near else f"use one of {_listed(names)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
