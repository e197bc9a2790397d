"""What the page shows, as JSON, made from the state folder each time something has changed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from paste_mcp.curate.collection import Collection
from paste_mcp.lab.report.gather import gather
from paste_mcp.lab.report.rows import rows_by
from paste_mcp.lab.report.savings import Assumptions
from paste_mcp.lab.report.waiting import waiting_of
from paste_mcp.store.dial import read_eagerness
from paste_mcp.store.history.lines import Lines
from paste_mcp.store.learnt import StoreError
from paste_mcp.store.pattern_edits import PatternFile
from paste_mcp.store.sessions import Session, SessionStore
from paste_mcp.store.state import learnt_store, own_patterns
from paste_mcp.store.traces import TraceError

DAY_S: Final = 86_400
MOST_SESSIONS: Final = 60
MOST_LINES: Final = 300


class Views:
    """Everything that is shown of one state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.store = SessionStore(state / "sessions")

    def overview(self, days: int) -> dict[str, Any]:
        """All but single sessions, patterns and the audit log."""
        now = time.time()
        sessions = self.store.sessions(now - days * DAY_S)
        report = gather(sessions, Assumptions())
        told = report.as_json()
        return {
            **{key: told[key] for key in ("waiting", "of_oracle", "total", "days", "shadow_only")},
            "why_not": report.total.why_not.most_common(8),
            "live": sum(session.live(now) for session in sessions),
            "sessions": [_line(session, now) for session in sessions if session.calls][:MOST_SESSIONS],
            "servers": _servers(sessions, now),
            "eagerness": read_eagerness(self.state),
        }

    def session(self, id: str) -> Session | None:
        """One session, by its id."""
        return next((session for session in self.store.sessions() if session.id == id), None)

    def collection(self) -> Collection:
        """The user's patterns. Raises `PatternFileError`."""
        today = int(time.time() // DAY_S)
        try:
            counts = learnt_store(self.state).load(today, literals=True, unbound=True)
        except StoreError:
            return Collection(PatternFile(own_patterns(self.state), new=True))
        return Collection(PatternFile(own_patterns(self.state), new=True), counts=counts)

    def patterns(self) -> list[dict[str, Any]]:
        """Every pattern, with what came of it in the recorded sessions."""
        used = {row.name: row for row in rows_by(self.store.sessions(), "pattern")}
        found = []
        for entry in self.collection().entries():
            pattern = entry.pattern
            evidence = pattern.evidence
            row = used.get(pattern.id) or used.get(pattern.name)
            found.append(
                {
                    "name": pattern.id or pattern.name,
                    "source": entry.source,
                    "state": entry.state,
                    "after": entry.context,
                    "next": entry.target,
                    "probability": round(pattern.probability, 3) if pattern.context else None,
                    "evidence": None if evidence is None else [round(evidence.hit), round(evidence.seen)],
                    "sent": row.issued + row.shadow_issued if row else 0,
                    "used": row.useful + row.shadow_hits if row else 0,
                    "saved_s": round(row.saved_s + row.would_save_s, 2) if row else 0.0,
                }
            )
        return sorted(found, key=lambda each: (-each["saved_s"], -each["sent"]))

    def audit(self, words: Sequence[str], kind: str) -> list[dict[str, Any]]:
        """The latest lines of the audit log in which all the words occur."""
        found: list[dict[str, Any]] = []
        for path in sorted((self.state / "audit").glob("*.jsonl"), reverse=True):
            try:
                lines = list(Lines(path))
            except TraceError:
                continue
            found += [line for line in reversed(lines) if _speaks_of(line, words, kind)]
            if len(found) >= MOST_LINES:
                break
        return found[:MOST_LINES]


def _speaks_of(line: dict[str, Any], words: Iterable[str], kind: str) -> bool:
    text = " ".join(str(value) for value in line.values()).lower()
    return (not kind or line.get("kind") == kind) and all(word.lower() in text for word in words)


def _line(session: Session, now: float) -> dict[str, Any]:
    waiting = waiting_of(session)
    return {
        "id": session.id,
        "host": session.host,
        "began": session.began,
        "ended": session.ended,
        "live": session.live(now),
        "shadow": session.shadow,
        "arm": session.arm,
        "calls": len(session.calls),
        "saved_s": round(waiting.gained_s, 3),
        "useful": sum(guess.useful for guess in session.guesses),
        "wasted": sum(guess.wasted for guess in session.guesses),
    }


def _servers(sessions: Sequence[Session], now: float) -> list[dict[str, Any]]:
    """Each server's calls as agents made them, and whether it was up when it was heard of last."""
    waits: defaultdict[str, list[float]] = defaultdict(list)
    errors: defaultdict[str, int] = defaultdict(int)
    up: dict[str, tuple[float, bool]] = {}
    modes: dict[str, str] = {}
    for session in sorted(sessions, key=lambda session: session.ended):
        modes |= session.modes
        for call in session.calls:
            if call.answered in ("miss", "promoted"):
                waits[call.server].append(call.waited_s)
            errors[call.server] += call.status == "error"
        for change in session.servers:
            up[change.server] = (change.at, change.up and session.live(now))
    calls = {row.name: row for row in rows_by(sessions, "server")}
    return [
        {
            "name": name,
            "mode": modes.get(name, ""),
            "up": up.get(name, (0.0, False))[1],
            "calls": row.calls,
            "errors": errors[name],
            "median_s": round(median(waits[name]), 3) if waits[name] else None,
            "slow_s": round(quantiles(waits[name], n=20)[-1], 3) if len(waits[name]) > 1 else None,
            "saved_s": round(row.saved_s + row.would_save_s, 2),
        }
        for name, row in calls.items()
        if row.calls
    ]
