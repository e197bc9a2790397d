"""HTTP/1.1 over plain TCP connections that are kept: what a server on this machine needs, and no more. On asyncio.

A general client takes longer for a request than everything else on a call's way; here it is one write, and parsing in
the event loop's callback. TLS, proxies and redirects are not its business.
"""

from __future__ import annotations

import asyncio
from collections import deque

CONNECT_TIMEOUT_S = 30.0
MAX_IDLE_S = 3.0
"""How long an unused connection is trusted. Many servers close theirs after five seconds, and a request that is written
just then is lost without a trace.
"""
MAX_HEAD_BYTES = 64 * 1024
MAX_BUFFER_BYTES = 1024 * 1024
"""What of a response may wait to be read before the server is held back."""


class ConnectionLost(Exception):
    """The server was asked, and its answer did not come, or not whole."""


class NotReached(Exception):
    """The server was not asked."""


class Response:
    """One response: its head at once, its body as it comes. Read it to the end, or `close` it."""

    def __init__(self, status: int, headers: dict[str, str], connection: _Connection) -> None:
        self.status = status
        self.headers = headers
        self._connection: _Connection | None = connection
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._complete = False
        self._failure: Exception | None = None
        self._news: asyncio.Future[None] | None = None

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def piece(self) -> bytes:
        """The body's next bytes; empty at its end. Raises `ConnectionLost`."""
        while not self._pieces:
            if self._complete:
                return b""
            if self._failure is not None:
                raise self._failure
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        piece = self._pieces.popleft()
        self._waiting_bytes -= len(piece)
        if self._connection is not None and self._waiting_bytes < MAX_BUFFER_BYTES:
            self._connection.go_on()
        return piece

    async def read(self, most_bytes: int) -> bytes:
        """The whole body. Raises `ConnectionLost`, also where it is longer."""
        try:
            body = await self.piece()
            if self._complete and not self._pieces:
                return body
            whole = bytearray(body)
            while piece := await self.piece():
                whole += piece
                if len(whole) > most_bytes:
                    raise ConnectionLost(f"a response of more than {most_bytes} bytes")
            return bytes(whole)
        except BaseException:
            self.close()
            raise

    async def skip(self) -> None:
        """Let the body pass, so that the connection can be used again. Raises `ConnectionLost`."""
        try:
            while await self.piece():
                pass
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Nobody reads on. Unless it had come to its end, the connection is lost with it."""
        if self._connection is not None:
            self._connection.abort()

    # --- the connection's part --------------------------------------------------------------------------------------

    def received(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)
        if self._connection is not None and self._waiting_bytes >= MAX_BUFFER_BYTES:
            self._connection.hold()
        self._wake()

    def ended(self, failure: Exception | None = None) -> None:
        self._connection = None
        self._failure = failure
        self._complete = failure is None
        self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class _Connection(asyncio.Protocol):
    """One connection: a request, its response, the next request."""

    def __init__(self, pool: Connections) -> None:
        self._pool = pool
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._head: asyncio.Future[Response] | None = None
        self._response: Response | None = None
        self._left: int | None = None
        """Bytes still to come of the body or, with its line break, of a chunk; None: until the connection ends."""
        self._chunked = False
        self._trailing = False
        self._reusable = True
        self.closed = False
        self.idle_since = 0.0

    async def request(self, data: bytes) -> Response:
        self._head = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            return await self._head
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        self.closed = True
        self._transport.abort()

    def hold(self) -> None:
        self._transport.pause_reading()

    def go_on(self) -> None:
        self._transport.resume_reading()

    # --- towards the event loop -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._advance()
        except ValueError as error:
            self._fail(f"no HTTP: {error}")
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._pool.forget(self)
        if self._response is not None and self._left is None and not self._chunked and exc is None:
            self._finish()
        else:
            self._fail(str(exc or "the server closed the connection"))

    def _fail(self, why: str) -> None:
        failure = ConnectionLost(why)
        if self._head is not None and not self._head.done():
            self._head.set_exception(failure)
        if self._response is not None:
            self._response.ended(failure)
        self._head = self._response = None

    # --- parsing ----------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Make what there is of what has come. Raises ValueError where it is no HTTP."""
        while self._response is None:
            if self._head is None:
                if self._buffer:
                    raise ValueError("more than was asked for")
                return
            if not self._take_head():
                return
        if self._chunked:
            self._take_chunks()
        elif self._left is None:
            self._take_body(len(self._buffer))
        else:
            self._left -= self._take_body(self._left)
            if self._left == 0:
                self._finish()
        # A short answer is handed over whole: whoever waits for it is woken once.
        if self._response is None or self._left is None or self._left > MAX_BUFFER_BYTES or self._chunked:
            self._hand_over()

    def _take_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise ValueError("endless headers")
            return False
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        version, _, rest = first.partition(" ")
        status = int(rest[:3])
        if not version.startswith("HTTP/1."):
            raise ValueError(first[:40])
        if 100 <= status < 200:
            return True
        split = [line.partition(":") for line in lines]
        headers = {name.strip().lower(): value.strip() for name, _, value in split}
        self._made = Response(status, headers, self)
        self._response = self._made
        self._chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self._trailing = False
        length = headers.get("content-length")
        self._left = 0 if self._chunked or status in (204, 304) else int(length) if length is not None else None
        if self._left is not None and self._left < 0:
            raise ValueError("a negative length")
        connection = headers.get("connection", "").lower()
        self._reusable = version == "HTTP/1.1" and connection != "close" and (self._chunked or self._left is not None)
        return True

    def _take_body(self, most: int) -> int:
        piece = bytes(self._buffer[:most])
        if piece:
            del self._buffer[: len(piece)]
            assert self._response is not None
            self._response.received(piece)
        return len(piece)

    def _take_chunks(self) -> None:
        assert self._left is not None
        while self._response is not None:
            if self._left > 2:
                self._left -= self._take_body(min(self._left - 2, len(self._buffer)))
                if self._left > 2:
                    return
            if self._left:
                if len(self._buffer) < 2:
                    return
                del self._buffer[:2]
                self._left = 0
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > MAX_HEAD_BYTES:
                    raise ValueError("an endless chunk size")
                return
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            if self._trailing:
                if not line:
                    self._finish()
            elif (size := int(line.partition(b";")[0], 16)) == 0:
                self._trailing = True
            else:
                self._left = size + 2

    def _finish(self) -> None:
        response, self._response = self._response, None
        assert response is not None
        response.ended()
        self._hand_over()
        self._head = None
        if self._reusable and not self.closed:
            self.idle_since = asyncio.get_running_loop().time()
            self._pool.take_back(self)
        elif not self.closed:
            self.abort()

    def _hand_over(self) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_result(self._made)


class Connections:
    """Connections to one server, as many as there are requests under way, and kept for the next ones."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    async def request(self, data: bytes) -> Response:
        """Send a whole request. Raises `NotReached`, `ConnectionLost`."""
        return await (self._kept() or await self._connect()).request(data)

    def close(self) -> None:
        for connection in list(self._all):
            connection.abort()

    def take_back(self, connection: _Connection) -> None:
        self._idle.append(connection)

    def forget(self, connection: _Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _kept(self) -> _Connection | None:
        """The connection that was used last, if it can be trusted."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and now - connection.idle_since < MAX_IDLE_S:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
        except (OSError, TimeoutError) as error:
            raise NotReached(str(error) or type(error).__name__) from None
        self._all.add(connection)
        return connection
