"""Line templates: `"{path}:{line:int}:{text}"` read over a text, one line at a time, with no backtracking.

The same `{name}` notation serves the templates that compose a value. This module knows text only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from paste_mcp.core.model import Json

MAX_TEMPLATE: Final = 512
"""Characters of a template."""
MAX_FIELDS: Final = 8
MAX_LINES: Final = 1_000
"""Lines of one text that may fit."""
MAX_LINES_READ: Final = 10_000
"""Lines of one text that are looked at, fitting or not."""
MAX_LINE: Final = 4_096
"""Characters of a line; longer ones are skipped."""
MAX_DIGITS: Final = 15
"""Digits of a number field: what every JSON reader carries exactly."""

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]*))?\}|(.)", re.DOTALL)
_TYPES: Final = ("", "int", "path", "word")


class TemplateError(ValueError):
    """The text is no template; `problem` and `remedy` say why."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Field:
    """A hole. `kind`: `int` decimal digits, `path` has a separator, `word` has no blanks, empty for anything."""

    name: str
    kind: str = ""


Part: TypeAlias = str | Field


@lru_cache(maxsize=4_096)
def compile_template(text: str) -> tuple[Part, ...]:
    """Literals and fields by turns; `{{` and `}}` stand for braces. Raises `TemplateError`."""
    if len(text) > MAX_TEMPLATE:
        raise TemplateError(f"is longer than {MAX_TEMPLATE} characters", "shorten it")
    parts: list[Part] = []
    for token in _TOKEN.finditer(text):
        name, kind, sign = token.groups()
        if name:
            if (kind or "") not in _TYPES:
                raise TemplateError(f'has a field of type "{kind}"', "a type is int, path or word")
            if parts and isinstance(parts[-1], Field):
                raise TemplateError("has two fields side by side", "put the text between them that tells them apart")
            parts.append(Field(name, kind or ""))
            continue
        literal = sign or token.group()[0]
        if sign in ("{", "}"):
            raise TemplateError("has a single brace", "write {{ or }} for a brace, {name} for a field")
        if parts and isinstance(parts[-1], str):
            parts[-1] += literal
        else:
            parts.append(literal)
    names = fields_of(parts)
    if not names or len(names) > MAX_FIELDS or len(set(names)) < len(names):
        raise TemplateError(f"needs 1 to {MAX_FIELDS} fields of different names", "write a field as {name}")
    return tuple(parts)


def template_text(parts: tuple[Part, ...]) -> str:
    """The template as `compile_template` reads it."""
    return "".join(
        part.replace("{", "{{").replace("}", "}}")
        if isinstance(part, str)
        else f"{{{part.name}:{part.kind}}}"
        if part.kind
        else f"{{{part.name}}}"
        for part in parts
    )


def fields_of(parts: list[Part] | tuple[Part, ...]) -> list[str]:
    """The names of the fields, in order."""
    return [part.name for part in parts if isinstance(part, Field)]


def read_lines(parts: tuple[Part, ...], text: str) -> Iterator[tuple[int, dict[str, str | int]]]:
    """The lines of `text` that fit, with their numbers from 0 and what the fields hold; at most `MAX_LINES`.

    Only the first `MAX_LINES_READ` lines are looked at.
    """
    fitting = 0
    for number, line in enumerate(text.split("\n", MAX_LINES_READ)[:MAX_LINES_READ]):
        found = read_line(parts, line.strip())
        if found is not None:
            yield number, found
            fitting += 1
            if fitting == MAX_LINES:
                return


def read_line(parts: tuple[Part, ...], line: str) -> dict[str, str | int] | None:
    """What the fields hold if `line` fits, else None. A field ends where the next literal first occurs."""
    if len(line) > MAX_LINE:
        return None
    found: dict[str, str | int] = {}
    place = 0
    for number, part in enumerate(parts):
        if isinstance(part, str):
            if number == 0 and not line.startswith(part):
                return None
            place += len(part)
            continue
        end = _end_of_field(parts, number, line, place)
        value = _typed(part.kind, line[place:end]) if end > place else None
        if value is None:
            return None
        found[part.name] = value
        place = end
    return found


def compose(parts: tuple[Part, ...], values: Mapping[str, Json]) -> str | None:
    """The template with its fields filled by strings and integers; None where a value is neither."""
    written: list[str] = []
    for part in parts:
        text = part if isinstance(part, str) else as_text(values.get(part.name))
        if text is None:
            return None
        written.append(text)
    return "".join(written)


def as_text(value: Json) -> str | None:
    """A string, or an integer in digits; None for everything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64:
        return str(value)
    return None


def _end_of_field(parts: tuple[Part, ...], number: int, line: str, place: int) -> int:
    if number == len(parts) - 1:
        return len(line)
    literal = parts[number + 1]
    if not isinstance(literal, str):
        return -1  # never: compile_template keeps fields apart
    if number + 1 == len(parts) - 1:
        return len(line) - len(literal) if line.endswith(literal) else -1
    return line.find(literal, place + 1)


def _typed(kind: str, value: str) -> str | int | None:
    if kind == "int":
        return int(value) if value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS else None
    if kind == "path":
        return value if ("/" in value or "\\" in value) and "://" not in value else None
    if kind == "word":
        return value if len(value.split()) == 1 else None
    return value
