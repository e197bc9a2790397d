"""Servers taken out of a TOML file and put into it, as text: comments, order and layout of the rest stay.

A piece is the text of a server's tables, `[mcp_servers.NAME]` and those below it, without the comments and blank lines
that follow its last line: those belong to what comes next. A server that is written in any other way (inline, dotted
keys) has no piece, and so cannot be moved. A library that writes TOML would take such comments for the table's.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from paste_mcp.config.errors import ConfigError

_HEADER = re.compile(r"[ \t]*\[.+\][ \t]*(?:#.*)?$")
HIDDEN = "•••"
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'")
_ASSIGNED = re.compile(r"""([ \t]*)((?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')(?:[ \t]*\.[^=\n]*)?)([ \t]*=[ \t]*)(.*)""")


def read(text: str, source: str) -> Any:
    """The file's data. Raises ConfigError."""
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{source}: is not TOML: {error}") from None


def pieces(text: str, keys: Sequence[str], source: str) -> dict[str, str]:
    """Every server's piece, by name, in the order of the file; those without one are left out."""
    servers = read(text, source)
    for key in keys:
        servers = servers.get(key, {})
    found: dict[str, str] = {}
    for table in _tables(text, keys):
        found[table.name] = found.get(table.name, "") + table.text
    return {name: piece for name, piece in found.items() if _alone(piece, keys) == {name: servers.get(name)}}


def swap(text: str, keys: Sequence[str], out: Collection[str], into: Mapping[str, str], source: str) -> str:
    """The text without the servers `out`; in the place of the first of them, or at the end, the pieces `into`."""
    newline = "\r\n" if "\r\n" in text else "\n"
    new = newline.join(piece.rstrip("\r\n") + newline for piece in into.values())
    leaving = [table for table in _tables(text, keys) if table.name in out]
    if new and not leaving:
        gap = "" if not text or text.endswith(newline * 2) else newline if text.endswith("\n") else newline * 2
        return text + gap + new
    for table in reversed(leaving):
        if new and table is leaving[0]:
            text = text[: table.start] + new + text[table.end :]
            continue
        end = table.end
        while (blank := re.match(r"[ \t]*\r?\n", text[end:])) is not None:
            end += blank.end()
        text = text[: table.start] + text[end:]
    return text


def write(text: str, keys: Sequence[str], name: str, entry: Mapping[str, Any], source: str) -> str:
    """A new server's piece."""
    newline = "\r\n" if "\r\n" in text else "\n"
    header = ".".join(_key(key) for key in (*keys, name))
    return newline.join([f"[{header}]", *(f"{_key(key)} = {_value(value)}" for key, value in entry.items()), ""])


def region(
    text: str, keys: Sequence[str], source: str, shown: Callable[[str, tuple[str, ...], str, str], str | None]
) -> str:
    """The servers' part of the text as it may be shown: `shown` says what stands for a string, or None for itself.

    It is given the server's name, the path of the string in it, the string, and the string before it.
    """
    return "\n".join(line for table in _tables(text, keys) for line in _shown_lines(table, partial(shown, table.name)))


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of a server's: its place in the text."""

    name: str
    below: tuple[str, ...]
    start: int
    end: int
    text: str


def _tables(text: str, keys: Sequence[str]) -> list[_Table]:
    """The tables of all servers, in order."""
    starts: list[tuple[int, tuple[str, ...]]] = []
    at = 0
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line.rstrip("\r\n")) and _ends_whole(text[:at]):
            starts.append((at, _path(line)))
        at += len(line)
    found = []
    for (start, path), (stop, _) in zip(starts, [*starts[1:], (len(text), ())], strict=True):
        if len(path) > len(keys) and path[: len(keys)] == tuple(keys):
            end = start + _content(text[start:stop])
            found.append(_Table(path[len(keys)], path[len(keys) + 1 :], start, end, text[start:end]))
    return found


def _ends_whole(text: str) -> bool:
    """No string and no list is open at the end of the text, so that the next line may be a table's header."""
    try:
        tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _path(header: str) -> tuple[str, ...]:
    path: list[str] = []
    try:
        found: Any = tomllib.loads(header.strip())
    except tomllib.TOMLDecodeError:
        return ()
    while isinstance(found, dict) and found:
        path.append(next(iter(found)))
        found = found[path[-1]]
    return tuple(path)


def _content(text: str) -> int:
    """The length of the table's text up to its last line that is neither blank nor a comment."""
    lines = text.splitlines(keepends=True)
    # The last line of a string of several lines may look like a comment.
    while len(lines) > 1 and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        if not _ends_whole("".join(lines[:-1])):
            break
        lines.pop()
    return len("".join(lines))


def _alone(piece: str, keys: Sequence[str]) -> Any:
    try:
        found = tomllib.loads(piece.replace("\r\n", "\n"))
        for key in keys:
            found = found[key]
    except (tomllib.TOMLDecodeError, KeyError):
        return None
    return found


def _shown_lines(table: _Table, shown: Callable[[tuple[str, ...], str, str], str | None]) -> list[str]:
    """The table's lines as they may be shown. Of a string of several lines nothing is."""
    header, *rest = table.text.splitlines()
    lines = [header]
    key, before = table.below, ""
    for line in rest:
        assigned = None if line.lstrip().startswith("#") else _ASSIGNED.fullmatch(line)
        if assigned is not None:
            key, before = (*table.below, *_path(f"{assigned[2]} = 0")), ""
        begin = len(line) - len(assigned[4]) if assigned else 0
        if '"""' in line or "'''" in line:
            lines.append(line[:begin] + HIDDEN)
            continue
        result, at = [], begin
        for literal in _LITERAL.finditer(line, begin):
            value = tomllib.loads(f"x = {literal.group()}")["x"]
            instead = shown(key, value, before)
            result += [
                line[at : literal.start()],
                literal.group() if instead is None else json.dumps(instead, ensure_ascii=False),
            ]
            at, before = literal.end(), value
        lines.append(line[:begin] + "".join(result) + line[at:])
    return lines


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(value: Any) -> str:
    """A value as TOML writes it; its strings are JSON's."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
