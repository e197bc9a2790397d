"""A log's lines, read leniently: what is no JSON object is skipped and counted, as logs end in the middle of a line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from paste_mcp.store.traces import TraceError

MAX_LINE: Final = 64 * 1024 * 1024
"""Bytes; a longer line is skipped."""


class Lines:
    """The objects of one file of JSON lines, plain or gzip. Iterating raises `TraceError` where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.skipped = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in _read(self.path):
            if not line.strip():
                continue
            try:
                value = json.loads(line) if len(line) <= MAX_LINE else None
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                yield value
            else:
                self.skipped += 1


def _read(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as start:
            packed = start.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            while line := file.readline(MAX_LINE + 1):
                yield line
                while len(line) > MAX_LINE and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise TraceError(path, None, "damaged gzip data", "copy the file again") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise TraceError(path, None, f"cannot be read: {reason}", "check the path and its rights") from None
