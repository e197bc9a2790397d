"""Server-sent events out of bytes (WHATWG HTML, "Server-sent events"), as streamable HTTP uses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Event:
    """One event. `retry_ms` is how long a client should wait before it comes back for more."""

    type: str = "message"
    data: bytes = b""
    id: str | None = None
    retry_ms: int | None = None


class EventReader:
    """Takes bytes in any pieces. Raises ValueError for an event of more than `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._event = Event()
        self._begun = False
        self._after_cr = False

    def read(self, piece: bytes) -> Iterator[Event]:
        """The events that `piece` completes."""
        if not self._begun:
            self._begun = True
            piece = piece.removeprefix(b"\xef\xbb\xbf")
        # A line ends with CR, LF or both; both may come apart.
        if self._after_cr:
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        self._rest += piece
        if self._size + len(self._rest) > self._most_bytes:
            raise ValueError(f"an event of more than {self._most_bytes} bytes")
        if b"\n" not in piece and b"\r" not in piece:
            return
        lines = bytes(self._rest).splitlines(keepends=True)
        self._rest = bytearray(b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop())
        for line in lines:
            if (event := self._read_line(line.rstrip(b"\r\n"))) is not None:
                yield event

    def _read_line(self, line: bytes) -> Event | None:
        if not line:
            event, self._event = self._event, Event()
            event.data = b"\n".join(self._data)
            seen = bool(self._data) or event.id is not None or event.retry_ms is not None
            self._data.clear()
            self._size = 0
            return event if seen else None
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(value)
        elif name == b"event":
            self._event.type = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._event.id = value.decode(errors="replace")
        elif name == b"retry" and value.isdigit():
            self._event.retry_ms = int(value[:9])
        return None
