"""What there is to tell of guesses while it happens, for records and telemetry. Frozen data; times come beside it.

Whoever listens is told synchronously, on a demand's way too: it notes what it heard and works on it later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Prediction


@dataclass(frozen=True, slots=True)
class Issued:
    """A guess was sent to its server; with `shadow` it would have been."""

    id: int
    key: CallKey
    prediction: Prediction
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """A guess that was issued has ended, as `state` says (`lifecycle.State`). Times are the session clock's."""

    id: int
    state: str
    began: float
    ended: float | None
    """When the server's answer came; None where it never did."""
    hidden_s: float = 0.0
    """Seconds of waiting that the agent was spared; in shadow, would have been."""
    wasted_s: float = 0.0
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Withheld:
    """A call was foreseen and nothing was sent. `why` is the policy's row, or the budget's reason."""

    prediction: Prediction
    why: str


Note: TypeAlias = Issued | Settled | Withheld
Journal: TypeAlias = Callable[[Note, float], None]
"""Told (what, now)."""


def nobody(note: Note, now: float) -> None:
    """Nobody listens."""
