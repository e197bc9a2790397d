"""JSON to bytes and back, fast where that is exact and slower where it is not: nothing that came may change.

orjson turns integers beyond 64 bits into floats and refuses lone surrogates; the standard library carries both.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from typing import Any

import orjson

DEEPEST = 1024
"""Levels of nesting from which on nothing is read."""
_LONG = 19
"""Digits from which on an integer may not fit into 64 bits."""
_ANY_ID = rb'"id"\s*:\s*(\d{1,15}|"[\x20\x21\x23-\x5b\x5d-\x7e]{1,64}")\s*'
_ID = re.compile(rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*' + _ANY_ID + rb",")
_ID_LAST = re.compile(rb",\s*" + _ANY_ID + rb"\}\s*\Z")
_DIGITS_AS_0 = bytes(ord("0") if ord("0") <= byte <= ord("9") else ord(" ") for byte in range(256))


def decode(line: bytes | bytearray) -> Any:
    """The JSON value of `line`. Raises ValueError where it is none."""
    if not _has_long_number(line):
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError:
            pass  # perhaps only a lone surrogate
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def broken_id(line: bytes | bytearray) -> tuple[str | int, bool] | None:
    """The id of a message that cannot be read, if it is plain to see at its beginning or end, and whether it is a
    request: whoever waits for it need not wait for ever.
    """
    found = _ID.match(line[:256]) or _ID_LAST.search(line[-256:])
    if found is None or not line.rstrip().endswith(b"}"):
        return None  # perhaps only the beginning of it
    try:
        id = json.loads(found[1])
    except ValueError:
        return None
    return id, b'"method"' in line[:256] or b'"method"' in line[-256:]


def encode(value: Any) -> bytes:
    """`value` as one line, with the line break."""
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except (TypeError, orjson.JSONEncodeError):
        with _room_for_depth():
            try:
                text = json.dumps(value, separators=(",", ":"), allow_nan=False)
            except ValueError:
                text = json.dumps(_finite(value), separators=(",", ":"))
            return text.encode() + b"\n"


def has_half_pairs(value: Any) -> bool:
    """Whether a string in it holds half a surrogate pair, which some JSON writers cannot write."""
    try:
        orjson.dumps(value)
    except TypeError:
        try:
            with _room_for_depth():
                json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return True
    return False


def _finite(value: Any) -> Any:
    """`value` with null for numbers that JSON has no way to write, as orjson does it too."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value


@contextmanager
def _room_for_depth() -> Iterator[None]:
    """Whatever could be read can be written: orjson reads deeper than it writes, and than Python goes by default."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 2 * DEEPEST)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _has_long_number(line: bytes | bytearray) -> bool:
    """Whether `_LONG` digits stand in a row. Every message is asked, so only a ninth of it is looked at first: so many
    digits in a row cover two neighbours of it at least. (A regular expression would take longer than the parsing.)
    """
    return b"00" in line[:: _LONG // 2].translate(_DIGITS_AS_0) and b"0" * _LONG in line.translate(_DIGITS_AS_0)
