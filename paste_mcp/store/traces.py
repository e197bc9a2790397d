"""Traces of agents' tool calls: JSON lines, one session to a line, plain or gzip, streamed into frozen data.

    {"session": "...", "task": "...", "model": "...", "source": "...",
     "calls": [{"tool": "...", "server": "...", "arguments": {...}, "result": "text" | null, "is_error": bool | null,
                "turn": 0, "read_only": bool | null, "started": seconds | null, "ended": seconds | null}]}

Only `calls` and each call's `tool` are needed. Calls that share a `turn` ran side by side. The dataclasses say nothing
of this format, so that other logs can be read into the same.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from paste_mcp.core.model import Json, Payload, Status
from paste_mcp.core.patterns.extract import payload_of, status_of

MAX_LINE: Final = 64 * 1024 * 1024
"""Bytes of one session."""
MAX_CALLS: Final = 20_000
"""Calls of one session."""
MAX_SESSIONS: Final = 100_000
"""Sessions of one file."""

_MCP_NAME: Final = re.compile(r"mcp__(.+?)__(.+)")
_SNAKE: Final = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)+")


@dataclass(frozen=True, slots=True)
class TracedCall:
    """One call that was made, and what came of it. Times are seconds on a clock of the trace's own."""

    server: str
    """The server's name, "" where the trace does not tell."""
    tool: str
    arguments: Mapping[str, Json]
    result: Payload
    status: Status
    turn: int
    """Counts the model's messages with calls, from 0; calls of one message share it."""
    read_only: bool | None
    """What the server's annotation said, or would have said; None where nobody knows."""
    started: float | None
    ended: float | None
    name: str
    """The tool as the trace writes it."""


@dataclass(frozen=True, slots=True)
class TracedSession:
    """One run of an agent on one task."""

    id: str
    task: str
    model: str
    source: str
    calls: tuple[TracedCall, ...]


class TraceError(ValueError):
    """A trace that cannot be used; `str()` is one line: `FILE:LINE: PROBLEM; REMEDY`. `line` counts from 1."""

    def __init__(self, path: Path, line: int | None, problem: str, remedy: str) -> None:
        where = str(path) if line is None else f"{path}:{line}"
        super().__init__(" ".join(f"{where}: {problem}; {remedy}".split()))


def trace_name(path: Path) -> str:
    """What a trace file is called in reports: its name up to the first suffix."""
    return path.name.partition(".")[0] or path.name


def read_traces(path: Path) -> Iterator[TracedSession]:
    """The sessions of one file, one at a time. Raises `TraceError`, also where the file cannot be read."""
    for line, text in _lines(path):
        if line > MAX_SESSIONS:
            raise TraceError(path, line, f"more than {MAX_SESSIONS} sessions", "split the file")
        if text.strip():
            try:
                yield session_of(text, f"{trace_name(path)}:{line}")
            except BrokenSession as broken:
                raise TraceError(path, line, *broken.args) from None


class BrokenSession(ValueError):
    """One line that is no session: what is wrong with it, and how to mend it."""


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers, none longer than the limit, unpacked where the file is gzip."""
    number = 0
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file = gzip.GzipFile(fileobj=raw) if packed else raw
            while text := file.readline(MAX_LINE + 1):
                number += 1
                if len(text) > MAX_LINE:
                    raise TraceError(path, number, f"longer than {MAX_LINE >> 20} MiB", "leave out large results")
                yield number, text
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise TraceError(path, number + 1, "damaged gzip data", "copy the file again") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TraceError(path, None, f"cannot be read: {reason}", "check the path and its rights") from None


def session_of(text: str | bytes, name: str) -> TracedSession:
    """The session that one line holds; it is called `name` where it does not say. Raises `BrokenSession`."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply, or no UTF-8 text"
        raise BrokenSession(f"not JSON ({problem})", "one JSON object to a line") from None
    if not isinstance(data, dict) or not isinstance(calls := data.get("calls"), list):
        raise BrokenSession("no session", 'a line is an object with a list of "calls"')
    if len(calls) > MAX_CALLS:
        raise BrokenSession(f"more than {MAX_CALLS} calls", "split the session")
    id = _text(data, "session") or name
    read: list[TracedCall] = []
    for position, call in enumerate(calls):
        try:
            read.append(_call(call, read[-1].turn if read else -1))
        except BrokenSession as broken:
            problem, remedy = broken.args
            raise BrokenSession(f"calls[{position}]: {problem}", remedy) from None
    return TracedSession(id, _text(data, "task") or id, _text(data, "model"), _text(data, "source"), tuple(read))


def _call(data: Any, last_turn: int) -> TracedCall:
    if not isinstance(data, dict) or not isinstance(name := data.get("tool"), str) or not name:
        raise BrokenSession("no tool", 'a call is an object with a "tool" name')
    arguments = data.get("arguments")
    if not isinstance(arguments, dict | None):
        raise BrokenSession("arguments are no object", 'write {"name": value}')
    turn = data.get("turn")
    turn = last_turn + 1 if turn is None else turn
    if type(turn) is not int or turn < last_turn:
        raise BrokenSession("the turn is no whole number, or goes back", "write the calls in order")
    server, tool = (data["server"], name) if isinstance(data.get("server"), str) else split_name(name)
    result = data.get("result")
    text = result if isinstance(result, str) else "" if result is None else json.dumps(result)
    raw: dict[str, Json] = {"content": [{"type": "text", "text": text}], "isError": data.get("is_error") is True}
    read_only = data.get("read_only")
    return TracedCall(
        server=server,
        tool=tool,
        arguments=arguments or {},
        result=payload_of(raw),
        status=status_of(raw),
        turn=turn,
        read_only=read_only if isinstance(read_only, bool) else None,
        started=_seconds(data.get("started")),
        ended=_seconds(data.get("ended")),
        name=name,
    )


def split_name(name: str) -> tuple[str, str]:
    """(server, tool) of a name that holds both, by the ways in which hosts write them; ("", name) where it does not.

    `mcp__server__tool`; `server/tool`; `server-snake_tool`, where what follows the last hyphen is snake case.
    """
    if match := _MCP_NAME.fullmatch(name):
        return match[1], match[2]
    server, slash, tool = name.rpartition("/")
    if slash and server and tool:
        return server, tool
    server, hyphen, tool = name.rpartition("-")
    if hyphen and server and _SNAKE.fullmatch(tool):
        return server, tool
    return "", name


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
