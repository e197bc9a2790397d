"""What the user decided about speculation, as the core reads it. Frozen data; the config file is read elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["off", "shadow", "annotated", "listed"]
"""How far speculation may go on one server.

- `off`: nothing, not even predictions.
- `shadow`: predict, decide and count; send nothing.
- `annotated`: the user trusts this server's annotations; what they call read-only may be sent, and what `allow` names.
- `listed`: only what `allow` names may be sent, whatever the annotations say in favour of the rest.
"""

Cost: TypeAlias = Literal["free", "unknown", "metered"]


@dataclass(frozen=True, slots=True)
class ServerPolicy:
    """The user's word on one server. `deny` beats `allow`; neither beats an explicit `readOnlyHint: false`."""

    mode: Mode = "shadow"
    closed_world: bool = False
    """An absent `openWorldHint` on this server means closed; without it, absent means open (the protocol's default)."""
    allow: tuple[str, ...] = ()
    """Globs over the server's own tool names, case-sensitive."""
    deny: tuple[str, ...] = ()
    """Globs over the server's own tool names, case-sensitive."""
    approval: tuple[str, ...] = ()
    """Globs over the server's own tool names: calls that the user wants to be asked about, and so never run early."""
    cost: Cost = "free"
    """What a call costs; where it is not known to be free, a tool runs early only if `allow` names it."""
    hosts: tuple[str, ...] | None = None
    """Globs over host names: where the URLs in a guess may point to. None: to any public host."""
    history: bool = False
    """Texts that were learnt from earlier sessions may be sent."""
    ttl_s: float | None = None
    """Seconds that a ready result of this server may be served; None for the general limit."""
    invalidates: tuple[str, ...] | None = None
    """Aliases of the servers whose results a write on this one makes stale, beside its own. None: all of them."""
    verify: float = 0.0
    """Share of the results served from guesses that are fetched once more and compared."""
    ignore: tuple[str, ...] = ()
    """JSONPaths of what may differ between two answers to the same call."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where a server runs, as far as it matters to what may run there at once."""

    host: str | None = None
    """The host of a remote server's address; None for a process of ours."""
    shared: bool = False
    """All sessions use one connection."""

    @property
    def one_for_all(self) -> bool:
        """Calls of different sessions may wait for one another there; else each session has a process of its own."""
        return self.shared or self.host is not None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what speculation may use. They bound speculation only: a demand call is never held back by them."""

    total: int = 64
    """Speculative calls in flight at once, over all sessions and servers."""
    per_session: int = 4
    """Speculative calls in flight at once for one session."""
    per_server: int = 2
    """Speculative calls in flight at once on one server: one process, or one address. On one that works on one call at
    a time it is 1, and none while a demand call is in flight there."""
    per_host: int = 4
    """Speculative calls in flight at once on all servers that one remote host has."""
    per_trigger: int = 3
    """Speculative calls chosen at most when one result has returned."""
    ttl_s: float = 30.0
    """Seconds that a ready result may be served after it arrived."""
    call_timeout_s: float = 30.0
    """Seconds that a speculative call may run before it is given up."""
    result_bytes: int = 1024 * 1024
    """Bytes of the largest result that is kept; a larger one is dropped."""
    buffer_bytes: int = 64 * 1024 * 1024
    """Bytes of all ready results that are kept at once."""
    launch_cost_s: float = 0.02
    """What a launch costs by itself, in seconds: its own work, and the jitter below which nobody notices a gain."""
