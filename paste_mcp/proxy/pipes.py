"""Byte pipes for the fast way: our own stdin and stdout, and those of servers that we start. POSIX and asyncio only.

A server gets a process group of its own. It is ended as the protocol says: its stdin is closed, then the group is
asked (TERM), then killed; whatever it left running goes with it.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import stat
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import cache
from typing import IO

import anyio
import sniffio

from paste_mcp.proxy.guard import GUARD
from paste_mcp.proxy.lines import Listener

logger = logging.getLogger("paste_mcp")

MAX_LINE_BYTES = 32 * 1024 * 1024
"""The longest message that is read. A peer that writes more without a line break is cut off."""
GRACE_S = 2.0
"""How long a server may take to end after its stdin was closed, and again after it was asked."""


def available() -> bool:
    """Whether the fast way can be had: pipes of the event loop need asyncio on a POSIX system."""
    return os.name == "posix" and sniffio.current_async_library() == "asyncio"


def own_available() -> bool:
    """Whether our own stdin and stdout can be had that way: files and /dev/null cannot be waited for."""
    return available() and all(_can_be_awaited(fd) for fd in (0, 1))


def _can_be_awaited(fd: int) -> bool:
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(fd)


class BytePipe(asyncio.Protocol):
    """Two transports of the event loop, one to read and one to write, as a `Pipe` of lines.

    What comes is handed on from within the loop's callback: a stream would cost each message a turn of the loop more.
    """

    def __init__(self) -> None:
        self._source: asyncio.ReadTransport
        self._sink: asyncio.WriteTransport
        self._listener: Listener | None = None
        self._partial = bytearray()
        self._lines: deque[bytes] = deque()
        """Whole lines that nobody has heard yet."""
        self._held = False
        self._at_end = False
        self._behind: list[bytes] | None = None
        """What is written later in the same turn of the loop as an earlier message; it goes all at once."""
        self._room: asyncio.Future[None] | None = None
        """Made while the other side does not keep up, and done once it does."""

    @classmethod
    async def over(cls, source: IO[bytes], sink: IO[bytes]) -> BytePipe:
        """These two files, which are closed with the pipe."""
        loop, pipe = asyncio.get_running_loop(), cls()
        pipe._source, _ = await loop.connect_read_pipe(lambda: pipe, source)
        try:
            pipe._sink, _ = await loop.connect_write_pipe(lambda: _Outbound(pipe), sink)
        except BaseException:
            pipe._source.close()
            raise
        return pipe

    # --- towards those who use it -----------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        self._listener = listener
        self._hand_on()

    def hold(self) -> None:
        self._held = True
        self._source.pause_reading()

    def go_on(self) -> None:
        self._held = False
        self._source.resume_reading()
        self._hand_on()

    def write(self, data: bytes) -> None:
        # The first message of a turn goes at once, so that nothing waits; those after it cost one system call together.
        if self._behind is None:
            self._behind = []
            asyncio.get_running_loop().call_soon(self._catch_up)
            self._sink.write(data)
        else:
            self._behind.append(data)

    @property
    def full(self) -> bool:
        return self._room is not None

    async def drain(self) -> None:
        if self._room is not None:
            await asyncio.shield(self._room)

    # --- towards those who opened it --------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Wait until everything written has gone."""
        self._catch_up()
        self._sink.set_write_buffer_limits(0)
        await self.drain()

    def close_writing(self) -> None:
        """The other side sees the end once it has read what was written."""
        self._catch_up()
        self._sink.close()

    def close(self) -> None:
        self._source.close()
        # A transport that is closing already must not be told again, unless it still waits to be rid of something.
        if not self._sink.is_closing() or self._sink.get_write_buffer_size():
            self._sink.abort()

    # --- towards the event loop -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        *whole, rest = data.split(b"\n")
        if not whole:
            self._partial += rest
        else:
            if self._partial:
                whole[0] = bytes(self._partial + whole[0])
            self._partial = bytearray(rest)
            self._lines.extend(whole)
            self._hand_on()
        if len(self._partial) > MAX_LINE_BYTES:
            logger.warning("a peer wrote more than %d bytes without a line break: cut off", MAX_LINE_BYTES)
            self._partial.clear()
            self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._at_end = True
        if self._partial:
            self._lines.append(bytes(self._partial))
            self._partial.clear()
        self._hand_on()

    def _hand_on(self) -> None:
        if self._listener is None:
            return
        while self._lines and not self._held:
            self._listener.heard_line(self._lines.popleft())
        if self._at_end and not self._held:
            self._listener.ended()

    def stalled(self) -> None:
        self._room = asyncio.get_running_loop().create_future()

    def flowing(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None

    def _catch_up(self) -> None:
        behind, self._behind = self._behind, None
        if behind:
            self._sink.write(b"".join(behind))


class _Outbound(asyncio.BaseProtocol):
    """What the event loop says about the transport that a pipe writes to."""

    def __init__(self, pipe: BytePipe) -> None:
        self._pipe = pipe

    def pause_writing(self) -> None:
        self._pipe.stalled()

    def resume_writing(self) -> None:
        self._pipe.flowing()

    def connection_lost(self, exc: Exception | None) -> None:
        # Whoever waits for room waits in vain; that the peer has gone he learns from what it no longer says.
        self._pipe.flowing()


@asynccontextmanager
async def own_pipe() -> AsyncIterator[BytePipe]:
    """Our stdin and stdout. Meanwhile file descriptor 0 is empty and 1 is stderr, so that neither a server that
    inherits them nor a stray print can touch the protocol. Ask `own_available` first.
    """
    wire_in, wire_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    try:
        pipe = await BytePipe.over(os.fdopen(wire_in, "rb", closefd=False), os.fdopen(wire_out, "wb", closefd=False))
        try:
            yield pipe
            with anyio.move_on_after(GRACE_S):
                await pipe.finish()
        finally:
            pipe.close()
    finally:
        for private, standard in ((wire_in, 0), (wire_out, 1)):
            # The event loop made it non-blocking, for everybody who shares it: a terminal would stay so.
            os.set_blocking(private, True)
            os.dup2(private, standard)
            os.close(private)


@asynccontextmanager
async def server_pipe(
    command: str, arguments: Sequence[str], env: Mapping[str, str], cwd: str | None
) -> AsyncIterator[BytePipe]:
    """Start a server; end it, and all that it started, on the way out. Raises OSError where it cannot be started."""
    # Pipes of our own, not asyncio's: its subprocess transport takes a turn of the loop more for all that it hears.
    with ExitStack() as ours, ExitStack() as theirs:
        stdin, to_server = _pipe(theirs, ours)
        from_server, stdout = _pipe(ours, theirs)
        pipe = await BytePipe.over(from_server, to_server)
        try:
            process = await asyncio.create_subprocess_exec(
                command,
                *arguments,
                stdin=stdin,
                stdout=stdout,
                stderr=None if _has_stderr() else DEVNULL,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_dies_with_parent(),
            )
            theirs.close()
            with GUARD.watching(process.pid):
                try:
                    yield pipe
                finally:
                    with anyio.CancelScope(shield=True):
                        await _end(process, pipe)
        finally:
            pipe.close()


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """A pipe; each end is closed with its stack."""
    read, write = os.pipe()
    return reader.enter_context(os.fdopen(read, "rb", 0)), writer.enter_context(os.fdopen(write, "wb", 0))


async def _end(process: Process, pipe: BytePipe) -> None:
    pipe.close_writing()
    pipe.go_on()  # A server whose output is not read may hang in it.
    if not await _gone(process):
        _signal_group(process.pid, signal.SIGTERM)
        await _gone(process)
    # The leader may have gone and left others behind.
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


async def _gone(process: Process) -> bool:
    """Whether it ended within the grace period."""
    with anyio.move_on_after(GRACE_S):
        await process.wait()
        return True
    return False


def _signal_group(group: int, what: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, what)


def _has_stderr() -> bool:
    try:
        os.fstat(2)
    except OSError:
        return False
    return True


@cache
def _dies_with_parent() -> Callable[[], None] | None:
    """Linux: have the kernel end a server whose proxy was killed. Elsewhere a server notices that its stdin closed."""
    if sys.platform != "linux":
        return None
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return None
    set_death_signal = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>

    def ask() -> None:
        prctl(set_death_signal, signal.SIGTERM)

    return ask
