"""What followed these very calls before: workflows that are repeated word for word, or nearly.

Counted call by call: each recent call votes for the reads that came after it in other sessions. A call that many
sessions make, and each goes on differently, has little to say; several that agree say much.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.seen import Seen

WINDOW: Final = 3
"""Turns after a call in which what follows is counted."""
MAX_OF_TURN: Final = 8
MAX_ARGUMENTS: Final = 400
"""Bytes of the arguments of a call that can be recalled."""
MAX_FOLLOWING: Final = 24
BY_LAG: Final = (0.9, 0.6, 0.4)
DOUBT: Final = 0.7
"""How many sessions that went on otherwise are assumed."""


class Made(NamedTuple):
    """A call as it is remembered: the digest of its arguments, and they themselves where it can be recalled."""

    digest: str
    tool: str
    arguments: str | None
    reads: bool


class Recalled(NamedTuple):
    """A call of earlier sessions that may come next."""

    tool: str
    arguments: str
    probability: float
    seen: float


class Trail:
    """The calls of a session's last turns."""

    def __init__(self) -> None:
        self._turns: deque[list[Made]] = deque(maxlen=WINDOW)

    def copy(self) -> Trail:
        """Another that goes on from here."""
        other = Trail()
        other._turns = self._turns.copy()
        return other

    def learn(self, turn: Sequence[Seen], into: Counts) -> None:
        """Count what this turn says of the calls before it, then take it in."""
        now = [made for seen in turn if (made := _made(seen)) is not None][:MAX_OF_TURN]
        for made in now:
            into.add(("then", made.tool, made.digest), "")
        for earlier in reversed(self._turns):
            for made in now:
                if made.reads and made.arguments is not None:
                    for before in earlier:
                        into.add(("then", before.tool, before.digest), (made.tool, made.arguments))
            if any(not made.reads for made in earlier):
                break  # a write ends what could have been fetched before it
        self._turns.append(now)

    def recall(self, everyone: Counts) -> list[Recalled]:
        """The reads that followed the recent calls in other sessions, likeliest first."""
        against: dict[tuple[str, str], float] = {}
        seen: dict[tuple[str, str], float] = {}
        for lag, turn in enumerate(reversed(self._turns)):
            for before in turn:
                following = everyone.top(("then", before.tool, before.digest), MAX_FOLLOWING)
                total = following.get("", 0.0) + DOUBT
                for call, amount in following.items():
                    if isinstance(call, tuple):
                        share = BY_LAG[lag] * min(1.0, amount / total)
                        against[call] = against.get(call, 1.0) * (1 - share)
                        seen[call] = seen.get(call, 0.0) + amount
            if any(not made.reads for made in turn):
                break
        found = [Recalled(*call, 1 - doubt, seen[call]) for call, doubt in against.items()]
        found.sort(key=lambda recalled: (-recalled.probability, recalled.tool, recalled.arguments))
        return found


def _made(seen: Seen) -> Made | None:
    """A call as it is remembered; None where it has no canonical form."""
    if seen.arguments is None:
        return None
    digest = blake2b(seen.arguments, digest_size=12).hexdigest()
    arguments = seen.arguments.decode() if len(seen.arguments) <= MAX_ARGUMENTS else None
    return Made(digest, seen.tool, arguments, seen.reads)
