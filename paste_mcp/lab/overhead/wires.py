"""How the bench's host reaches what it measures: a process's pipes, or raw HTTP on connections that are kept.

Blocking system calls and no event loop: whatever the host costs is added to every figure, and would make a dear proxy
look as good as a cheap one.
"""

from __future__ import annotations

import os
import select
import socket
from dataclasses import dataclass, field
from typing import IO, Protocol

PATIENCE_S = 30.0
"""How long an answer may take before the run is given up."""
CHUNK_BYTES = 2**18


class Lost(Exception):
    """What is measured ended, or does not answer; the message says which."""


class Wire(Protocol):
    """Carries messages of one host to one server and back."""

    def ready(self, in_flight: int) -> None:
        """See to it that so many requests can be under way at once."""
        ...

    def send(self, body: bytes) -> None:
        """Send a request."""
        ...

    def tell(self, body: bytes) -> None:
        """Send a notification."""
        ...

    def receive(self) -> list[bytes]:
        """What has arrived since; waits until something has. Raises Lost."""
        ...

    def close(self) -> None: ...


class Lines:
    """One message a line, over the pipes of a process."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._out, self._in = stdin.fileno(), stdout.fileno()
        self._unsent = bytearray()
        self._rest = b""
        self._answers, self._both = select.poll(), select.poll()
        for fd, polls, events in (
            (self._in, (self._answers, self._both), select.POLLIN),
            (self._out, (self._both,), select.POLLOUT),
        ):
            os.set_blocking(fd, False)
            for poll in polls:
                poll.register(fd, events)

    def ready(self, in_flight: int) -> None:
        pass

    def send(self, body: bytes) -> None:
        self._unsent += body + b"\n"
        self._flush()

    tell = send

    def receive(self) -> list[bytes]:
        while True:
            # A full pipe must not keep us from reading: the other side may be waiting for just that.
            if not (self._both if self._unsent else self._answers).poll(PATIENCE_S * 1000):
                raise Lost(f"no answer within {PATIENCE_S:g} s")
            self._flush()
            try:
                data = os.read(self._in, CHUNK_BYTES)
            except BlockingIOError:
                continue
            if not data:
                raise Lost("it ended")
            whole, line_break, rest = data.rpartition(b"\n")
            if line_break:
                lines = (self._rest + whole).split(b"\n")
                self._rest = rest
                return lines
            self._rest += data

    def close(self) -> None:
        pass

    def _flush(self) -> None:
        if self._unsent:
            try:
                del self._unsent[: os.write(self._out, self._unsent)]
            except BlockingIOError:
                pass
            except BrokenPipeError:
                raise Lost("it ended") from None


@dataclass(slots=True)
class Response:
    """One HTTP response, read to its end."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes

    def messages(self) -> list[bytes]:
        """The JSON-RPC messages in it, whether it is one JSON body or a stream of events."""
        if not self.headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            return [self.body] if self.body else []
        lines = self.body.splitlines()
        return [data for line in lines if line.startswith(b"data:") and (data := line[5:].strip())]


def parse(data: bytes) -> Response | None:
    """The response that `data` begins with; None while it is not complete."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.split(b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    body: bytes | None
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = _joined_chunks(rest)
    else:
        length = int(headers.get(b"content-length", 0))
        body = rest if len(rest) >= length else None
    return None if body is None else Response(int(first.split()[1]), headers, body)


def _joined_chunks(data: bytes) -> bytes | None:
    joined: list[bytes] = []
    at = 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end].partition(b";")[0], 16)
        if size == 0:
            return b"".join(joined) if data.endswith(b"\r\n\r\n") else None
        joined.append(data[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return None


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    read: bytearray = field(default_factory=bytearray)


class Http:
    """Streamable HTTP with sessions, one request at a time on each connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = b""
        self._idle: list[_Connection] = []
        self._busy: dict[int, _Connection] = {}
        self._poll = select.poll()

    def ready(self, in_flight: int) -> None:
        # New ones each time: servers close connections that were idle for some seconds.
        self.close()
        for _ in range(in_flight):
            connection = socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._idle.append(_Connection(connection))

    def send(self, body: bytes) -> None:
        connection = self._idle.pop()
        connection.socket.sendall(
            b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:%d\r\naccept: application/json, text/event-stream\r\n"
            b"content-type: application/json\r\nmcp-protocol-version: 2025-11-25\r\n%scontent-length: %d\r\n\r\n%s"
            % (self._port, self._session, len(body), body)
        )
        self._busy[connection.socket.fileno()] = connection
        self._poll.register(connection.socket, select.POLLIN)

    def tell(self, body: bytes) -> None:
        self.send(body)
        self.receive()

    def receive(self) -> list[bytes]:
        while True:
            if not (events := self._poll.poll(PATIENCE_S * 1000)):
                raise Lost(f"no answer within {PATIENCE_S:g} s")
            if responses := [response for fd, _ in events if (response := self._read(fd)) is not None]:
                return [message for response in responses for message in response.messages()]

    def close(self) -> None:
        for connection in (*self._idle, *self._busy.values()):
            connection.socket.close()
        self._idle.clear()
        self._busy.clear()
        self._poll = select.poll()

    def _read(self, fd: int) -> Response | None:
        connection = self._busy[fd]
        data = connection.socket.recv(CHUNK_BYTES)
        if not data:
            raise Lost("it closed a connection before its answer")
        connection.read += data
        if (response := parse(bytes(connection.read))) is None:
            return None
        connection.read.clear()
        self._poll.unregister(fd)
        self._idle.append(self._busy.pop(fd))
        if response.status >= 400:
            raise Lost(f"it answered with HTTP status {response.status}: {response.body[:200]!r}")
        if session := response.headers.get(b"mcp-session-id"):
            self._session = b"mcp-session-id: %s\r\n" % session
        return response
