"""JSON-RPC over newline-delimited JSON on byte pipes: the fast way for stdio, on asyncio."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from mcp.shared.dispatcher import CallOptions

from paste_mcp.proxy.jsonrpc import JsonRpc, Message, cancellation, is_message
from paste_mcp.proxy.repeats import Incoming, Outgoing
from paste_mcp.proxy.wire import broken_id, encode

logger = logging.getLogger("paste_mcp")

MAX_NOISE = 100
"""Lines in a row that are no JSON-RPC before a peer is cut off; a banner or a stray print is forgiven."""


class Listener(Protocol):
    """Hears what comes through a pipe."""

    def heard_line(self, line: bytes) -> None: ...

    def ended(self) -> None:
        """Nothing more comes."""
        ...


class Pipe(Protocol):
    """A duplex pipe of lines, opened by somebody else."""

    def listen(self, listener: Listener) -> None:
        """Hand on what comes, and what has come already."""
        ...

    def hold(self) -> None:
        """Hand on nothing until `go_on`."""
        ...

    def go_on(self) -> None: ...

    def write(self, data: bytes) -> None: ...

    @property
    def full(self) -> bool:
        """Whether the other side does not keep up."""
        ...

    async def drain(self) -> None:
        """Wait while the pipe is full."""
        ...


class LineDispatcher(JsonRpc):
    """The peer at the other end of one pipe. `inline` methods are answered before more is heard."""

    def __init__(self, pipe: Pipe, inline: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self._pipe = pipe
        self._inline = inline
        self._noise = 0
        self._incoming = Incoming()
        self._outgoing = Outgoing()

    def heard_line(self, line: bytes) -> None:
        """The pipe's next line. Noise is skipped and counted."""
        if self._end.done():
            return
        try:
            message = self._incoming.decode(line)
        except ValueError:
            message = None
        if is_message(message):
            self._noise = 0
            self.heard(message)
        elif line.strip():
            if message is None and (found := broken_id(line)) is not None:
                self.misheard(*found)
            self._noise += 1
            logger.debug("skipped a line that is no JSON-RPC: %.80r", line)
            if self._noise > MAX_NOISE:
                self._end.set_exception(ConnectionError(f"{MAX_NOISE} lines in a row were no JSON-RPC"))

    def ended(self) -> None:
        """The pipe's end."""
        if not self._end.done():
            self._end.set_result(None)

    def _open(self) -> None:
        self._pipe.listen(self)

    async def _send(self, message: Message, options: CallOptions) -> None:
        self._pipe.write(self._outgoing.encode(message))
        if self._pipe.full:
            await self._pipe.drain()

    def _abandon(self, message: Message, reason: str) -> None:
        self._pipe.write(encode(cancellation(message["id"], reason)))

    def _asked(self, id: Any, method: str, params: Message | None) -> asyncio.Task[None]:
        task = super()._asked(id, method, params)
        if method in self._inline:
            self._pipe.hold()
            task.add_done_callback(lambda _: self._pipe.go_on())
        return task
