"""Writes down what happens in a session while it happens, as JSON lines:

    {"session", "opened", "version", "pid", ...}      first: when and by whom it was held, under which settings
    {"session", "n", "tool", ...}                     a call that was answered
    {"session", "guess", "issued", ...}               a guess was sent (with `shadow`: would have been)
    {"session", "guess", "state", ...}                ... and what became of it
    {"session", "withheld": [...]}                    what was foreseen and not sent, why, how often
    {"session", "server", "up", "at"}                 a server came up or went down
    {"session", "summary"}                            last: the sums

Times are seconds since 1970. What was written stays when the proxy is killed. By default no value is kept: of each
argument its keyed digest and where it came from (which earlier call, which place), which is enough to mine and explain
a session. The key never leaves this machine.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from paste_mcp.core.commands import Demand, Hit, Join
from paste_mcp.core.model import Json, Payload, Status
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.speculation.journal import Issued, Note, Settled, Withheld
from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.proxy import clock
from paste_mcp.proxy.telemetry import SessionTelemetry
from paste_mcp.proxy.wire import encode
from paste_mcp.store.digests import digest_of, installation_key
from paste_mcp.store.folders import make_private
from paste_mcp.store.secrets import is_secret

logger = logging.getLogger("paste_mcp")

Record = Literal["derivations", "full", "off"]

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_TOTAL_BYTES = 128 * 1024 * 1024
MAX_PLACES = 3
"""Origins noted for one argument value."""
MAX_LEAVES = 64
MAX_PENDING = 1024
"""Lines that may wait for the next lull; beyond that, what guesses did is left out."""
_PLAIN_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,40}")


class Recorder:
    """The record of one session in `folder`. Nothing is written before the first call, nor with `off`.

    A disk that fails costs the record, never the session: it is reported once and given up.
    """

    def __init__(
        self,
        folder: Path,
        mode: Record,
        session: str,
        opening: Mapping[str, Any] | None = None,
        spans: SessionTelemetry | None = None,
    ) -> None:
        """`opening` is what else is to be said of the session in its first line; `spans` hear what is noted."""
        self.spans = spans
        self.opening: dict[str, Any] = {"opened": clock.wall(), "pid": os.getpid(), **(opening or {})}
        self._pending: list[dict[str, Any]] = []
        self._withheld: Counter[tuple[str, str, str, str]] = Counter()
        self._hidden_s: dict[int, float] = {}
        self._folder = folder
        self._mode: Record = mode
        self._session = session
        self._calls = 0
        self._part = 0
        self._file: int | None = None
        self._written = 0
        self._key = b""

    def call(
        self,
        demand: Demand,
        answered: str,
        status: Status,
        payload: Payload,
        result: dict[str, Any] | None,
        returned_at: float,
        values: ValueIndex,
    ) -> None:
        """Note one call. `values` must not hold the call itself yet."""
        if self._mode == "off":
            return
        ended = clock.wall() - (clock.now() - returned_at)
        record = {
            "session": self._session,
            "n": self._calls,
            "turn": demand.turn,
            "server": demand.call.server,
            "tool": _tool_of(demand),
            "definition": demand.key.definition if demand.key else "",
            "read_only": demand.read,
            "eligible": demand.eligible,
            "is_error": status == "error",
            "status": status,
            "started": round(ended - (returned_at - demand.began), 6),
            "ended": round(ended, 6),
            "answered": answered,
        }
        if (guess := _guess_of(demand, answered)) is not None:
            record |= {"guess": guess, "hidden_s": round(self._hidden_s.pop(guess, 0.0), 6)}
        self._calls += 1
        arguments = dict(demand.call.arguments)
        if self._mode == "full":
            record |= {"arguments": arguments, "result": result if payload.document is not None else payload.text}
        self._write(lambda: record | {"derivations": self._derivations(arguments, values)})

    def note(self, note: Note, now: float) -> None:
        """Note what a guess does; written with `flush`, as a demand may be waiting."""
        if self.spans is not None:
            self.spans.heard(note, now)
        if self._mode == "off":
            return
        if isinstance(note, Withheld):
            call = note.prediction.call
            self._withheld[call.server, call.tool, note.prediction.pattern, note.why] += 1
            return
        wall = clock.wall() - (clock.now() - now)
        if isinstance(note, Settled) and note.hidden_s:
            self._hidden_s[note.id] = note.hidden_s
        self._add(_issued(note, wall) if isinstance(note, Issued) else _settled(note, wall, now))

    def server(self, alias: str, *, up: bool) -> None:
        """Note that a server came up or went down."""
        self._add({"server": alias, "up": up, "at": round(clock.wall(), 6)})

    def flush(self) -> None:
        """Write down what is pending, if the session has a record: before its first call it has none."""
        if self._file is None:
            return
        pending, self._pending = self._pending, []
        if self._withheld:
            pending.append({"withheld": [[*key, count] for key, count in self._withheld.items()]})
            self._withheld.clear()
        for line in pending:
            self._write(lambda line=line: {"session": self._session, **line})

    def close(self, ledger: Ledger) -> None:
        """Note the session's sums and close the file; nothing is written after."""
        if self._file is not None:
            self.flush()
            closed = {"closed": round(clock.wall(), 6), "summary": ledger.as_dict()}
            self._write(lambda: {"session": self._session, **closed})
            if self._file is not None:
                os.close(self._file)
            self._file = None
        self._mode = "off"

    def _derivations(self, arguments: dict[str, Json], values: ValueIndex) -> dict[str, Any]:
        """Of each value in the arguments: its digest, and up to three places where the session had it before."""
        found: dict[str, Any] = {}
        for path, leaf in _leaves(arguments):
            if (digest := digest_of(self._key, leaf)) is None:
                continue
            places = [
                {"call": place.event, "in": place.source, "steps": [_masked(step) for step in place.steps]}
                for place in values.places(leaf)[:MAX_PLACES]
            ]
            found.setdefault(path, {"digest": digest, "from": places})
        return found

    def _add(self, line: dict[str, Any]) -> None:
        if self._mode != "off" and len(self._pending) < MAX_PENDING:
            self._pending.append(line)

    def _write(self, record: Any) -> None:
        if self._mode == "off":
            return
        try:
            if self._file is None or self._written > MAX_FILE_BYTES:
                self._open()
            assert self._file is not None
            line = encode(record())
            os.write(self._file, line)
            self._written += len(line)
        except OSError as error:
            self._mode = "off"
            logger.warning("recording stopped: %s", error)

    def _open(self) -> None:
        if self._file is not None:
            os.close(self._file)
        make_private(self._folder)
        self._key = self._key or installation_key(self._folder / "key")
        prune(self._folder, MAX_TOTAL_BYTES)
        path = self._folder / f"{self._session}{f'.{self._part}' if self._part else ''}.jsonl"
        self._part += 1
        self._written = 0
        # Created with its mode, not changed afterwards: there is no moment at which others could open it.
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if self._part == 1:
            os.write(self._file, encode({"session": self._session, **self.opening}))


