"""A TCP relay that makes connections bad: late, slow, in pieces, cut short, reset, half closed, silent."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

TOXICS = (
    "none",
    "latency",
    "bandwidth",
    "slow close",
    "reset",
    "slicer",
    "half close",
    "silence",
    "limit",
    "refuse",
    "cut",
)


class BadNet:
    """Between a client and `port`. `toxic` says what is wrong with connections from now on, also with open ones."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._to = port
        self._chance = chance
        self.toxic = "none"
        self.injected = 0
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[BadNet]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.toxic == "refuse":
            self.injected += 1
            _reset(writer)
            return
        far_writer = None
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far_writer, back=False))
                both.create_task(self._pump(far_reader, writer, back=True))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for one in (writer, far_writer):
                if one is not None:
                    one.close()
                    with suppress(OSError):
                        await one.wait_closed()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        while data := await reader.read(65536):
            toxic = self.toxic if back or self.toxic in ("slicer", "latency", "cut") else "none"
            self.injected += toxic != "none"
            match toxic:
                case "latency":
                    await asyncio.sleep(self._chance.uniform(0, 0.1))
                case "bandwidth":
                    await asyncio.sleep(min(0.3, len(data) / 50_000))
                case "slicer":
                    for at in range(0, len(data), 7):
                        writer.write(data[at : at + 7])
                        await asyncio.sleep(0)
                    data = b""
                case "reset":
                    _reset(writer)
                    raise ConnectionResetError
                case "limit":
                    writer.write(data[: self._chance.randrange(len(data))])
                    await writer.drain()
                    raise ConnectionResetError
                case "half close":
                    writer.write(data[: len(data) // 2])
                    writer.write_eof()
                    await asyncio.sleep(0.05)
                    raise ConnectionResetError
                case "silence":
                    await asyncio.sleep(0.7)
                    raise ConnectionResetError
                case "cut" if self._chance.random() < 0.5:
                    raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        if self.toxic == "slow close":
            self.injected += 1
            await asyncio.sleep(0.2)
        with suppress(OSError):
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
