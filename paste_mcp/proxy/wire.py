"""JSON to bytes and back, fast where that is exact and slower where it is not: nothing that came may change.

orjson turns integers beyond 64 bits into floats and refuses lone surrogates; the standard library carries both.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

_LONG_NUMBER = re.compile(rb"\d{19}")


def decode(line: bytes) -> Any:
    """The JSON value of `line`. Raises ValueError where it is none."""
    if not _LONG_NUMBER.search(line):
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError:
            pass  # perhaps only a lone surrogate
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def encode(value: Any) -> bytes:
    """`value` as one line, without the line break."""
    try:
        return orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, separators=(",", ":")).encode()