def _guess_of(demand: Demand, answered: str) -> int | None:
    """The guess that answered the demand, or in shadow would have."""
    if answered in ("hit", "late_hit") and isinstance(demand.answer, Hit | Join):
        return demand.answer.id
    return demand.shadow


def _issued(note: Issued, wall: float) -> dict[str, Any]:
    line = {
        "guess": note.id,
        "issued": round(wall, 6),
        "server": note.key.server,
        "tool": note.key.tool,
        "pattern": note.prediction.pattern,
        "probability": round(note.prediction.probability, 4),
    }
    return line | {"shadow": True} if note.shadow else line


def _settled(note: Settled, wall: float, now: float) -> dict[str, Any]:
    line = {
        "guess": note.id,
        "state": note.state,
        "began": round(wall - (now - note.began), 6),
        "ended": None if note.ended is None else round(wall - (now - note.ended), 6),
        "settled": round(wall, 6),
        "hidden_s": round(note.hidden_s, 6),
        "wasted_s": round(note.wasted_s, 6),
    }
    return line | {"shadow": True} if note.shadow else line


def prune(folder: Path, limit_bytes: int) -> None:
    """Delete the oldest records until those that remain fit into `limit_bytes`."""
    records = sorted(((p.stat().st_mtime, p.stat().st_size, p) for p in folder.glob("*.jsonl")), reverse=True)
    total = 0
    for _, size, path in records:
        total += size
        if total > limit_bytes:
            path.unlink(missing_ok=True)


def _leaves(arguments: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    """(path, scalar) of the values in the arguments, the first few of them."""
    stack: list[tuple[str, Json]] = [(str(_masked(name)), value) for name, value in reversed(arguments.items())]
    left = MAX_LEAVES
    while stack and left:
        path, value = stack.pop()
        if isinstance(value, dict):
            stack.extend((f"{path}.{_masked(name)}", inner) for name, inner in reversed(value.items()))
        elif isinstance(value, list):
            stack.extend((f"{path}[{i}]", value[i]) for i in reversed(range(len(value))))
        else:
            left -= 1
            yield path, value


def _masked(step: str | int) -> str | int:
    """A step of a path, but for member names that may be data themselves (file names, titles, keys to other doors)."""
    return step if isinstance(step, int) or (_PLAIN_MEMBER.fullmatch(step) and not is_secret(step)) else "*"


def _tool_of(demand: Demand) -> str:
    """The tool's name. One that its server never listed may be anything."""
    tool = demand.call.tool
    listed = demand.key is not None and demand.key.definition
    return tool if listed or not is_secret(tool) else "*"
