"""Which arm of a comparison a session is in: speculating, or the same without anything being sent."""

from __future__ import annotations

from hashlib import sha256
from typing import Literal, TypeAlias

Arm: TypeAlias = Literal["on", "control"]


def arm_of(session: str, percent: int) -> Arm:
    """The session's arm, the same each time: about `percent` of all ids are "on"."""
    drawn = int.from_bytes(sha256(session.encode()).digest()[:8], "big") % 100
    return "on" if drawn < percent else "control"
