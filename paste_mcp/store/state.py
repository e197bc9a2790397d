"""Where a user's state is kept: records, what was learnt, patterns of his own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_state_path

from paste_mcp.store.learnt import LearntStore


def state_folder(environ: Mapping[str, str]) -> Path:
    """`PASTE_MCP_STATE_DIR`, else the system's place for a user's state."""
    own = environ.get("PASTE_MCP_STATE_DIR")
    return Path(own) if own else user_state_path("paste-mcp")


def learnt_store(state: Path) -> LearntStore:
    """What was learnt. In a folder of its own, as only then is the folder made for the user alone."""
    return LearntStore(state / "learnt" / "counts.sqlite")


def own_patterns(state: Path) -> Path:
    """The user's own patterns. The file need not be there."""
    return state / "patterns.yaml"
