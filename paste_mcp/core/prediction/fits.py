"""Whether arguments fit a tool's input schema, in the plain sense: names, primitive types, enumerations.

This is no JSON Schema validator and must not become one: a guess that a server would refuse costs a little, a schema
that a server makes expensive to check must cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from paste_mcp.core.model import Json

MAX_ALTERNATIVES: Final = 16
"""Members of an `anyOf` or `oneOf` that are looked at."""
MAX_ENUM: Final = 1_000
MAX_DIGITS: Final = 15

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def fitted(arguments: Mapping[str, Json], schema: Mapping[str, Any]) -> dict[str, Json] | None:
    """`arguments` as the schema wants them, or None where they cannot be.

    All required names are there, no unknown one is where the schema closes its list, and each value has a type and is
    a member of the enumeration that its property declares. Only one conversion is made, since servers list ids either
    way: a string of digits for an integer, and back.
    """
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    if isinstance(required, list) and any(not isinstance(name, str) or name not in arguments for name in required):
        return None
    closed = schema.get("additionalProperties") is False
    found: dict[str, Json] = {}
    for name, value in arguments.items():
        declared = properties.get(name)
        if declared is None and closed:
            return None
        for candidate in (value, *_converted(value)):
            if _accepts(declared, candidate):
                found[name] = candidate
                break
        else:
            return None
    return found


def _accepts(declared: Any, value: Json, depth: int = 2) -> bool:
    if not isinstance(declared, Mapping):
        return declared is not False
    kinds = declared.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(kinds, list) and not any(_is_a(kind, value) for kind in kinds if isinstance(kind, str)):
        return False
    members = declared.get("enum")
    if isinstance(members, list) and not any(_equal(member, value) for member in members[:MAX_ENUM]):
        return False
    if "const" in declared and not _equal(declared["const"], value):
        return False
    for word in ("anyOf", "oneOf"):
        choices = declared.get(word)
        if depth and isinstance(choices, list) and choices:
            return any(_accepts(choice, value, depth - 1) for choice in choices[:MAX_ALTERNATIVES])
    return True


def _is_a(kind: str, value: Json) -> bool:
    types = _TYPES.get(kind)
    if types is None:
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, types) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def _equal(member: Json, value: Json) -> bool:
    return isinstance(member, bool) == isinstance(value, bool) and bool(member == value)


def _converted(value: Json) -> tuple[Json, ...]:
    if isinstance(value, bool):
        return ()
    if isinstance(value, int):
        return (str(value),) if value.bit_length() <= 64 else ()
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS:
        # "007" is a name, not a number.
        return (int(value),) if value == "0" or not value.startswith("0") else ()
    return ()
