"""A server that turns a request away over HTTP is heard doing so, however it is reached."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import httpx2
import pytest

from paste_mcp import app
from paste_mcp.config import parse_config
from paste_mcp.proxy.http import HttpClient, retry_after_s
from paste_mcp.proxy.posts import http_dispatcher
from paste_mcp.proxy.sdk import MCPError


@pytest.mark.parametrize(
    ("header", "expected"), [(None, None), ("120", 120.0), (" 0 ", 0.0), ("soon", None), ("-1", None), ("", None)]
)
def test_seconds_are_read_and_nonsense_is_none(header, expected):
    assert retry_after_s(header) == expected


def test_a_date_is_read_as_seconds_from_now():
    now = datetime.now(UTC)
    assert retry_after_s(format_datetime(now + timedelta(hours=1), usegmt=True)) == pytest.approx(3600, abs=60)
    assert retry_after_s(format_datetime(now - timedelta(hours=1), usegmt=True)) == 0.0


STATUSES = [("429 Too Many Requests", [7.0]), ("401 Unauthorized", [7.0]), ("403 No", [7.0]), ("500 Broken", [])]


async def answering(status):
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nretry-after: 7\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    return listener, f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/mcp"


@pytest.mark.parametrize(("status", "heard"), STATUSES)
def test_by_our_own_client(status, heard):
    async def main():
        told = []
        listener, url = await answering(status)
        async with listener, http_dispatcher(url, {}, told.append) as near, anyio.create_task_group() as tasks:
            await tasks.start(near.run, None, None)
            with pytest.raises(MCPError):
                await near.send_raw_request("tools/call", {})
            tasks.cancel_scope.cancel()
        assert told == heard

    asyncio.run(main())


@pytest.mark.parametrize(("status", "heard"), STATUSES)
def test_by_the_client_for_tls_and_logins(status, heard):
    async def main():
        told = []
        listener, url = await answering(status)
        async with listener, HttpClient({}, None, told.append) as client:
            await client.send(httpx2.Request("POST", url, content=b""))
        assert told == heard

    asyncio.run(main())


def test_what_is_heard_keeps_guesses_away(monkeypatch, tmp_path):
    told = {}
    monkeypatch.setattr(app, "connector", lambda server, login, refused: told.setdefault(server.url, refused))
    entries = {name: {"type": "http", "url": f"http://127.0.0.1:9/{name}"} for name in ("a", "b")}

    async def main():
        proxy = app.build(parse_config({"mcpServers": entries}, "test", {}, tmp_path), [], tmp_path)
        told["http://127.0.0.1:9/a"](None)
        return [proxy.budget.take(server, "t", {}, anyio.current_time(), in_session=0) for server in "ab"]

    taken = asyncio.run(main())
    assert [run is not None for run in taken] == [False, True]
