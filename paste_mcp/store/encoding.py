"""Groups and items of counts as text, and back: compact JSON in which a named tuple carries its name.

`decode(encode(x)) == x` for every (nested) tuple of texts, numbers, booleans, None and the named tuples below.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Final

from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.sights import ColumnId

_NAMED: Final[Mapping[str, Callable[..., Hashable]]] = {"Origin": Origin, "ColumnId": ColumnId}
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


class Unwritable(TypeError):
    """The value holds something that has no written form."""


def encode(value: Hashable) -> str:
    """`value` as one line of ASCII. Raises `Unwritable`."""
    return _ENCODER.encode(_plain(value))


def decode(text: str) -> Hashable:
    """What `encode` wrote. Raises ValueError for any other text."""
    try:
        value: Hashable = _rebuilt(json.loads(text))
        return value
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def texts_in(value: Hashable) -> Iterator[str]:
    """Every text in `value`, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from texts_in(inner)


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """`value` with other texts in the places of those that `names` holds."""
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, tuple):
        parts = (renamed(inner, names) for inner in value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        parts = [_plain(inner) for inner in value]
        if type(value) is tuple:
            return parts
        name = type(value).__name__
        if _NAMED.get(name) is type(value):
            return {name: parts}
    elif value is None or type(value) in (str, int, float, bool):
        return value
    raise Unwritable(f"a {type(value).__name__} has no written form")


def _rebuilt(value: Any) -> Any:
    # Called for a hundred thousand counts when a proxy starts, so scalars are not worth a call each.
    if isinstance(value, list):
        return tuple([_rebuilt(inner) if isinstance(inner, list | dict) else inner for inner in value])
    if isinstance(value, dict):
        ((name, parts),) = value.items()
        if name not in _NAMED:
            raise ValueError(f"{name} is not known")
        return _NAMED[name](*[_rebuilt(inner) if isinstance(inner, list | dict) else inner for inner in parts])
    return value
