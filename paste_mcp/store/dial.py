"""The dial between saving calls and saving time: one number in a file of the state folder, which proxies read again."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Final

from paste_mcp.store.pattern_edits import write_text

LEAST: Final = 0.01
MOST: Final = 10.0


def read_eagerness(state: Path) -> float:
    """How much wasted calls are worth risking: 1 as usual, less is thriftier. 1 where nobody said anything."""
    try:
        value = json.loads((state / "dial.json").read_bytes())["eagerness"]
    except (OSError, ValueError, KeyError, TypeError):
        return 1.0
    return clamped(float(value)) if isinstance(value, int | float) and isfinite(value) else 1.0


def write_eagerness(state: Path, eagerness: float) -> None:
    """Set it. Raises `PatternFileError` where it cannot be written."""
    write_text(state / "dial.json", json.dumps({"eagerness": clamped(eagerness)}) + "\n")


def clamped(eagerness: float) -> float:
    """Within what makes sense."""
    return min(MOST, max(LEAST, eagerness))
