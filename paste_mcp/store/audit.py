"""The audit log: which tools were called, for whom and why. Append-only JSON lines, a file for each run, no values.

    demand       the agent's call went to its server: how it ended
    speculation  a call was made early: which pattern foresaw it, by which row of the decision table, after which demand
    served       the agent asked for that call and was given its result
    settled      how an early call ended, if it was not served

Every execution has exactly one line, `demand` or `speculation`. That of an early call is written before it is sent, so
that no early call goes unwritten; where it cannot be written, the call is not made. `guess` numbers a session's early
calls, `n` its demands. Arguments are keyed digests.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from paste_mcp.core.commands import Launch
from paste_mcp.core.model import ToolCall
from paste_mcp.core.speculation.journal import Note, Settled
from paste_mcp.store.digests import digest_of, installation_key
from paste_mcp.store.folders import make_private
from paste_mcp.store.secrets import is_secret

logger = logging.getLogger("paste_mcp")

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_TOTAL_BYTES: Final = 64 * 1024 * 1024
"""Of all files; the oldest go first."""
MAX_WAITING: Final = 256
"""Lines that wait to be written."""
_SERVED: Final = ("hit", "late hit")


class AuditLog:
    """The log of one proxy in `folder`; `key` is where the installation's key is. With `wall` None nothing is kept.

    Lines of demands wait until `flush`, so that no answer waits for a disk.
    """

    def __init__(self, folder: Path, key: Path, wall: Callable[[], float] | None) -> None:
        self._folder = folder
        self._key_path = key
        self._wall = wall
        self._key = b""
        self._file: int | None = None
        self._written = 0
        self._waiting: list[dict[str, Any]] = []
        self._warned = False
        self._closed = False
        self.changed: Callable[[], None] = lambda: None
        """Called when something waits to be written."""

    def session(self, id: str) -> SessionAudit:
        return SessionAudit(self, id)

    def add(self, line: dict[str, Any], arguments: Any = None) -> None:
        """One line, with the time. It is written by the next `flush`."""
        if self._wall is None:
            return
        self._waiting.append({"at": round(self._wall(), 3), **line, "arguments": arguments})
        if self._closed:
            self.close()
        elif len(self._waiting) > MAX_WAITING:
            self.flush()
        else:
            self.changed()

    def flush(self) -> bool:
        """Write what waits. False where it cannot be written; it is kept then, as far as there is room."""
        if not self._waiting:
            return True
        try:
            if self._file is None or self._written > MAX_FILE_BYTES:
                self._open()
            assert self._file is not None
            text = b"".join(self._line(line) for line in self._waiting)
            while text:
                done = os.write(self._file, text)
                self._written += done
                text = text[done:]
        except OSError as error:
            del self._waiting[:-MAX_WAITING]
            if not self._warned:
                self._warned = True
                logger.warning("nothing runs early while the audit log cannot be written: %s", error)
            return False
        self._waiting.clear()
        self._warned = False
        return True

    def close(self) -> None:
        """Write what waits; what comes after is written as it comes."""
        self._closed = True
        self.flush()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @property
    def on(self) -> bool:
        return self._wall is not None

    def _line(self, line: dict[str, Any]) -> bytes:
        arguments = line.pop("arguments")
        if arguments is not None:
            line = {**line, "arguments": digest_of(self._key, arguments)}
        return json.dumps(line).encode() + b"\n"

    def _open(self) -> None:
        assert self._wall is not None
        if self._file is not None:
            os.close(self._file)
            self._file = None
        make_private(self._folder)
        self._key = self._key or installation_key(self._key_path)
        files = sorted((path for path in self._folder.glob("*.jsonl")), reverse=True)
        total = 0
        for path in files:
            total += path.stat().st_size
            if total > MAX_TOTAL_BYTES:
                path.unlink(missing_ok=True)
        name = f"{int(self._wall() * 1000):014d}-{secrets.token_hex(3)}.jsonl"
        # Created with its mode, not changed afterwards: there is no moment at which others could open it.
        self._file = os.open(self._folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._written = 0


class SessionAudit:
    """What one session notes."""

    def __init__(self, log: AuditLog, id: str) -> None:
        self._log = log
        self._id = id
        self._demands = 0

    def demand(self, call: ToolCall, outcome: str, *, listed: bool = True) -> None:
        """The agent's own call went to its server and ended so: ok, error or cancelled. The name of a tool that was
        never `listed` may be anything, a secret as well, and is left out then.
        """
        self._demands += 1
        if not listed and is_secret(call.tool):
            call = ToolCall(call.server, "*", call.arguments)
        self._note("demand", call, n=self._demands, outcome=outcome)

    def speculation(self, launch: Launch) -> bool:
        """This call is about to be made early. False where that cannot be written down."""
        if not self._log.on:
            return True
        why = {"pattern": launch.pattern, "row": launch.row, "after": self._demands}
        self._note("speculation", launch.call, guess=launch.id, **why)
        return self._log.flush()

    def served(self, guess: int, call: ToolCall, how: str) -> None:
        """The agent asked for a call that had been made early, and was given its result."""
        self._note("served", call, guess=guess, outcome=how)

    def heard(self, note: Note) -> None:
        """The engine's journal: how early calls ended."""
        if isinstance(note, Settled) and not note.shadow and note.state not in _SERVED:
            self._log.add({"session": self._id, "kind": "settled", "guess": note.id, "outcome": note.state})

    def _note(self, kind: str, call: ToolCall, **more: Any) -> None:
        line = {"session": self._id, "kind": kind, "server": call.server, "tool": call.tool, **more}
        self._log.add(line, dict(call.arguments))
