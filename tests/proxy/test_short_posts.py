"""Calls over HTTP: plain JSON where they are short, a stream where they are not, and nobody let in who would not be."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import anyio
import httpx2
import pytest
import uvicorn
from proxy_harness import World, reached, told

from paste_mcp.app import build, listen
from paste_mcp.config import parse_config
from paste_mcp.proxy import short_posts

pytestmark = pytest.mark.anyio

JSON, STREAM = "application/json", "text/event-stream"


@pytest.fixture(params=["asyncio"])
def anyio_backend(request):
    return request.param


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """However slow the machine, what is answered at once is answered soon."""
    monkeypatch.setattr(short_posts, "SOON_S", 60)


class Host:
    """A host that speaks 2025-11-25 and shows how it was answered."""

    def __init__(self, client):
        self.client = client
        self.headers = {"accept": f"{JSON}, {STREAM}", "content-type": JSON, "mcp-protocol-version": "2025-11-25"}

    async def post(self, message, **headers):
        content = message if isinstance(message, bytes) else json.dumps({"jsonrpc": "2.0", **message}).encode()
        return await self.client.post("/mcp", content=content, headers={**self.headers, **headers})

    async def greet(self, **capabilities):
        hello = {
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": {"name": "h", "version": "1"},
        }
        greeted = await self.post({"id": "hello", "method": "initialize", "params": hello})
        self.headers["mcp-session-id"] = greeted.headers["mcp-session-id"]
        await self.post({"method": "notifications/initialized"})
        await self.post({"id": "tools", "method": "tools/list"})

    async def call(self, tool, id=1, *, params=None, **headers):
        """How the answer came, and all messages in it."""
        response = await self.post(
            {"id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}, **(params or {})}}, **headers
        )
        return response.headers["content-type"].partition(";")[0], messages(response)


def messages(response):
    if response.headers["content-type"].startswith(JSON):
        return [response.json()]
    lines = response.text.splitlines()
    return [json.loads(line[5:]) for line in lines if line.startswith("data:") and line[5:].strip()]


@asynccontextmanager
async def listening(world, tmp_path):
    config = parse_config(
        {"mcpServers": {"w": {"command": "none"}}, "paste": {"prefix": False, "record": "off"}}, "test", {}, tmp_path
    )
    proxy = build(config, [], tmp_path, {"w": lambda: reached(world)})
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(proxy.http_app(), log_level="critical", timeout_graceful_shutdown=1))
        async with proxy.running(), anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: server.serve(sockets=[listener]))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with httpx2.AsyncClient(base_url=url, timeout=10, trust_env=False) as client:
                with anyio.fail_after(20):
                    yield Host(client)
            server.should_exit = True


def world(**answers):
    return World(tools={name: {} for name in (*answers, "quick")}, answers={"quick": quick, **answers})


async def quick(ctx, arguments):
    return told({"said": "at once"})


def text_of(message):
    return message["result"]["structuredContent"]


async def test_a_short_call_is_answered_in_json(tmp_path):
    server = world()
    async with listening(server, tmp_path) as host:
        await host.greet()
        answers = [await host.call("quick", 1)]
        answers += await asyncio.gather(*(host.call("quick", id) for id in ("two", 3, 4, "5")))
    said = [(kind, answer["id"], text_of(answer)) for kind, [answer] in answers]
    assert said == [(JSON, id, {"said": "at once"}) for id in (1, "two", 3, 4, "5")]
    assert len(server.log) == 5


async def test_a_long_call_is_answered_by_a_stream_and_holds_up_no_short_one(tmp_path, monkeypatch):
    monkeypatch.setattr(short_posts, "SOON_S", 0.05)
    all_quick_done = anyio.Event()

    async def slow(ctx, arguments):
        await all_quick_done.wait()
        await anyio.sleep(2 * short_posts.SOON_S)
        return told({"said": "late"})

    server = world(slow=slow)
    async with listening(server, tmp_path) as host:
        await host.greet()
        long = [asyncio.create_task(host.call("slow", id)) for id in range(5)]
        short = await asyncio.gather(*(host.call("quick", id) for id in range(5, 10)))
        all_quick_done.set()
        answers = await asyncio.gather(*long)
    # The kind of a short one's answer is a matter of the machine's speed here.
    assert [(answer["id"], text_of(answer)) for _, [answer] in short] == [
        (id, {"said": "at once"}) for id in range(5, 10)
    ]
    assert [(kind, answer["id"], text_of(answer)) for kind, [answer] in answers] == [
        (STREAM, id, {"said": "late"}) for id in range(5)
    ]
    assert len(server.log) == 10


async def test_errors_are_answered_in_json_as_well(tmp_path):
    async with listening(world(), tmp_path) as host:
        await host.greet()
        kind, [answer] = await host.call("quick", params={"name": 5})
        assert (kind, answer["error"]["code"], answer["id"]) == (JSON, -32602, 1)


async def test_what_is_said_during_a_call_opens_a_stream_and_goes_before_the_answer(tmp_path):
    async def chatty(ctx, arguments):
        await ctx.session.report_progress(0.5, 1.0, "half")
        return told({"said": "all"})

    server = world(chatty=chatty)
    async with listening(server, tmp_path) as host:
        await host.greet()
        kind, [progress, answer] = await host.call("chatty", params={"_meta": {"progressToken": "t"}})
        assert kind == STREAM
        assert progress["params"] == {"progressToken": "t", "progress": 0.5, "total": 1.0, "message": "half"}
        assert text_of(answer) == {"said": "all"}
    assert len(server.log) == 1


async def test_a_server_may_ask_the_host_during_a_call(tmp_path):
    async def asking(ctx, arguments):
        answer = await ctx.session.elicit_form("who?", {"type": "object", "properties": {}})
        return told({"action": answer.action})

    async with listening(world(asking=asking), tmp_path) as host:
        await host.greet(elicitation={})
        async with host.client.stream(
            "POST",
            "/mcp",
            headers=host.headers,
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "asking", "arguments": {}}},
        ) as response:
            lines = (line[5:] async for line in response.aiter_lines() if line.startswith("data:") and line[5:].strip())
            question = json.loads(await anext(lines))
            assert question["method"] == "elicitation/create"
            await host.post({"id": question["id"], "result": {"action": "decline"}})
            assert text_of(json.loads(await anext(lines))) == {"action": "decline"}


async def test_a_call_can_be_cancelled_before_its_stream_is_opened(tmp_path):
    began = anyio.Event()

    async def endless(ctx, arguments):
        began.set()
        await anyio.sleep_forever()

    server = world(endless=endless)
    async with listening(server, tmp_path) as host:
        await host.greet()
        call = asyncio.create_task(host.call("endless"))
        await began.wait()
        await host.post({"method": "notifications/cancelled", "params": {"requestId": 1}})
        kind, [answer] = await call
        assert (kind, "error" in answer) == (STREAM, True)
    assert [execution.cancelled for execution in server.log] == [True]


async def test_who_would_not_be_let_in_by_the_sdk_is_not_let_in(tmp_path):
    async with listening(world(), tmp_path) as host:
        await host.greet()
        for _ in range(2):
            assert (await host.call("quick"))[0] == JSON
            for refused, headers in (
                (403, {"origin": "http://evil.example"}),
                (421, {"host": "evil.example"}),
                (400, {"mcp-protocol-version": "2025-01-01"}),
                (404, {"mcp-session-id": "another"}),
                (406, {"accept": JSON}),
                (400, {"content-type": "text/plain"}),
            ):
                response = await host.post(
                    {"id": 1, "method": "tools/call", "params": {"name": "quick", "arguments": {}}}, **headers
                )
                assert response.status_code == refused, headers
        for body in (b"{", b"[]", b'{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{}}'):
            assert (await host.post(body)).status_code == 400
        await host.client.delete("/mcp", headers=host.headers)
        gone = await host.post({"id": 1, "method": "tools/call", "params": {"name": "quick", "arguments": {}}})
        assert gone.status_code == 404


async def test_a_long_message_goes_the_long_way(tmp_path, monkeypatch):
    monkeypatch.setattr(short_posts, "MAX_BODY_BYTES", 200)
    async with listening(world(), tmp_path) as host:
        await host.greet()
        kind, [answer] = await host.call("quick", params={"arguments": {"x": "y" * 500}})
        assert (kind, text_of(answer)) == (STREAM, {"said": "at once"})


async def test_what_a_request_of_the_other_era_is_worth_is_left_to_the_sdk(tmp_path):
    envelope = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    async with listening(world(), tmp_path) as host:
        await host.greet()
        kind, _ = await host.call("quick", params={"_meta": envelope})
        assert kind == STREAM


def test_the_first_and_the_second_part_of_a_response_leave_at_once():
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
