"""The JSONPaths a pattern may use, compiled to plain steps and walked within a budget.

jsonpath-ng only reads the text: its own walking has no bounds. A path holds fields, indices, `*` and slices; whatever
may visit everything (`..`, filters, unions) is refused at load. This module knows nothing of patterns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Final, TypeAlias

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.parser import parse

from paste_mcp.core.model import Json

MAX_STEPS: Final = 16
"""Steps of one path."""
MAX_PATH_TEXT: Final = 512
MAX_VISITED: Final = 10_000
"""Values that one walk may visit."""
MAX_MATCHES: Final = 1_000
"""Values that one walk may find."""


@dataclass(frozen=True, slots=True)
class Span:
    """Elements `start` to `stop` of a list, or with `members` all values of a list or an object."""

    start: int | None = None
    stop: int | None = None
    members: bool = False


Step: TypeAlias = str | int | Span
Key: TypeAlias = tuple[str | int, ...]
"""Where the spans of a path stood: one ordinal or member name for each."""


class PathError(ValueError):
    """The text is no path that a pattern may use; `problem` and `remedy` say why."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(slots=True)
class Budget:
    """Work that may still be done, in visited values. Shared by all evaluations of one prediction."""

    left: int

    def take(self, amount: int = 1) -> bool:
        """Spend `amount`; False, and nothing left, where there was not enough."""
        self.left = max(-1, self.left - amount)
        return self.left >= 0


_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS: Final = ("parent", "where", "wherenot")
"""Names that jsonpath-ng reads as operators unless they are quoted."""
_REFUSED: Final = (
    ("..", 'uses "..", which may visit everything', "name the steps instead"),
    ("?", "uses a filter", "name the steps instead"),
    ("|", 'uses "|"', "write a list of alternative paths"),
    ("&", 'uses "&"', "write a list of alternative paths"),
    ("~", 'uses "~"', "name the steps instead"),
    ("`", "uses an extension", "name the steps instead"),
    ("(", "uses brackets", "write the steps one after the other"),
    ("@", 'uses "@"', "begin with $, the whole result"),
)


@lru_cache(maxsize=4_096)
def compile_path(text: str) -> tuple[Step, ...]:
    """The steps of a JSONPath such as `$.results[*].url`. Raises `PathError`. Equal texts share one tuple."""
    if len(text) > MAX_PATH_TEXT:
        raise PathError(f"is longer than {MAX_PATH_TEXT} characters", "name fewer steps")
    if not text.startswith("$"):
        raise PathError("does not begin with $", "begin with $, the whole result")
    bare = _without_quoted(text)
    for sign, problem, remedy in _REFUSED:
        if sign in bare:
            raise PathError(problem, remedy)
    try:
        steps = tuple(_steps(parse(text)))
    except PathError:
        raise
    except (JSONPathError, Exception):  # the parser lets errors of every kind through, RecursionError and warnings too
        raise PathError("is not a JSONPath", "write it like $.results[*].url") from None
    if len(steps) > MAX_STEPS:
        raise PathError(f"has more than {MAX_STEPS} steps", "name fewer steps")
    return steps


def path_text(steps: tuple[Step, ...]) -> str:
    """The path as `compile_path` reads it, where it can be written at all."""
    return "$" + "".join(map(_step_text, steps))


def walk(steps: tuple[Step, ...], document: Json, budget: Budget) -> list[tuple[Key, Json]]:
    """The values that `steps` lead to, in document order, each with its key; what the budget allows of them."""
    own = Budget(min(MAX_VISITED, budget.left))
    started_with = own.left
    found = list(islice(_walk(steps, document, (), own), MAX_MATCHES))
    budget.take(max(0, started_with - max(own.left, 0)))
    return found


def _step_text(step: Step) -> str:
    if isinstance(step, Span):
        return "[*]" if step.members else f"[{_bound(step.start)}:{_bound(step.stop)}]"
    if isinstance(step, int):
        return f"[{step}]"
    if _PLAIN_NAME.fullmatch(step) and step not in _WORDS:
        return f".{step}"
    return f".'{step}'" if '"' in step else f'."{step}"'


def _bound(bound: int | None) -> str:
    return "" if bound is None else str(bound)


def _walk(steps: tuple[Step, ...], node: Json, key: Key, budget: Budget) -> Iterator[tuple[Key, Json]]:
    if not budget.take():
        return
    if not steps:
        yield key, node
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, Span):
        for name, inner in _spanned(step, node):
            if budget.left < 0:
                return
            yield from _walk(rest, inner, (*key, name), budget)
    elif isinstance(step, str):
        if isinstance(node, Mapping) and step in node:
            yield from _walk(rest, node[step], key, budget)
    elif isinstance(node, list) and -len(node) <= step < len(node):
        yield from _walk(rest, node[step], key, budget)


def _spanned(span: Span, node: Json) -> Iterator[tuple[str | int, Json]]:
    if isinstance(node, list):
        for place in range(*slice(span.start, span.stop).indices(len(node))):
            yield place, node[place]
    elif span.members and isinstance(node, Mapping):
        yield from node.items()


def _steps(parsed: Any) -> Iterator[Step]:
    """The steps of a parsed path, by the names of jsonpath-ng's node classes."""
    kind = type(parsed).__name__
    if kind == "Child":
        yield from _steps(parsed.left)
        yield from _steps(parsed.right)
    elif kind == "Fields":
        if len(parsed.fields) != 1:
            raise PathError("names several fields at once", "write a list of alternative paths")
        yield Span(members=True) if parsed.fields[0] == "*" else str(parsed.fields[0])
    elif kind == "Wildcard":  # since jsonpath-ng 1.8; before, `[*]` was an open slice and `.*` a field
        yield Span(members=True)
    elif kind == "Index":
        yield _index(parsed)
    elif kind == "Slice":
        yield _slice(parsed)
    elif kind != "Root":
        raise PathError(f"uses {kind.lower()}", "a path holds only names, [0], [*] and [1:3]")


def _index(parsed: Any) -> int:
    indices = parsed.indices if hasattr(parsed, "indices") else (parsed.index,)
    if len(indices) != 1 or not isinstance(indices[0], int):
        raise PathError("names several indices at once", "write a list of alternative paths")
    return int(indices[0])


def _slice(parsed: Any) -> Span:
    if parsed.step not in (None, 1):
        raise PathError("uses a slice with a stride", "leave the stride out")
    if parsed.start is None and parsed.end is None:
        return Span(members=True)
    return Span(parsed.start, parsed.end)


def _without_quoted(text: str) -> str:
    """`text` without quoted names, in which every sign is allowed."""
    kept: list[str] = []
    quote = ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
            kept += "" if quote else "x"  # something stands there: `$."a".b` has no two dots in a row
        elif sign in "\"'":
            quote = sign
        else:
            kept.append(sign)
    return "".join(kept)
