"""Servers taken out of a JSON file and put into it, as text: comments, order and layout of the rest stay.

A piece is a server's value as it is written. Comments beside a server that leaves stay where they are: whose they are,
nobody can tell.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paste_mcp.config.errors import ConfigError
from paste_mcp.config.jsonc import Span, after_space, read_jsonc, read_spans

BOM = "\ufeff"


def read(text: str, source: str) -> Any:
    """The file's data. Raises ConfigError."""
    return read_jsonc(text.removeprefix(BOM), source)


def pieces(text: str, keys: Sequence[str], source: str) -> dict[str, str]:
    """Every server's piece, by name, in the order of the file."""
    layout = _Layout(text.removeprefix(BOM), tuple(keys), source)
    return {member.name: layout.text[member.start : member.end] for member in layout.members}


def swap(text: str, keys: Sequence[str], out: Collection[str], into: Mapping[str, str], source: str) -> str:
    """The text without the servers `out`; in the place of the first of them, or at the end, the pieces `into`."""
    bom = BOM if text.startswith(BOM) else ""
    return bom + _Layout(text.removeprefix(BOM), tuple(keys), source).swapped(out, into)


def write(text: str, keys: Sequence[str], name: str, entry: Mapping[str, Any], source: str) -> str:
    """A new server's piece, laid out as those of the file are."""
    layout = _Layout(text.removeprefix(BOM), tuple(keys), source)
    if layout.break_ == "":
        return json.dumps(entry, ensure_ascii=False)
    unit = layout.indent[: max(1, len(layout.indent) // (len(keys) + 1))] or "  "
    lines = json.dumps(entry, ensure_ascii=False, indent=unit).split("\n")
    return (layout.newline + layout.indent).join(lines)


def region(
    text: str, keys: Sequence[str], source: str, shown: Callable[[str, tuple[str, ...], str, str], str | None]
) -> str:
    """The servers' part of the text as it may be shown: `shown` says what stands for a string, or None for itself.

    It is given the server's name, the path of the string in it, the string, and the string before it in its list.
    """
    plain = text.removeprefix(BOM)
    data, spans = read_spans(plain, source)
    whole = spans.get(tuple(keys))
    if whole is None:
        return ""
    result, at = [], whole.start
    for path, span in spans.items():
        if len(path) <= len(keys) + 1 or path[: len(keys)] != tuple(keys) or plain[span.start] != '"':
            continue
        name, inner = path[len(keys)], path[len(keys) + 1 :]
        before = _at(data, (*path[:-1], str(int(path[-1]) - 1))) if path[-1].isdecimal() and path[-1] != "0" else ""
        instead = shown(name, inner, _at(data, path), before if isinstance(before, str) else "")
        if instead is not None:
            result += [plain[at : span.start], json.dumps(instead, ensure_ascii=False)]
            at = span.end
    # What stands before the bracket on its line is the layout that the lines below go on from.
    start = plain.rfind("\n", 0, whole.start) + 1
    return plain[start : whole.start] + "".join(result) + plain[at : whole.end]


def _at(data: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        data = data[int(key)] if isinstance(data, list) else data.get(key, "")
    return data


@dataclass(frozen=True, slots=True)
class _Member:
    """A server in the text: its key begins at `key`, its value is `start` to `end`, its comma, if any, at `comma`."""

    name: str
    key: int
    start: int
    end: int
    comma: int | None


class _Layout:
    """Where in a text the servers are, and how they are laid out."""

    def __init__(self, text: str, keys: tuple[str, ...], source: str) -> None:
        self.text = text
        data, spans = read_spans(text, source)
        if keys not in spans or text[spans[keys].start] != "{":
            raise ConfigError(f"{source}: there is no object {'.'.join(keys)} in it")
        self.whole = spans[keys]
        self.members = [self._member(name, spans[*keys, name]) for name in _at(data, keys)]
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.indent, self.break_ = self._breaks(keys)

    def _member(self, name: str, span: Span) -> _Member:
        behind = after_space(self.text, span.end)
        comma = behind if self.text[behind] == "," else None
        return _Member(name, span.key or 0, span.start, span.end, comma)

    def _breaks(self, keys: tuple[str, ...]) -> tuple[str, str]:
        """What stands before a server on its line, and what separates it from the one before: nothing on one line."""
        if self.members:
            before = self._line_before(self.members[0].key)
            return (before, self.newline + before) if not before.strip() else ("", "")
        outer = self._line_before(self.whole.start)
        outer = outer[: len(outer) - len(outer.lstrip())]
        indent = outer + (outer[: max(1, len(outer) // len(keys))] or "  ")
        return indent, self.newline + indent

    def _line_before(self, at: int) -> str:
        return self.text[self.text.rfind("\n", 0, at) + 1 : at]

    def swapped(self, out: Collection[str], into: Mapping[str, str]) -> str:
        leaving = [member for member in self.members if member.name in out]
        new = f",{self.break_ or ' '}".join(
            f"{json.dumps(name, ensure_ascii=False)}: {piece}" for name, piece in into.items()
        )
        edits: list[tuple[int, int, str]] = []
        if new and leaving:
            edits.append((leaving[0].key, leaving[0].end, new))
            leaving = leaving[1:]
        elif new:
            edits.append(self._appended(new))
        for member in leaving:
            edits += self._without(member)
        gone = {member.name for member in leaving}
        kept = [member for member in self.members if member.name not in gone]
        if kept and kept[-1] is not self.members[-1] and self.members[-1].comma is None and kept[-1].comma is not None:
            edits.append((kept[-1].comma, kept[-1].comma + 1, ""))
        text = self.text
        for start, end, instead in sorted(edits, reverse=True):
            text = text[:start] + instead + text[end:]
        return text

    def _appended(self, new: str) -> tuple[int, int, str]:
        """The edit that puts something behind the last server."""
        if self.members:
            last = self.members[-1]
            if last.comma is None:
                return last.end, last.end, f",{self.break_ or ' '}{new}"
            return last.comma + 1, last.comma + 1, f"{self.break_ or ' '}{new},"
        closing = self.whole.end - 1
        outer = self._line_before(self.whole.start)
        outer = outer[: len(outer) - len(outer.lstrip())]
        begin = len(self.text[:closing].rstrip())
        begin = max(begin, self.whole.start + 1)
        return begin, closing, f"{self.break_}{new}{self.newline}{outer}"

    def _without(self, member: _Member) -> list[tuple[int, int, str]]:
        """The edits that take a server out, with its line where nothing else is on it."""
        if member.comma is not None and self.text[member.end : member.comma].strip():
            return [(member.key, member.end, ""), (member.comma, member.comma + 1, "")]  # a comment in between
        end = member.end if member.comma is None else member.comma + 1
        line = member.key - len(self._line_before(member.key))
        rest = self.text.find("\n", end)
        rest = len(self.text) if rest < 0 else rest
        if not self._line_before(member.key).strip() and not self.text[end:rest].strip():
            return [(line, rest + 1, "")]
        while end < len(self.text) and self.text[end] in " \t":
            end += 1
        return [(member.key, end, "")]
