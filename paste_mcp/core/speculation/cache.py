"""The live speculations of one session: found by id and by key, ended in one place.

A prefetch buffer, not a cache: each result is handed out once, soon, and only within its session. Whatever leaves
is settled in the ledger, so nothing is lost to the count of waste.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from paste_mcp.core.commands import Outcome
from paste_mcp.core.keys import CallKey
from paste_mcp.core.speculation.journal import Issued, Journal, Settled, nobody
from paste_mcp.core.speculation.ledger import Ledger, seconds
from paste_mcp.core.speculation.lifecycle import EXECUTING, LIVE, Cause, Speculation, State
from paste_mcp.core.speculation.settings import Limits

MAX_LIVE = 32
"""Speculations that one session may hold."""


class Speculations:
    """All live speculations of a session. At most one has a given key."""

    def __init__(
        self, ledger: Ledger, journal: Journal = nobody, settled: Callable[[str, str, float, float], None] | None = None
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._settled = settled
        """Told of each guess that was sent and has ended: server, pattern, seconds hidden, seconds wasted."""
        self._by_id: dict[int, Speculation] = {}
        self._by_key: dict[CallKey, Speculation] = {}
        self.ready_bytes = 0
        """Size of the results that wait to be asked for."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Speculation]:
        return iter(list(self._by_id.values()))

    def get(self, id: int) -> Speculation | None:
        return self._by_id.get(id)

    def find(self, key: CallKey) -> Speculation | None:
        """The live speculation for exactly this call. A joined one is spoken for, so it answers nobody else."""
        found = self._by_key.get(key)
        return found if found is not None and found.state is not State.JOINED else None

    def holds(self, key: CallKey) -> bool:
        return key in self._by_key

    def add(self, speculation: Speculation) -> None:
        if speculation.key in self._by_key:
            raise ValueError(f"a live speculation has this key already: {speculation.key.tool}")
        self._by_id[speculation.id] = speculation
        self._by_key[speculation.key] = speculation
        self._ledger.queued += 1

    def queued(self) -> list[Speculation]:
        """Those that wait for a slot, the most useful first."""
        waiting = [s for s in self._by_id.values() if s.state is State.QUEUED]
        return sorted(waiting, key=lambda s: (-s.utility, s.id))

    def may_serve(self, speculation: Speculation, outcome: Outcome, limits: Limits) -> bool:
        """Only a plain, whole, non-empty success; one to be kept for later, only while there is room for it."""
        room = limits.buffer_bytes - self.ready_bytes if speculation.state is State.RUNNING else limits.result_bytes
        return (
            outcome.servable
            and outcome.status == "ok"
            and outcome.size_bytes <= limits.result_bytes
            and outcome.size_bytes <= room
        )

    def complete(self, speculation: Speculation, result: object, size_bytes: int, now: float) -> None:
        """The server's answer has come and may be served."""
        speculation.result, speculation.size_bytes = result, size_bytes
        self.move(speculation, Cause.COMPLETE, now)

    def move(self, speculation: Speculation, cause: Cause, now: float) -> State:
        """Apply `cause`; when that ends the speculation, count it and let go of it."""
        was_ready = speculation.state is State.READY
        state = speculation.move(cause, now)
        if cause is Cause.LAUNCH:
            self._ledger.issued += 1
            self._journal(Issued(speculation.id, speculation.key, speculation.prediction), now)
        if was_ready:
            self.ready_bytes -= speculation.size_bytes
        if state is State.READY:
            self.ready_bytes += speculation.size_bytes
        if state not in LIVE:
            del self._by_id[speculation.id]
            del self._by_key[speculation.key]
            self._ledger.settle(speculation, now)
            self._tell_end(speculation, now)
        return state

    def _tell_end(self, speculation: Speculation, now: float) -> None:
        if (began := speculation.launched_at) is not None:
            ended = speculation.completed_at
            hidden_s, wasted_s = seconds(speculation, now)
            if self._settled is not None:
                self._settled(speculation.key.server, speculation.prediction.pattern, hidden_s, wasted_s)
            self._journal(Settled(speculation.id, speculation.state.value, began, ended, hidden_s, wasted_s), now)

    def sweep(self, cause: Cause, now: float, among: Iterable[Speculation] | None = None) -> list[Speculation]:
        """Apply `cause` to all (or `among`) that it can befall; returns those to be cancelled, which were executing."""
        cancelled = []
        for speculation in list(self._by_id.values()) if among is None else list(among):
            if not speculation.can(cause):
                continue
            executing = speculation.state in EXECUTING
            self.move(speculation, cause, now)
            if executing:
                cancelled.append(speculation)
        return cancelled

    def expire(self, ttl_s: Callable[[CallKey], float], now: float) -> None:
        """End what has waited longer than its `ttl_s`: results since they came, guesses since they were queued."""
        for speculation in self:
            if speculation.state is State.READY and speculation.completed_at is not None:
                since = speculation.completed_at
            elif speculation.state is State.QUEUED:
                since = speculation.queued_at
            else:
                continue
            if now - since > ttl_s(speculation.key):
                self.move(speculation, Cause.EXPIRE, now)
