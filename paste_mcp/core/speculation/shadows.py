"""What would have been sent, where nothing may be: by the same rules of freshness and single use as real guesses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Prediction
from paste_mcp.core.speculation.journal import Issued, Journal, Settled
from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.core.speculation.lifecycle import State


@dataclass(frozen=True, slots=True)
class Shadow:
    """A guess that would be running or ready since `since`, seconds of the session's clock."""

    id: int
    since: float


class Shadows:
    """All of one session."""

    def __init__(self, ledger: Ledger, journal: Journal) -> None:
        self._ledger = ledger
        self._journal = journal
        self._by_key: dict[CallKey, Shadow] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __contains__(self, key: CallKey) -> bool:
        return key in self._by_key

    def add(self, id: int, key: CallKey, prediction: Prediction, now: float) -> None:
        """This call would be sent now."""
        self._by_key[key] = Shadow(id, now)
        self._ledger.shadow_issued += 1
        self._journal(Issued(id, key, prediction, shadow=True), now)

    def demanded(self, key: CallKey, service_s: float, now: float) -> int | None:
        """The agent asks for this call, which usually takes so long: the guess that would have helped, if any."""
        found = self._by_key.pop(key, None)
        if found is None:
            return None
        hidden_s = min(now - found.since, service_s)
        self._ledger.shadow_hits += 1
        self._ledger.shadow_hidden_s += hidden_s
        self._end(found, State.HIT, now, hidden_s)
        return found.id

    def expire(self, ttl_s: Callable[[CallKey], float], now: float) -> None:
        """End what has waited longer than its `ttl_s`."""
        self._drop(lambda key, shadow: now - shadow.since > ttl_s(key), State.UNUSED, now)

    def invalidate(self, now: float, concerns: Callable[[CallKey], bool] = lambda _: True) -> None:
        """Something changed what these answers may depend on."""
        self._drop(lambda key, _: concerns(key), State.STALE, now)

    def close(self, now: float) -> None:
        """The session ends."""
        self._drop(lambda _, shadow: True, State.UNUSED, now)

    def _drop(self, goes: Callable[[CallKey, Shadow], bool], state: State, now: float) -> None:
        for key, shadow in [item for item in self._by_key.items() if goes(*item)]:
            del self._by_key[key]
            self._end(shadow, state, now)

    def _end(self, shadow: Shadow, state: State, now: float, hidden_s: float = 0.0) -> None:
        self._journal(Settled(shadow.id, state.value, shadow.since, None, hidden_s, shadow=True), now)
