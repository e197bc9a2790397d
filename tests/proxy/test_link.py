"""Links to servers that die, hang or belong to another age."""

from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import pytest
from mcp import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCResponse
from mcp_types.jsonrpc import ErrorData
from raw_server import ODD_RESULT, RawServer

from paste_mcp.proxy.downstream import FIRST_PAUSE_S, PATIENCE_S, Link, LinkDown
from paste_mcp.proxy.greeting import PROBE_TIMEOUT_S, Host
from paste_mcp.proxy.sdk import Peer

pytestmark = pytest.mark.anyio


async def refuse(link, method, params):
    raise AssertionError(method)


async def ignore(*_):
    return None


@asynccontextmanager
async def linked(connect, *, modern=False, start_timeout_s=10.0):
    link = Link("w", connect, Host({"name": "h", "version": "1"}, {}, modern), start_timeout_s)
    downs = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.run, refuse, ignore, ignore, downs.append)
        await link.settled()
        yield link, downs
        tasks.cancel_scope.cancel()


class Mortal(RawServer):
    """Can be made to die."""

    def __init__(self):
        super().__init__()
        self.die = anyio.Event()

    @asynccontextmanager
    async def connect(self):
        self.die = anyio.Event()
        async with super().connect() as peer, anyio.create_task_group() as tasks:

            async def reaper():
                await self.die.wait()
                await self.near[0].aclose()

            tasks.start_soon(reaper)
            yield peer
            tasks.cancel_scope.cancel()


async def test_a_server_that_died_is_started_again_by_the_next_request(tmp_path):
    server = Mortal()
    async with linked(server.connect) as (link, downs):
        assert await link.request("tools/call", {"name": "odd"}) == ODD_RESULT
        server.die.set()
        while link.up:
            await anyio.lowlevel.checkpoint()
        assert downs == [link]
        began = anyio.current_time()
        assert await link.request("tools/call", {"name": "odd"}) == ODD_RESULT
        assert anyio.current_time() - began == FIRST_PAUSE_S
        assert server.starts == 2


async def test_a_server_is_not_started_again_while_nobody_asks(tmp_path):
    server = Mortal()
    async with linked(server.connect) as (link, _):
        server.die.set()
        await anyio.sleep(1000)
        assert not link.up
        assert server.starts == 1


async def test_a_server_that_never_starts_is_named_and_tried_ever_less_often_but_never_given_up():
    attempts = []

    @asynccontextmanager
    async def connect():
        attempts.append(anyio.current_time())
        raise OSError("cannot")
        yield

    async with linked(connect) as (link, _):
        for _ in range(400):
            with pytest.raises(LinkDown, match="server 'w' is not available: OSError: cannot"):
                await link.request("tools/list", {})
            await anyio.sleep(1)
    pauses = [round(b - a) for a, b in pairwise(attempts)]
    assert pauses[:5] == [1, 2, 4, 8, 16]
    assert 60 <= max(pauses) <= 60 + PATIENCE_S
    assert len(attempts) > 8


async def test_a_server_that_never_answers_is_given_up_after_its_start_timeout():
    @asynccontextmanager
    async def silent():
        async with create_client_server_memory_streams() as (near, _):
            yield Peer.over(near)

    began = anyio.current_time()
    async with linked(silent, start_timeout_s=7) as (link, _):
        assert anyio.current_time() - began == 7
        assert link.problem == "no answer within 7 s of its start"


class Old(Mortal):
    """Never answers the era probe; may die of it, or be deaf ever after."""

    def __init__(self, then):
        super().__init__()
        self.then = then

    async def _serve(self, read, write):
        deaf = False
        async for item in read:
            message = item.message
            if getattr(message, "method", None) == "server/discover":
                if self.then == "dies":
                    self.die.set()
                deaf = self.then == "is deaf"
                continue
            self.received.append((message.method, message.params))
            if hasattr(message, "id") and not deaf:
                await write.send(SessionMessage(self._answer(message)))


@pytest.mark.parametrize(
    ("then", "starts", "took"),
    [("dies", 2, 0), ("is deaf", 2, 2 * PROBE_TIMEOUT_S), ("goes on", 1, PROBE_TIMEOUT_S)],
)
async def test_a_server_that_does_not_answer_the_era_probe_is_greeted_the_old_way(then, starts, took):
    server = Old(then)
    began = anyio.current_time()
    async with linked(server.connect, modern=True, start_timeout_s=30.0) as (link, _):
        assert link.greeting.version == "2025-11-25"
        assert server.starts == starts
        assert anyio.current_time() - began == took
        assert await link.request("tools/call", {"name": "odd"}) == ODD_RESULT
        assert [method for method, _ in server.received].count("notifications/initialized") == 1


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("starts_after_s", [0, PROBE_TIMEOUT_S + 1, 3 * PROBE_TIMEOUT_S])
async def test_a_server_that_takes_long_to_start_keeps_its_era(modern, starts_after_s):
    class Slow(RawServer):
        async def _serve(self, read, write):
            await anyio.sleep(starts_after_s if self.starts == 1 else 0)
            await super()._serve(read, write)

        def _answer(self, request):
            answer = super()._answer(request)
            if modern and request.method == "server/discover":
                result = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
                return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=result)
            if modern and request.method == "initialize":
                error = ErrorData(code=-32022, message="no handshake", data={"supported": ["2026-07-28"]})
                return JSONRPCError(jsonrpc="2.0", id=request.id, error=error)
            return answer

    server = Slow()
    async with linked(server.connect, modern=True, start_timeout_s=60) as (link, _):
        assert link.greeting.modern is modern
        assert server.starts == (1 if starts_after_s < 2 * PROBE_TIMEOUT_S else 2)
        assert await link.request("tools/call", {"name": "odd"}) == ODD_RESULT


async def test_a_server_that_knows_no_discovery_is_greeted_the_old_way_without_a_restart():
    server = RawServer()
    async with linked(server.connect, modern=True) as (link, _):
        assert (link.greeting.version, server.starts) == ("2025-11-25", 1)


async def test_pages_of_a_listing_become_one():
    class Paged(RawServer):
        def _answer(self, request):
            answer = super()._answer(request)
            if request.method == "tools/list":
                page = int((request.params or {}).get("cursor", 0))
                answer.result = {"tools": [{"name": f"t{page}"}], "x": page}
                if page < 2:
                    answer.result["nextCursor"] = str(page + 1)
            return answer

    async with linked(Paged().connect) as (link, _):
        listed = await link.list_all("tools/list", "tools")
    assert listed == {"tools": [{"name": "t0"}, {"name": "t1"}, {"name": "t2"}], "x": 0}


async def test_a_server_that_never_lists_its_tools_is_given_up_on():
    class Mute(RawServer):
        async def _serve(self, read, write):
            async for item in read:
                message = item.message
                if getattr(message, "method", None) != "tools/list" and hasattr(message, "id"):
                    await write.send(SessionMessage(self._answer(message)))

    async with linked(Mute().connect, start_timeout_s=7) as (link, _):
        began = anyio.current_time()
        with pytest.raises(MCPError, match="timed out"):
            await link.list_all("tools/list", "tools")
        assert anyio.current_time() - began == 7
