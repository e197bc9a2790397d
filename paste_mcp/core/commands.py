"""What the engine and its shell say to each other: demands, the engine's answers to them, and what is to be done.

Frozen data, but for the demand's own end. This module must not know how any of it is decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Json, Status, ToolCall


@dataclass(frozen=True, slots=True)
class Hit:
    """The answer is here: serve `result`, once."""

    id: int
    result: Json


@dataclass(frozen=True, slots=True)
class Join:
    """The call is running already: wait for speculation `id`; if it fails, forward the call for real."""

    id: int


@dataclass(frozen=True, slots=True)
class Promote:
    """A guess for this call was still queued: forward the call now, the guess is no more."""

    id: int


@dataclass(frozen=True, slots=True)
class Miss:
    """Forward the call."""


Answer: TypeAlias = Hit | Join | Promote | Miss


@dataclass(frozen=True, slots=True)
class Launch:
    """Send this call now, for nobody yet. `pattern` foresaw it, `row` of the decision table let it through."""

    id: int
    call: ToolCall
    pattern: str = field(default="", compare=False)
    row: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop executing speculation `id`; its answer is no longer wanted."""

    id: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back for a guess: the result to keep, how it ended, and whether it may be served at all."""

    result: Json
    status: Status
    size_bytes: int = 0
    servable: bool = True
    """False for whatever may never be served from speculation: errors, interim and task results, cut ones."""


@dataclass(frozen=True, slots=True)
class Barred:
    """The engine found that this tool must not be called early; `lasting` where that holds beyond this process."""

    server: str
    tool: str
    reason: str
    lasting: bool


@dataclass(slots=True, eq=False)
class Demand:
    """A call of the agent under way. The shell reads it, for answers and records, and changes nothing."""

    call: ToolCall
    key: CallKey | None
    turn: int
    began: float
    read: bool
    answer: Answer
    ended: bool = False
    eligible: bool = False
    """The policy would let this tool run early."""
    shadow: int | None = None
    """The guess that would have answered it, had it been sent."""
