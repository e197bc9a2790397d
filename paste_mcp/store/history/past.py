"""What all log readers give: a session that was, with what is needed to learn from it once and no more."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Json
from paste_mcp.core.patterns.extract import payload_of, status_of
from paste_mcp.store.traces import TracedCall, TracedSession


@dataclass(frozen=True, slots=True)
class Past:
    """A session that was. Reading its log again, longer by now or copied, gives the same `key`."""

    key: str
    session: TracedSession
    definitions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Digests of the tools' definitions by (server, tool), where the log tells them."""
    values: bool = True
    """False where other values stand in for those that were."""
    of_host: bool = False
    """The log is a host's: calls without a server are the host's own, which no proxy ever sees."""

    @property
    def day(self) -> int | None:
        """The day since 1970 on which it ended, where the log tells."""
        ends = [call.ended for call in self.session.calls if call.ended is not None and isfinite(call.ended)]
        return int(max(ends) // 86_400) if ends else None


def call_of(
    name: tuple[str, str],
    arguments: Any,
    result: Mapping[str, Json],
    *,
    turn: int,
    began: float | None,
    ended: float | None,
    written: str,
) -> TracedCall:
    """A call to the tool `name` (server, tool), which the log writes as `written`, with its raw result."""
    return TracedCall(
        server=name[0],
        tool=name[1],
        arguments=arguments if isinstance(arguments, dict) else {},
        result=payload_of(result),
        status=status_of(result),
        turn=turn,
        read_only=None,
        started=began,
        ended=ended,
        name=written,
    )


def key_of(kind: str, session: str, first_call: str, unique: str) -> str:
    """The key of a session whose first call has this id. Ids that begin with `unique` are never given twice, so that a
    conversation that was resumed into another file, with all that came before, is still the same one.
    """
    known = first_call.startswith(unique) and len(first_call) >= len(unique) + 8
    return f"{kind}:{first_call if known else f'{session}:{first_call}'}"


def digest_of(values: Iterable[Json]) -> str:
    """A short digest of JSON values."""
    digest = hashlib.sha256()
    for value in values:
        try:
            digest.update(canonical(value))
        except Unkeyable:
            digest.update(b"?")
    return digest.hexdigest()[:32]


def seconds_of(time: Any) -> float | None:
    """Seconds since 1970 of a time as logs write it, or None."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def text_of(data: Any, key: str) -> str:
    """The text under `key`, or ""."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""
