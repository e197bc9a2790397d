"""Long messages that come, and go, again as they did the last time. A host that lists two hundred tools waits mostly
for their parsing and writing, and what a server offers hardly ever changes.

What came the same is the same object; messages are never changed in place.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from paste_mcp.proxy.wire import decode, encode

LONG_BYTES = 16 * 1024
LONGEST_BYTES = 4 * 1024 * 1024
"""What is longer than this is not kept."""
MANY = 16
"""Items of a list that is worth keeping as it was written."""
_ID = re.compile(rb'\A\{"jsonrpc": ?"2\.0", ?"id": ?(\d{1,15}),')
_ID_LAST = re.compile(rb', ?"id": ?(\d{1,15})\}\s*\Z')


class Incoming:
    """The messages of one peer: of two long ones that differ in their id alone, the second is not parsed."""

    def __init__(self) -> None:
        self._text: tuple[bytes, bytes] | None = None
        self._message: dict[str, Any] = {}

    def decode(self, line: bytes) -> Any:
        """As `wire.decode`."""
        if not LONG_BYTES <= len(line) <= LONGEST_BYTES:
            return decode(line)
        found = _ID.match(line) or _ID_LAST.search(line, len(line) - 48)
        if found is None:
            return decode(line)
        text, id = (line[: found.start(1)], line[found.end(1) :]), int(found[1])
        if text != self._text:
            message = decode(line)
            if not isinstance(message, dict) or message.get("id") != id:
                return message
            self._text, self._message = text, message
        return {**self._message, "id": id}


class Outgoing:
    """The messages to one peer: a long list that goes again is not written again."""

    def __init__(self) -> None:
        self._list: list[Any] | None = None
        self._text: bytes | None = None

    def encode(self, message: dict[str, Any]) -> bytes:
        """As `wire.encode`."""
        result = message.get("result")
        if isinstance(result, dict):
            for key, value in result.items():
                if isinstance(value, list) and len(value) >= MANY:
                    return self._encode(message, result, key, value)
        return encode(message)

    def _encode(self, message: dict[str, Any], result: dict[str, Any], key: str, items: list[Any]) -> bytes:
        if items is not self._list:
            self._list, self._text = items, None
            return encode(message)
        try:
            if self._text is None:
                self._text = orjson.dumps(items)
            written = {**message, "result": {**result, key: orjson.Fragment(self._text)}}
            return orjson.dumps(written, option=orjson.OPT_APPEND_NEWLINE)
        except TypeError:
            return encode(message)
