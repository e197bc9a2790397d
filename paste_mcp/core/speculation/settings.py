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


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what speculation may use. They bound speculation only: a demand call is never held back by them."""

    total: int = 8
    """Speculative calls in flight at once, over all sessions and servers."""
    per_session: int = 4
    """Speculative calls in flight at once for one session."""
    per_server: int = 2
    """Speculative calls in flight at once on one server."""
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
