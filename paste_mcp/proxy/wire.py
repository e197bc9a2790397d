"""JSON to bytes and back, fast where that is exact and slower where it is not: nothing that came may change.

orjson turns integers beyond 64 bits into floats and refuses lone surrogates; the standard library carries both.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

_LONG = 19
"""Digits from which on an integer may not fit into 64 bits."""
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


def encode(value: Any) -> bytes:
    """`value` as one line, with the line break."""
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    except (TypeError, orjson.JSONEncodeError):
        return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def has_half_pairs(value: Any) -> bool:
    """Whether a string in it holds half a surrogate pair, which some JSON writers cannot write."""
    try:
        orjson.dumps(value)
    except TypeError:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return True
    return False


def _has_long_number(line: bytes | bytearray) -> bool:
    """Whether `_LONG` digits stand in a row. Every message is asked, so only a ninth of it is looked at first: so many
    digits in a row cover two neighbours of it at least. (A regular expression would take longer than the parsing.)
    """
    return b"00" in line[:: _LONG // 2].translate(_DIGITS_AS_0) and b"0" * _LONG in line.translate(_DIGITS_AS_0)
