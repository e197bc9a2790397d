"""Our own records read as what happened when: calls, guesses and servers on one clock, live sessions too.

The format is `proxy/recorder.py`'s. Older records hold calls and sums only; of those, what guesses did is known as far
as the sums tell. All times are seconds since 1970.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from paste_mcp.store.history.lines import Lines
from paste_mcp.store.history.recordings import further_parts, is_further_part
from paste_mcp.store.traces import TraceError

WORDLESS_S: Final = 12 * 3600.0
"""A session without an end, whose proxy seems to live, counts as over after so many seconds without a word."""
SENDING: Final = ("annotated", "listed")
"""The modes in which guesses are sent."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the agent that was answered."""

    n: int
    turn: int
    server: str
    tool: str
    began: float
    ended: float
    answered: str
    """hit, late_hit, promoted or miss."""
    status: str = "ok"
    read_only: bool = False
    eligible: bool = False
    """The policy would have let it run early."""
    guess: int | None = None
    """The guess that answered it, or in shadow would have."""
    hidden_s: float = 0.0
    """Seconds of waiting that the agent was spared; in shadow, would have been."""

    @property
    def waited_s(self) -> float:
        return max(0.0, self.ended - self.began)


@dataclass(frozen=True, slots=True)
class Guess:
    """A speculative call; with `shadow`, one that would have been sent."""

    id: int
    server: str
    tool: str
    pattern: str
    probability: float
    issued: float
    state: str = "live"
    """live, hit, late hit, unused, preempted, stale or failed."""
    ended: float | None = None
    """When the server's answer came, if it did."""
    settled: float | None = None
    hidden_s: float = 0.0
    wasted_s: float = 0.0
    shadow: bool = False

    @property
    def useful(self) -> bool:
        return self.state in ("hit", "late hit")

    @property
    def wasted(self) -> bool:
        return not self.useful and self.state != "live"


@dataclass(frozen=True, slots=True)
class ServerChange:
    """A server came up, or went down."""

    server: str
    up: bool
    at: float


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a host, as far as it is recorded."""

    id: str
    opened: float
    calls: tuple[Call, ...] = ()
    guesses: tuple[Guess, ...] = ()
    withheld: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)
    """(server, tool, pattern, why) -> how often a call was foreseen and not sent."""
    servers: tuple[ServerChange, ...] = ()
    closed: float | None = None
    summary: Mapping[str, Any] | None = None
    host: str = ""
    pid: int | None = None
    modes: Mapping[str, str] = field(default_factory=dict)
    arm: str | None = None
    """In a comparison: `on` or `control`."""
    limits: Mapping[str, float] = field(default_factory=dict)
    detailed: bool = True
    """False for older records, which do not tell of single guesses."""

    @property
    def began(self) -> float:
        """When the first call was made, or the session opened."""
        return self.calls[0].began if self.calls else self.opened

    @property
    def ended(self) -> float:
        """When the last thing happened that is known."""
        ends = [call.ended for call in self.calls[-8:]] + [guess.settled or guess.issued for guess in self.guesses[-8:]]
        return self.closed or max(ends, default=self.opened)

    @property
    def shadow(self) -> bool:
        """Nothing was sent unasked, by the configuration or as the control of a comparison."""
        return self.arm == "control" or not any(mode in SENDING for mode in self.modes.values())

    def live(self, now: float) -> bool:
        """Whether its proxy still runs, as far as can be told."""
        if self.closed is not None or now - self.ended > WORDLESS_S:
            return False
        return self.pid is None or os.name != "posix" or _runs(self.pid)


def session_files(folder: Path) -> list[Path]:
    """The records in `folder`, one for each session: those in which it goes on are read with it."""
    return [path for path in sorted(folder.glob("*.jsonl")) if not is_further_part(path)]


def read_sessions(paths: Iterable[Path]) -> Iterator[Session]:
    """The sessions of these records and folders of records; raises `TraceError` for what cannot be read."""
    for path in paths:
        for file in session_files(path) if path.is_dir() else [path]:
            if (session := read_session(file)) is not None:
                yield session


def read_session(path: Path) -> Session | None:
    """The session of one record with all its parts; None where it is none of ours. Raises `TraceError`."""
    reading = _Reading()
    for part in (path, *further_parts(path)):
        for line in Lines(part):
            reading.take(line)
    return reading.session(path.name.partition(".")[0])


class SessionStore:
    """The records of a state folder, read again only where they have grown."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[Path, tuple[tuple[int, int], Session | None]] = {}

    def sessions(self, since: float = 0.0) -> list[Session]:
        """Those that did anything since then, the latest first."""
        kept: dict[Path, tuple[tuple[int, int], Session | None]] = {}
        for path in session_files(self.folder):
            try:
                stats = [part.stat() for part in (path, *further_parts(path))]
                if max(stat.st_mtime for stat in stats) < since:
                    continue
                mark = (sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats))
                held = self._read.get(path)
                kept[path] = held if held is not None and held[0] == mark else (mark, read_session(path))
            except (OSError, TraceError):
                continue  # pruned, or unreadable: the others are still worth showing
        self._read |= kept
        found = [session for _, session in kept.values() if session is not None and session.ended >= since]
        return sorted(found, key=lambda session: -session.ended)

    def mark(self) -> tuple[int, int]:
        """Changes whenever a record grows, comes or goes."""
        sizes = []
        for path in self.folder.glob("*.jsonl"):
            try:
                sizes.append(path.stat().st_size)
            except OSError:
                continue
        return len(sizes), sum(sizes)


