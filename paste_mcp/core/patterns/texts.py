"""Values in plain text, each under the name of the place it has there: a label, a tag, a list item, an address.

What makes a place recognisable in the next answer of the same tool is the text around it that stays the same. This
module knows text only. Work is linear in the text, which the caller bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from paste_mcp.core.patterns import typed

MAX_LINES: Final = 500
MAX_LINE: Final = 400
"""Characters of a line that are looked at."""
MAX_VALUE: Final = 256

_LABELLED: Final = re.compile(
    r"[\"'`*]{0,3}(?P<label>[A-Za-z_][\w .#-]{0,31}?)[\"'`*]{0,3}\s{0,2}[:=]\s{0,2}"
    r"(?:\"(?P<double>[^\"]{1,256})\"|'(?P<single>[^']{1,256})'|`(?P<tick>[^`]{1,256})`|(?P<bare>[^\s,;|)\]}\"'`]{1,256}))"
)
_TAGGED: Final = re.compile(r"\[(?P<tag>[A-Za-z_ ]{1,16})\]\s{1,3}(?P<rest>\S.{0,256})\Z")
_ITEM: Final = re.compile(r"(?:[-*•]|\d{1,3}[.)])\s{1,3}(?P<rest>\S.{0,256})\Z")
_QUOTED: Final = re.compile(r"\"([^\"\n]{1,128})\"(?!\s?:)|'([^'\n]{1,128})'(?!\s?:)|`([^`\n]{1,128})`")
_CELLS: Final = re.compile(r"\s*\|\s*")


def values_in(text: str) -> Iterator[tuple[str, str]]:
    """(place, value) of what may be an argument later, in order within each kind of place."""
    yield from values_in_lines(text)
    for url in typed.urls(text):
        yield "url", url
    for path in typed.paths(text):
        yield "path", path
    for found in typed.ids(text):
        yield "id", found


def values_in_lines(text: str) -> Iterator[tuple[str, str]]:
    """(place, value) of what single lines show, in order."""
    for whole in text.split("\n", MAX_LINES)[:MAX_LINES]:
        if line := whole[:MAX_LINE].strip():
            yield from _in_line(line)


def _in_line(line: str) -> Iterator[tuple[str, str]]:
    if len(line) <= MAX_VALUE:
        yield "line", line
    if tagged := _TAGGED.match(line):
        yield f"tag:{tagged['tag'].lower()}", tagged["rest"]
    elif item := _ITEM.match(line):
        yield "item", item["rest"]
    if "|" in line:
        for number, cell in enumerate(_CELLS.split(line.strip("| "))[:12]):
            if 0 < len(cell) <= MAX_VALUE:
                yield f"cell:{number}", cell
    if ":" in line or "=" in line:
        for found in _LABELLED.finditer(line):
            value = found["double"] or found["single"] or found["tick"] or found["bare"]
            label = " ".join(found["label"].lower().split())
            yield f"label:{label}", value.rstrip(".")
        label, colon, rest = line.partition(":")
        if colon and 0 < len(label) <= 32 and " " in rest.strip():
            yield f"rest:{label.strip(' -*').lower()}", rest.strip()
    for found in _QUOTED.finditer(line):
        yield "quoted", found[1] or found[2] or found[3]
