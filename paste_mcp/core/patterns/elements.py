"""Signatures as they are written: which calls an element of a context, or a reference to an earlier call, stands for.

This module knows names, globs and how a call ended; it must not know what is done with the calls found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from paste_mcp.core.model import Event, Status
from paste_mcp.core.patterns.globs import Glob, GlobError, compile_glob
from paste_mcp.core.patterns.problems import Spot, members, shown, suggestion

Outcome: TypeAlias = Status | Literal["any"]
OUTCOMES: Final = (*get_args(Status), "any")


@dataclass(frozen=True, slots=True)
class Element:
    """One signature: server alias and tool, as globs, and how the call ended."""

    server: Glob
    tool: Glob
    status: Outcome = "ok"

    def match(self, event: Event) -> dict[str, str] | None:
        """What the captures hold if `event` has this signature, else None."""
        if self.status not in (event.status, "any") or self.server.match(event.call.server) is None:
            return None
        return self.tool.match(event.call.tool)


def read_element(entry: Any, spot: Spot, what: str) -> Element:
    """The signature that `entry` describes. Raises `PatternError`."""
    members(entry, spot, known=("server", "tool", "status"), required=("tool",), what=what)
    status = entry.get("status", "ok")
    if not isinstance(status, str) or status not in OUTCOMES:
        raise spot.at("status").error(f"{shown(status)} is no status", suggestion(status, OUTCOMES))
    server = read_glob(entry.get("server", "*"), spot.at("server"))
    if server.captures:
        raise spot.at("server").error("a server's alias holds no captures", "use * for any server")
    outcome = next(outcome for outcome in OUTCOMES if outcome == status)
    return Element(server, read_glob(entry["tool"], spot.at("tool")), outcome)


def read_glob(text: Any, spot: Spot) -> Glob:
    """The glob that `text` is. Raises `PatternError`."""
    if not isinstance(text, str):
        raise spot.error(f"{shown(text)} is not a text", "put it in quotes")
    try:
        return compile_glob(text)
    except GlobError as error:
        raise spot.error(f"{shown(text)}: {error.problem}", error.remedy) from None
