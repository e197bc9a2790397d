"""Names with holes: globs (`*search*`) and named captures (`list_{thing}s`), matched in bounded time.

This module knows strings only. It must not know what the names name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

MAX_NAME: Final = 256
"""Characters of a glob, and of a name that any glob with holes matches."""
MAX_HOLES_WITH_CAPTURES: Final = 2
"""Captures and stars together, where there are captures: matching costs at most MAX_NAME to this power."""

_TOKEN: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}|(.)", re.DOTALL)


class GlobError(ValueError):
    """The text is no glob; `problem` and `remedy` say why, in a few words each."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled glob; equal where the text is equal. `captures` are its named holes."""

    text: str
    captures: tuple[str, ...] = ()
    regex: re.Pattern[str] | None = field(default=None, compare=False, repr=False)
    """None for a literal: the pool holds very many of those, and comparing strings needs no compiling."""

    @property
    def literal(self) -> bool:
        return self.regex is None

    def match(self, name: str) -> dict[str, str] | None:
        """What the captures hold if `name` matches, else None."""
        if self.regex is None:
            return {} if name == self.text else None
        found = self.regex.match(name) if len(name) <= MAX_NAME else None
        return found.groupdict() if found else None


@lru_cache(maxsize=16_384)
def compile_glob(text: str) -> Glob:
    """`*` is any run of characters, `?` one character, `{name}` one or more of `[A-Za-z0-9_-]`. Raises `GlobError`."""
    if not 0 < len(text) <= MAX_NAME:
        raise GlobError(f"a name has 1 to {MAX_NAME} characters", "write the tool's own name or a glob")
    if not any(sign in text for sign in "*?{}"):
        return Glob(text)
    tokens = [(found.group(1), found.group(2)) for found in _TOKEN.finditer(re.sub(r"\*+", "*", text))]
    names = [name for name, _ in tokens if name]
    if any(sign in ("{", "}") for _, sign in tokens):
        raise GlobError("a brace that is not part of a {name}", "captures are written {name}, in letters, digits and _")
    if len(set(names)) < len(names):
        raise GlobError("one capture occurs twice", "give each capture its own name")
    stars = sum(sign == "*" for _, sign in tokens)
    if names and len(names) + stars > MAX_HOLES_WITH_CAPTURES:
        raise GlobError(
            f"more than {MAX_HOLES_WITH_CAPTURES} captures and stars in one name", "use fewer, or split the pattern"
        )
    return Glob(text, tuple(names), re.compile(_captures(tokens) if names else _stars(tokens), re.DOTALL))


def fill(text: str, captures: Mapping[str, str]) -> str:
    """`text` with each `{name}` replaced by what it captured; unknown names stay as they are."""
    if "{" not in text:
        return text
    return re.sub(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", lambda found: captures.get(found.group(1), found.group()), text)


def holes(text: str) -> set[str]:
    """The names of the captures that `text` uses."""
    return set(re.findall(r"\{([A-Za-z_][A-Za-z0-9_]*)\}", text)) if "{" in text else set()


def _captures(tokens: list[tuple[str | None, str | None]]) -> str:
    return "".join(rf"(?P<{name}>[A-Za-z0-9_-]+)" if name else _sign(sign or "") for name, sign in tokens) + r"\Z"


def _stars(tokens: list[tuple[str | None, str | None]]) -> str:
    """Each part between stars is found at its first place and never again (an atomic group): no backtracking."""
    parts: list[str] = [""]
    for _, sign in tokens:
        if sign == "*":
            parts.append("")
        else:
            parts[-1] += _sign(sign or "")
    if len(parts) == 1:
        return parts[0] + r"\Z"
    middle = "".join(rf"(?>.*?{part})" for part in parts[1:-1])
    return rf"{parts[0]}{middle}.*{parts[-1]}\Z"


def _sign(sign: str) -> str:
    return {"?": ".", "*": ".*"}.get(sign) or re.escape(sign)
