"""The least that a relay can do: parse a message, give it an id of our own, write it; and back. No SDK, no models.

A proxy in Python cannot cost less; what it costs beyond this is its own. asyncio without the layers above it, since
those are among what is measured. Run as a program: `[--http PORT] -- COMMAND...`, or `--http PORT --url URL`.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
from asyncio.subprocess import PIPE
from typing import Any
from urllib.parse import urlsplit

import orjson

LONGEST_LINE_BYTES = 2**24


async def start(command: list[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The output and the input of a server of ours."""
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE_BYTES)
    assert process.stdout is not None and process.stdin is not None
    return process.stdout, process.stdin


async def own_pipes() -> tuple[asyncio.StreamReader, asyncio.WriteTransport]:
    """Our stdin and stdout."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LONGEST_LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout.buffer)
    return reader, writer


async def relay_lines(command: list[str]) -> None:
    """stdio to stdio, until our stdin ends."""
    from_server, to_server = await start(command)
    from_host, to_host = await own_pipes()
    numbers = itertools.count(1)
    ids: dict[int, Any] = {}

    async def answers() -> None:
        async for line in from_server:
            message = orjson.loads(line)
            message["id"] = ids.pop(message["id"])
            to_host.write(orjson.dumps(message) + b"\n")

    task = asyncio.create_task(answers())
    async for line in from_host:
        message = orjson.loads(line)
        if "id" in message:
            ids[number := next(numbers)] = message["id"]
            message["id"] = number
        to_server.write(orjson.dumps(message) + b"\n")
    to_server.close()
    await task


class PipeServer:
    """A server of ours, asked over its pipes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)

    async def run(self) -> None:
        """Hand out answers until the server ends."""
        async for line in self._reader:
            message = orjson.loads(line)
            self._waiting.pop(message["id"]).set_result(message)

    async def answer(self, body: bytes) -> bytes | None:
        message = orjson.loads(body)
        if "id" not in message:
            self._writer.write(body + b"\n")
            return None
        number, id = next(self._numbers), message["id"]
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        message["id"] = number
        self._writer.write(orjson.dumps(message) + b"\n")
        answer = await future
        answer["id"] = id
        return orjson.dumps(answer)


class HttpServer:
    """A server elsewhere that answers in JSON, asked over connections that are kept."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        self._head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._numbers = itertools.count(1)

    async def answer(self, body: bytes) -> bytes | None:
        message = orjson.loads(body)
        if "id" not in message:
            await self._post(body)
            return None
        id, message["id"] = message["id"], next(self._numbers)
        answer = orjson.loads(await self._post(orjson.dumps(message)))
        answer["id"] = id
        return orjson.dumps(answer)

    async def _post(self, body: bytes) -> bytes:
        while self._idle and self._idle[-1][0].at_eof():
            self._idle.pop()[1].close()
        connection = self._idle.pop() if self._idle else await asyncio.open_connection(*self._address)
        reader, writer = connection
        writer.write(f"{self._head}content-length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        answer = await reader.readexactly(int(length))
        self._idle.append(connection)
        return answer


async def serve_http(port: int, command: list[str], url: str | None) -> None:
    """HTTP to whichever server, until the process is asked to stop."""
    from paste_mcp.lab.overhead import asgi  # noqa: PLC0415 - on stdio this import would be most of the start

    if url is not None:
        await asgi.serve(asgi.json_posts(HttpServer(url).answer), port)
        return
    server = PipeServer(*await start(command))
    task = asyncio.create_task(server.run())
    await asgi.serve(asgi.json_posts(server.answer), port)
    task.cancel()


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, metavar="PORT")
    parser.add_argument("--url")
    parser.add_argument("command", nargs="*")
    options = parser.parse_args()
    if options.http is None:
        asyncio.run(relay_lines(options.command))
    else:
        asyncio.run(serve_http(options.http, options.command, options.url))


if __name__ == "__main__":
    main()
