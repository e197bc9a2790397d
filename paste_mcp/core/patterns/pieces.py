"""Pieces of a value that are arguments of their own: the folder and the name of a path, the day of a time.

This module knows texts only.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from paste_mcp.core.model import Json

PieceName: TypeAlias = Literal["folder", "name", "day"]
PIECES: Final[tuple[PieceName, ...]] = get_args(PieceName)


def piece_of(value: Json, piece: PieceName) -> str | None:
    """That piece of `value`; None where it has none.

    A path is cut at its last separator (`a/b/c` gives `a/b` and `c`), a time in ISO 8601 after its day.
    """
    if not isinstance(value, str) or "\n" in value:
        return None
    if piece == "day":
        timed = len(value) > 10 and value[4] == value[7] == "-" and value[10] in "T " and "/" not in value
        return value[:10] if timed else None
    folder, _, name = value.rstrip("/").rpartition("/")
    if not folder or not name:
        return None
    return folder if piece == "folder" else name