class _Reading:
    """One record, line by line. What is malformed is left out."""

    def __init__(self) -> None:
        self._opening: dict[str, Any] = {}
        self._calls: list[Call] = []
        self._guesses: dict[int, Guess] = {}
        self._withheld: Counter[tuple[str, str, str, str]] = Counter()
        self._servers: list[ServerChange] = []
        self._end: dict[str, Any] = {}
        self._known = False

    def take(self, line: dict[str, Any]) -> None:
        try:
            self._take(line)
        except (KeyError, TypeError, ValueError):
            return

    def _take(self, line: dict[str, Any]) -> None:
        if "session" not in line:
            return
        self._known = True
        if "n" in line:
            self._calls.append(_call(line))
        elif "issued" in line:
            self._guesses[line["guess"]] = _guess(line)
        elif "state" in line:
            self._settle(line)
        elif "withheld" in line:
            for server, tool, pattern, why, count in line["withheld"]:
                self._withheld[str(server), str(tool), str(pattern), str(why)] += int(count)
        elif "up" in line:
            self._servers.append(ServerChange(str(line["server"]), bool(line["up"]), float(line["at"])))
        elif "opened" in line:
            self._opening = line
        elif "summary" in line:
            self._end = line

    def _settle(self, line: dict[str, Any]) -> None:
        guess = self._guesses[line["guess"]]
        ended = line.get("ended")
        self._guesses[line["guess"]] = replace(
            guess,
            state=str(line["state"]),
            ended=None if ended is None else float(ended),
            settled=float(line["settled"]),
            hidden_s=float(line.get("hidden_s", 0.0)),
            wasted_s=float(line.get("wasted_s", 0.0)),
        )

    def session(self, id: str) -> Session | None:
        if not self._known or not (self._calls or self._opening):
            return None
        calls = sorted(map(self._helped, self._calls), key=lambda call: (call.began, call.n))
        opening, closed = self._opening, self._end.get("closed")
        return Session(
            id=str(opening.get("session", id)),
            opened=float(opening.get("opened", calls[0].began if calls else 0.0)),
            calls=tuple(calls),
            guesses=tuple(self._guesses.values()),
            withheld=self._withheld,
            servers=tuple(self._servers),
            closed=float(closed) if closed is not None else calls[-1].ended if self._end and calls else None,
            summary=self._end.get("summary"),
            host=str(opening.get("host", "")),
            pid=opening.get("pid"),
            modes=opening.get("modes", {}),
            arm=opening.get("arm"),
            limits=opening.get("limits", {}),
            detailed=bool(opening),
        )

    def _helped(self, call: Call) -> Call:
        """In shadow the call itself shows how long its tool took: better than what was usual."""
        guess = None if call.guess is None else self._guesses.get(call.guess)
        if guess is None or not guess.shadow:
            return call
        spared_s = min(call.began - guess.issued, call.waited_s)
        self._guesses[guess.id] = replace(guess, hidden_s=spared_s)
        return replace(call, hidden_s=spared_s)


def _call(line: dict[str, Any]) -> Call:
    return Call(
        n=int(line["n"]),
        turn=int(line.get("turn", line["n"])),
        server=str(line["server"]),
        tool=str(line["tool"]),
        began=float(line["started"]),
        ended=float(line["ended"]),
        answered=str(line.get("answered", "miss")),
        status=str(line.get("status", "ok")),
        read_only=line.get("read_only") is True,
        eligible=line.get("eligible", line.get("read_only")) is True,
        guess=line.get("guess"),
        hidden_s=float(line.get("hidden_s", 0.0)),
    )


def _guess(line: dict[str, Any]) -> Guess:
    return Guess(
        id=int(line["guess"]),
        server=str(line["server"]),
        tool=str(line["tool"]),
        pattern=str(line["pattern"]),
        probability=float(line["probability"]),
        issued=float(line["issued"]),
        shadow=line.get("shadow") is True,
    )


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
