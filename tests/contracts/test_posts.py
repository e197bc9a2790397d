"""Streamable HTTP without a general client: whatever a server answers, however it falls apart, the caller learns it."""

import asyncio
import inspect
import json
from contextlib import asynccontextmanager

import anyio
import pytest
from mcp import MCPError

from paste_mcp.proxy import http1, posts
from paste_mcp.proxy.events import Event, EventReader
from paste_mcp.proxy.http import surely_not_run
from paste_mcp.proxy.posts import http_dispatcher

pytestmark = pytest.mark.anyio

OK = {"ok": True}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(posts, "RETRY_S", 0.0)


class Server:
    """Says what `answers` says to each request, as bytes; keeps the requests as they came."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.connections = 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().strip().split("\r\n")
                headers = dict(line.split(": ", 1) for line in lines)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append((first, headers, json.loads(body) if body else None))
                answer = self.answers.pop(0) if self.answers else plain(OK)
                answer = answer(self.requests[-1][2]) if callable(answer) else answer
                answer = await answer if inspect.isawaitable(answer) else answer
                for piece in answer if isinstance(answer, list) else [answer]:
                    if piece is None:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def got(self, method, times):
        """Wait until so many messages of this method have come."""
        while [body and body["method"] for _, _, body in self.requests].count(method) < times:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def http(body=b"", status="200 OK", kind="application/json", *more):
    headers = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*headers, "", ""]).encode() + body


def plain(result, *more):
    """An answer in JSON to whatever was asked."""
    return lambda asked: http(message(asked, result), "200 OK", "application/json; charset=utf-8", *more)


def message(asked, result):
    return json.dumps({"jsonrpc": "2.0", "id": (asked or {}).get("id"), "result": result}).encode()


def refused(status, code=None, data=None):
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": "no", "data": data}}
    return http(json.dumps(error).encode() if code else b"gone", status, "application/json" if code else "text/html")


def chunked(*pieces, kind="text/event-stream", end=True):
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    chunks = [b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    return [head, *chunks, b"0\r\ntrailer: x\r\n\r\n" if end else None]


@asynccontextmanager
async def reached(*answers, on_notify=None, on_request=None, path="/mcp?x=1", **headers):
    script = Server(*answers)
    listener = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}{path}"
    async with listener, http_dispatcher(url, headers) as near, anyio.create_task_group() as tasks:
        with anyio.fail_after(10):
            await tasks.start(near.run, on_request, on_notify)
            yield near, script
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "answer",
    [
        plain(OK),
        lambda asked: [bytes([byte]) for byte in http(message(asked, OK))],
        lambda asked: [b"HTTP/1.1 100 Continue\r\n\r\n" + http(message(asked, OK))],
        lambda asked: chunked(message(asked, OK), kind="application/json"),
        lambda asked: [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + message(asked, OK), None],
        lambda asked: [b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + message(asked, OK), None],
        lambda asked: http(message({"id": "another"}, OK)),
        lambda asked: chunked(b"data: ", message(asked, OK), b"\n\n"),
        lambda asked: chunked(b"event: x\ndata: {}\n\n: c\n\ndata:\n\ndata: " + message(asked, OK) + b"\r\n\r\n"),
    ],
)
async def test_an_answer_is_read_however_it_is_wrapped_and_the_next_request_is_answered_too(answer):
    async with reached(answer) as (near, _):
        assert await near.send_raw_request("m", {"a": 1}) == OK
        assert await near.send_raw_request("m", {}) == OK


async def test_one_connection_carries_all_requests_that_follow_each_other(monkeypatch):
    stream = lambda asked: chunked(b"data: " + message(asked, OK) + b"\n\n")  # noqa: E731
    async with reached(*[plain(OK), stream] * 5) as (near, script):
        for _ in range(10):
            await near.send_raw_request("m", {})
            await asyncio.sleep(0.01)  # the stream's end, after the answer
        assert script.connections == 1
        monkeypatch.setattr(http1, "MAX_IDLE_S", 0.0)
        await near.send_raw_request("m", {})
        assert script.connections == 2


async def test_requests_side_by_side_do_not_wait_for_each_other():
    waiting, release = [], asyncio.Event()

    async def last_one(asked):
        waiting.append(asked)
        if len(waiting) == 20:
            release.set()
        await release.wait()
        return http(message(asked, OK))

    async with reached(*[last_one] * 20) as (near, _):
        assert await asyncio.gather(*(near.send_raw_request("m", {}) for _ in range(20))) == [OK] * 20


async def test_what_is_sent_names_the_session_the_version_and_the_users_headers():
    answers = [plain({"protocolVersion": "2025-11-25"}, "Mcp-Session-Id: s 1"), http(b"", "202 Accepted")]
    async with reached(*answers, plain(OK), Authorization="Bearer x") as (near, script):
        await near.send_raw_request("initialize", {}, {"headers": {"mcp-protocol-version": "2026-07-28"}})
        await near.notify("notifications/other", None, {"headers": {"mcp-protocol-version": "2025-11-25"}})
        await near.send_raw_request("tools/call", {"name": "t"}, {"headers": {"mcp-name": "t"}})
        await near.leave()
    greeting, told, call, farewell, *_ = script.requests
    assert greeting[0] == "POST /mcp?x=1 HTTP/1.1"
    assert greeting[1]["authorization"] == "Bearer x"
    assert "mcp-session-id" not in greeting[1]
    assert told[1]["mcp-session-id"] == call[1]["mcp-session-id"] == farewell[1]["mcp-session-id"] == "s 1"
    assert call[1]["mcp-protocol-version"] == "2025-11-25"
    assert call[1]["mcp-name"] == "t"
    assert "mcp-name" not in told[1]
    assert farewell[0] == "DELETE /mcp?x=1 HTTP/1.1"


async def test_a_header_cannot_smuggle_another():
    async with reached() as (near, script):
        with pytest.raises(MCPError, match="line break"):
            await near.send_raw_request("m", {}, {"headers": {"mcp-name": "x\r\nevil: 1"}})
    assert script.requests == []


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (refused("400 Bad Request", -32602, {"k": [1]}), -32602, "no"),
        (refused("404 Not Found"), -32601, "Not Found"),
        (refused("500 Oops"), -32603, "500"),
        (refused("401 Unauthorized"), -32603, "401"),
        (http(b"", "202 Accepted"), -32600, "will not answer"),
        (http(b"", "302 Found", "text/html", "Location: http://elsewhere.example/"), -32600, "elsewhere"),
        (http(b"", "307 Moved", "text/html", "Location: http://elsewhere.example/"), -32600, "elsewhere"),
        (http(b"hello", "200 OK", "text/html"), -32600, "text/html"),
        (http(b"{", "200 OK"), -32700, "JSON"),
        (http(b"[1]", "200 OK"), -32700, "JSON-RPC"),
        (http(b'{"jsonrpc":"2.0","id":1,"method":"m"}', "200 OK"), -32600, "by a request"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", -32000, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", -32000, "no HTTP"),
        ([b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{}", None], -32000, "lost"),
        ([None], -32000, "lost"),
        (chunked(b"data: {}\n\n", end=False), -32700, "JSON-RPC"),
        (chunked(b": nothing\n\n"), -32000, "without an answer"),
        (chunked(b"data: {", end=False), -32000, "without an answer"),
    ],
)
async def test_what_is_no_answer_is_an_error_that_says_why_and_never_a_reason_to_ask_again(answer, code, said):
    async with reached(answer) as (near, script):
        with pytest.raises(MCPError, match=said) as caught:
            await near.send_raw_request("m", {})
        assert caught.value.code == code
        assert not surely_not_run(caught.value)
        assert len(script.requests) == 1
        assert await near.send_raw_request("m", {}) == OK


async def test_only_a_request_that_was_never_sent_or_met_a_lost_session_surely_did_not_run():
    async with http_dispatcher("http://127.0.0.1:9/", {}) as nowhere:
        with pytest.raises(MCPError, match="cannot be reached") as caught, anyio.fail_after(5):
            await nowhere.send_raw_request("m", {})
    assert surely_not_run(caught.value)
    greeting = plain({}, "Mcp-Session-Id: s")
    async with reached(greeting, refused("404 Not Found", -32001), refused("404 Not Found", -32601)) as (near, _):
        await near.send_raw_request("initialize", {})
        with pytest.raises(MCPError, match="session lost") as caught:
            await near.send_raw_request("m", {})
        assert surely_not_run(caught.value)
        with pytest.raises(MCPError) as caught:
            await near.send_raw_request("m", {})
        assert caught.value.code == -32601


async def test_a_redirect_on_the_same_server_is_followed_with_the_message():
    async with reached(http(b"", "308 Moved", "text/html", "Location: /mcp/"), plain(OK), path="/mcp") as (
        near,
        script,
    ):
        assert await near.send_raw_request("m", {"a": 1}) == OK
        assert await near.send_raw_request("m", {}) == OK
    assert [first for first, _, _ in script.requests] == [
        "POST /mcp HTTP/1.1",
        "POST /mcp/ HTTP/1.1",
        "POST /mcp/ HTTP/1.1",
    ]
    assert script.requests[0][2] == script.requests[1][2]


async def test_a_stream_that_breaks_is_asked_for_the_rest_and_the_request_is_not_repeated():
    rest = b'id: 3\ndata: {"jsonrpc":"2.0","id":1,"result":{"ok":true}}\n\n'
    async with reached(
        chunked(b"id: 1\nretry: 1\ndata:\n\n", b"id: 2\n\n", end=False), chunked(b"id: 2b\n\n"), chunked(rest)
    ) as (near, script):
        assert await near.send_raw_request("m", {}) == OK
    assert [(first.split()[0], headers.get("last-event-id")) for first, headers, _ in script.requests] == [
        ("POST", None),
        ("GET", "2"),
        ("GET", "2b"),
    ]


async def test_a_stream_that_never_comes_to_the_answer_is_given_up():
    async with reached(*[chunked(b"id: 1\n\n")] * 9) as (near, script):
        with pytest.raises(MCPError, match="without an answer"):
            await near.send_raw_request("m", {})
    assert len(script.requests) == 1 + posts.MAX_RESUMPTIONS


@pytest.mark.parametrize(("version", "told"), [("2025-11-25", 1), ("2026-07-28", 0)])
@pytest.mark.parametrize("how", ["cancelled", "timed out"])
async def test_giving_up_closes_the_response_and_tells_an_older_server(version, told, how):
    begun = asyncio.Event()

    async def endless(asked):
        asyncio.get_running_loop().call_later(0.01, begun.set)
        return [chunked()[0], *[b"1\r\n:\r\n"] * 5000]

    async with reached(endless) as (near, script):
        options = {"headers": {"mcp-protocol-version": version}}
        if how == "timed out":
            with pytest.raises(MCPError, match="timed out"):
                await near.send_raw_request("slow", {}, {**options, "timeout": 0.05})
        else:
            asking = asyncio.create_task(near.send_raw_request("slow", {}, options))
            await begun.wait()
            asking.cancel()
            await asyncio.wait({asking})
        await script.got("notifications/cancelled", told)
        await near.send_raw_request("m", {})
        assert script.connections == 2
    cancelled = [body["params"] for _, _, body in script.requests if body["method"] == "notifications/cancelled"]
    assert cancelled == [{"requestId": 1, "reason": how}] * told


async def test_what_the_server_says_of_its_own_accord_is_heard_again_after_a_break():
    heard = []
    done = anyio.Event()

    async def on_notify(context, method, params):
        heard.append(params["n"])
        if len(heard) == 2:
            done.set()

    def event(number):
        told = {"jsonrpc": "2.0", "method": "notifications/x", "params": {"n": number}}
        return b"id: %d\ndata: %s\n\n" % (number, json.dumps(told).encode())

    greeting = plain({}, "Mcp-Session-Id: s")
    answers = (greeting, http(b"", "202 Accepted"), chunked(event(1)), chunked(event(2)), http(b"", "405 No"))
    async with reached(*answers, on_notify=on_notify) as (near, script):
        await near.send_raw_request("initialize", {})
        await near.notify("notifications/initialized", None)
        await done.wait()
    assert heard == [1, 2]
    gets = [headers.get("last-event-id") for first, headers, _ in script.requests if first.startswith("GET")]
    assert gets[:2] == [None, "1"]


TEXT = (
    b'\xef\xbb\xbfid: 1\r\ndata: {"a":1}\r\n\r\n: c\n\nevent: x\rdata: 2\rdata:3\r\r\n'
    b"retry: 50\n\nretry: soon\nid: a\0b\n\n"
)


@pytest.mark.parametrize("size", [3, 4, 5, 7, 11, 1000])
def test_events_are_read_alike_however_they_are_cut(size):
    reader = EventReader(1000)
    events = [event for at in range(0, len(TEXT), size) for event in reader.read(TEXT[at : at + size])]
    assert events == [Event(data=b'{"a":1}', id="1"), Event("x", b"2\n3"), Event(retry_ms=50)]


@pytest.mark.parametrize("endless", [b"data: " + b"x" * 600, b"x" * 600, b"data: x\n" * 100])
def test_an_event_without_end_is_refused(endless):
    reader = EventReader(1000)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        for _ in range(20):
            list(reader.read(endless))


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("http://127.0.0.1:8/mcp", {}, True),
        ("https://127.0.0.1:8/mcp", {}, False),
        ("http://user:secret@127.0.0.1:8/mcp", {}, False),
        ("http://example.com/mcp", {"http_proxy": "http://p:3128"}, False),
        ("http://example.com/mcp", {"all_proxy": "http://p:3128"}, False),
        ("http://127.0.0.1:8/mcp", {"http_proxy": "http://p:3128", "no_proxy": "127.0.0.1"}, True),
    ],
)
async def test_it_is_for_plain_connections_only(monkeypatch, url, environ, expected):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert posts.available(url) is expected
