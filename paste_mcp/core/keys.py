"""The canonical key of a call: two calls share a key exactly when a server could not tell them apart.

JSON types are kept (`1`, `1.0` and `true` differ), nothing is normalised, and what has no one reading (NaN, infinity,
duplicate member names, endless nesting) has no key: such a call is passed through and never foreseen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from paste_mcp.core.model import Json, ToolCall

MAX_DEPTH = 128
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


class Unkeyable(ValueError):
    """The value has no canonical form; the message says why in a few words."""


class CallKey(NamedTuple):
    """What must be equal for one call's result to answer another, within one session.

    Compared whole, never by digest: a collision would be a wrong answer.
    """

    server: str
    tool: str
    definition: str
    arguments: bytes


def call_key(call: ToolCall, definition: str) -> CallKey:
    """The key of `call` to a tool whose definition has this digest. Raises `Unkeyable`."""
    return CallKey(call.server, call.tool, definition, canonical(dict(call.arguments)))


def canonical(value: Json) -> bytes:
    """`value` as JSON bytes with sorted members and no spaces. Raises `Unkeyable`.

    Lone surrogates survive as escapes, so unequal texts stay unequal.
    """
    try:
        _check_depth(value, MAX_DEPTH)
        return _ENCODER.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, Unkeyable):
            raise
        raise Unkeyable(str(error)) from None


def parse_strict(text: str | bytes) -> Json:
    """The one reading of a JSON text. Raises `Unkeyable` where there is none: duplicate names, NaN, or not JSON."""
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        raise Unkeyable("nested too deeply") from None
    except Unkeyable:
        raise
    except ValueError as error:
        raise Unkeyable(str(error)) from None


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unkeyable("a member name occurs twice")
    return found


def _refuse(name: str) -> Any:
    raise Unkeyable(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)


def _check_depth(value: Json, left: int) -> None:
    if left == 0:
        raise Unkeyable("nested too deeply")
    if value is None or isinstance(value, str | int | float):
        return
    # Dictionaries first: asking an abstract class takes longer than all the rest.
    if isinstance(value, (dict, Mapping)):
        for name, inner in value.items():
            # json.dumps would fold the keys 1, True and "1" into one text.
            if not isinstance(name, str):
                raise Unkeyable("a member name is not a string")
            _check_depth(inner, left - 1)
    elif isinstance(value, list | tuple):
        if isinstance(value, tuple):
            raise Unkeyable("a tuple is not JSON")
        for inner in value:
            _check_depth(inner, left - 1)
