"""Reads JSON as people keep it in configuration files: comments and trailing commas allowed, duplicate keys refused.

A reader of its own for two reasons: the standard one cannot say in which line a key occurs twice, and editors that
share these files (VS Code, Zed) write comments. It reads characters one construct at a time, so what looks like a
comment inside a text stays text. Everything else is strict JSON.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from paste_mcp.config.errors import ConfigError, quoted_key

DEEPEST = 64
"""Levels of nesting that are read."""

_SPACE = re.compile(r"[ \t\r\n]+")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 64
"""Characters of a number; Python refuses to read very long ones."""
_WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Span:
    """Where a value stands in its text: characters `start` to `end`. `key` is where its key begins, if it has one."""

    key: int | None
    start: int
    end: int


Spans: TypeAlias = dict[tuple[str, ...], Span]
"""By path from the top: keys, and positions in lists as texts."""


def read_jsonc(text: str, source: str) -> Any:
    """The JSON value that the text holds; `source` names it in errors. Raises ConfigError: `SOURCE:LINE:COL: ...`."""
    return read_spans(text, source)[0]


def read_spans(text: str, source: str) -> tuple[Any, Spans]:
    """The same, and where each value stands, for those who change the text. Raises ConfigError."""
    reader = _Reader(text, source)
    reader.skip()
    if reader.at == len(text):
        reader.fail('the file is empty; write {"mcpServers": {...}}')
    value = reader.value((), 0)
    reader.skip()
    if reader.at < len(text):
        reader.fail("nothing may follow the end of the configuration; remove it")
    return value, reader.spans


def after_space(text: str, at: int) -> int:
    """The position behind the white space and the comments that begin at `at`."""
    reader = _Reader(text, "")
    reader.at = at
    reader.skip()
    return reader.at


class _Reader:
    """A position in a text, and the constructs that may start there."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.at = 0
        self.taken = 0
        """Behind the bracket or comma that was passed last."""
        self.spans: Spans = {}

    def error(self, message: str, at: int | None = None) -> ConfigError:
        """The error about a position, by default the present one, to be raised."""
        where = self.at if at is None else at
        column = where - self.text.rfind("\n", 0, where)
        return ConfigError(f"{self.source}:{self.line(where)}:{column}: {message}")

    def fail(self, message: str, at: int | None = None) -> NoReturn:
        """Raise the error about a position."""
        raise self.error(message, at)

    def line(self, at: int) -> int:
        """The number, from 1, of the line that holds a position."""
        return self.text.count("\n", 0, at) + 1

    def skip(self) -> None:
        """Pass white space and comments."""
        while True:
            if space := _SPACE.match(self.text, self.at):
                self.at = space.end()
            if self.text.startswith("//", self.at):
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text.startswith("/*", self.at):
                end = self.text.find("*/", self.at + 2)
                if end < 0:
                    self.fail("this comment is never closed; write */")
                self.at = end + 2
            else:
                return

    def take(self, character: str) -> bool:
        """Pass the character and what space follows, if it is the next one."""
        if not self.text.startswith(character, self.at):
            return False
        self.at += 1
        self.taken = self.at
        self.skip()
        return True

    def value(self, path: tuple[str, ...], depth: int, key: int | None = None) -> Any:
        """The value that starts here. `path` names it in errors, `key` is where its key begins."""
        start = self.at
        found = self.plain_value(path, depth)
        end = self.taken if self.text[start] in "{[" else self.at
        self.spans[path] = Span(key, start, end)
        return found

    def plain_value(self, path: tuple[str, ...], depth: int) -> Any:
        """The value, its place not noted."""
        if depth > DEEPEST:
            self.fail(f"nested more than {DEEPEST} levels deep")
        start = self.text[self.at : self.at + 1]
        if start == "{":
            return self.object(path, depth)
        if start == "[":
            return self.array(path, depth)
        if start == '"':
            return self.string()
        if number := _NUMBER.match(self.text, self.at):
            return self.number(number)
        for word, meaning in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return meaning
        if not start:
            self.fail("the file ends in the middle; a closing bracket is missing")
        if start == "'":
            self.fail('text goes in double quotes (")')
        raise self.error("a value is expected here: text in double quotes, a number, true, false, null, { or [")

    def object(self, path: tuple[str, ...], depth: int) -> dict[str, Any]:
        """An object; the same key twice is refused, as readers disagree about which of the two counts."""
        found: dict[str, Any] = {}
        positions: dict[str, int] = {}
        self.take("{")
        while not self.take("}"):
            at = self.at
            if not self.text.startswith('"', at):
                self.fail("a key in double quotes or } is expected here")
            key = self.string()
            if key in positions:
                place = f" in {'.'.join(map(quoted_key, path))}" if path else ""
                first = self.line(positions[key])
                self.fail(f"{quoted_key(key)} occurs twice{place} (first in line {first}); rename or remove one", at)
            positions[key] = at
            self.skip()
            if not self.take(":"):
                self.fail("a colon (:) is expected after a key")
            found[key] = self.value((*path, key), depth + 1, at)
            self.separator("}")
        return found

    def array(self, path: tuple[str, ...], depth: int) -> list[Any]:
        """A list."""
        found: list[Any] = []
        self.take("[")
        while not self.take("]"):
            found.append(self.value((*path, str(len(found))), depth + 1))
            self.separator("]")
        return found

    def separator(self, closing: str) -> None:
        """Pass the comma between two values, which the last value may have too."""
        self.skip()
        if not self.take(",") and not self.text.startswith(closing, self.at):
            self.fail(f"a comma or {closing} is expected here")

    def string(self) -> str:
        """A text in double quotes."""
        literal = _STRING.match(self.text, self.at)
        if literal is None:
            self.fail("this text is not closed on its line, or holds a control character")
        try:
            text: str = json.loads(literal.group())
        except ValueError:
            raise self.error(r"this text holds an escape that JSON does not have; a backslash is written \\") from None
        self.at = literal.end()
        return text

    def number(self, literal: re.Match[str]) -> int | float:
        """A number; one that cannot be carried exactly enough to be finite is refused."""
        digits = literal.group()
        number: int | float = json.loads(digits) if len(digits) <= _LONGEST_NUMBER else math.inf
        if not math.isfinite(number):
            self.fail("this number is too large")
        self.at = literal.end()
        return number
