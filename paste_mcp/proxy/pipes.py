"""Byte pipes for the fast way: our own stdin and stdout, and those of servers that we start. POSIX and asyncio only.

A server gets a process group of its own. It is ended as the protocol says: its stdin is closed, then the group is
asked (TERM), then killed; whatever it left running goes with it.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import stat
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache

import anyio
import sniffio

from paste_mcp.proxy.lines import MAX_LINE_BYTES

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


class StreamPipe:
    """A pair of asyncio streams as a `Pipe`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read_line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ConnectionError:
            return b""

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        # The reader notices a peer that has gone; a write to it is no error of the writer.
        with suppress(ConnectionError):
            await self._writer.drain()


@asynccontextmanager
async def own_pipe() -> AsyncIterator[StreamPipe]:
    """Our stdin and stdout. Meanwhile file descriptor 0 is empty and 1 is stderr, so that neither a server that
    inherits them nor a stray print can touch the protocol. Ask `own_available` first.
    """
    wire_in, wire_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    loop = asyncio.get_running_loop()
    try:
        reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        source, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(wire_in, "rb", closefd=False)
        )
        sink, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(wire_out, "wb", closefd=False)
        )
        writer = asyncio.StreamWriter(sink, protocol, None, loop)
        try:
            yield StreamPipe(reader, writer)
            with anyio.move_on_after(GRACE_S):
                await writer.drain()
        finally:
            source.close()
            sink.close()
    finally:
        for private, standard in ((wire_in, 0), (wire_out, 1)):
            # The event loop made it non-blocking, for everybody who shares it: a terminal would stay so.
            os.set_blocking(private, True)
            os.dup2(private, standard)
            os.close(private)


@asynccontextmanager
async def server_pipe(
    command: str, arguments: Sequence[str], env: Mapping[str, str], cwd: str | None
) -> AsyncIterator[StreamPipe]:
    """Start a server; end it, and all that it started, on the way out. Raises OSError where it cannot be started."""
    process = await asyncio.create_subprocess_exec(
        command,
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
        stderr=None if _has_stderr() else DEVNULL,
        env=dict(env),
        cwd=cwd,
        limit=MAX_LINE_BYTES,
        start_new_session=True,
        preexec_fn=_dies_with_parent(),
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield StreamPipe(process.stdout, process.stdin)
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)


async def _end(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    if not await _gone(process):
        _signal_group(process.pid, signal.SIGTERM)
        await _gone(process)
    # The leader may have gone and left others behind.
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


async def _gone(process: Process) -> bool:
    """Whether it ended within the grace period. Its output is read meanwhile: a full pipe would keep it alive."""
    assert process.stdout is not None
    with anyio.move_on_after(GRACE_S):
        with suppress(ConnectionError, ValueError):
            while await process.stdout.read(1 << 16):
                pass
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
