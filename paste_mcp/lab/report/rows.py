"""Counts by session, server, tool or pattern."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from paste_mcp.store.sessions import Call, Guess, Session

By: TypeAlias = Literal["session", "server", "tool", "pattern"]
BY: tuple[By, ...] = get_args(By)


@dataclass(slots=True)
class Row:
    """The counts of one group. Seconds where the name ends so."""

    name: str
    calls: int = 0
    """Calls of the agent; of a pattern, those that it foresaw."""
    hits: int = 0
    late_hits: int = 0
    promoted: int = 0
    misses: int = 0
    waited_s: float = 0.0
    saved_s: float = 0.0
    issued: int = 0
    unused: int = 0
    preempted: int = 0
    stale: int = 0
    failed: int = 0
    live: int = 0
    wasted_s: float = 0.0
    shadow_issued: int = 0
    shadow_hits: int = 0
    would_save_s: float = 0.0
    why_not: Counter[str] = field(default_factory=Counter)
    """Calls that were foreseen and not sent, by reason."""

    @property
    def useful(self) -> int:
        return self.hits + self.late_hits

    @property
    def wasted(self) -> int:
        """Calls that were sent for nothing."""
        return self.unused + self.preempted + self.stale + self.failed

    @property
    def accuracy(self) -> float | None:
        """Of what was sent (or would have been) and has ended, how much was used."""
        ended = self.useful + self.wasted
        if ended:
            return self.useful / ended
        return self.shadow_hits / self.shadow_issued if self.shadow_issued else None

    def add_call(self, call: Call, guess: Guess | None) -> None:
        self.calls += 1
        self.waited_s += call.waited_s
        match call.answered:
            case "hit":
                self.hits += 1
            case "late_hit":
                self.late_hits += 1
            case "promoted":
                self.promoted += 1
            case _:
                self.misses += 1
        if guess is None or not guess.shadow:
            self.saved_s += call.hidden_s

    def add_guess(self, guess: Guess) -> None:
        if guess.shadow:
            self.shadow_issued += 1
            self.shadow_hits += guess.useful
            self.would_save_s += guess.hidden_s
            return
        self.issued += 1
        self.wasted_s += guess.wasted_s
        if not guess.useful:
            setattr(self, guess.state, getattr(self, guess.state) + 1)

    def as_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in Row.__slots__}
        rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}
        accuracy = None if self.accuracy is None else round(self.accuracy, 3)
        return {**rounded, "why_not": dict(self.why_not), "wasted": self.wasted, "accuracy": accuracy}


def rows_by(sessions: Iterable[Session], by: By) -> list[Row]:
    """The groups, the busiest first; sessions the latest first."""
    rows: dict[str, Row] = {}

    def row(name: str) -> Row:
        return rows.setdefault(name, Row(name))

    for session in sorted(sessions, key=lambda session: -session.ended):
        guesses = {guess.id: guess for guess in session.guesses}
        for call in session.calls:
            guess = None if call.guess is None else guesses.get(call.guess)
            name = _name(by, session, call.server, call.tool, guess.pattern if guess else None)
            if name is not None:
                row(name).add_call(call, guess)
        for guess in session.guesses:
            if (name := _name(by, session, guess.server, guess.tool, guess.pattern)) is not None:
                row(name).add_guess(guess)
        for (server, tool, pattern, why), count in session.withheld.items():
            if (name := _name(by, session, server, tool, pattern)) is not None:
                row(name).why_not[why] += count
        if not session.detailed and by == "session":
            _take_sums(row(session.id), session)
    if by == "session":
        return list(rows.values())
    return sorted(rows.values(), key=lambda row: (-(row.saved_s + row.would_save_s), -row.calls, row.name))


def total(sessions: Iterable[Session]) -> Row:
    """All in one."""
    sums = Row("all")
    for row in rows_by(sessions, "session"):
        for name in Row.__slots__[1:]:
            setattr(sums, name, getattr(sums, name) + getattr(row, name))
    return sums


_NAMES: dict[By, Callable[[Session, str, str, str | None], str | None]] = {
    "session": lambda session, server, tool, pattern: session.id,
    "server": lambda session, server, tool, pattern: server,
    "tool": lambda session, server, tool, pattern: f"{server}/{tool}",
    "pattern": lambda session, server, tool, pattern: pattern,
}


def _name(by: By, session: Session, server: str, tool: str, pattern: str | None) -> str | None:
    return _NAMES[by](session, server, tool, pattern)


def _take_sums(row: Row, session: Session) -> None:
    """An older record tells of guesses in its sums only."""
    sums = session.summary or {}
    for name, key in (("issued", "issued"), ("saved_s", "hidden_s"), ("wasted_s", "wasted_s")):
        setattr(row, name, sums.get(key, 0))
    for name in ("unused", "preempted", "stale", "failed", "shadow_issued", "shadow_hits"):
        setattr(row, name, sums.get(name, 0))
    row.would_save_s = sums.get("shadow_hidden_s", 0.0)
    for key in ("refused", "rejected"):
        row.why_not.update(sums.get(key, {}))
