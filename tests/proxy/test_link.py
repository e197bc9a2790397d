"""Links to servers that die, hang or belong to another age."""

from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import pytest
from mcp import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from raw_server import ODD_RESULT, RawServer

from paste_mcp.proxy.downstream import FIRST_PAUSE_S, PATIENCE_S, PROBE_TIMEOUT_S, Host, Link, LinkDown
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


@pytest.mark.parametrize("dies", [True, False])
async def test_a_server_that_the_era_probe_kills_is_started_anew_and_greeted_the_old_way(dies):
    class Old(Mortal):
        async def _serve(self, read, write):
            async for item in read:
                message = item.message
                if getattr(message, "method", None) == "server/discover":
                    if dies:
                        self.die.set()
                    continue
                self.received.append((message.method, message.params))
                if hasattr(message, "id"):
                    await write.send(SessionMessage(self._answer(message)))

    server = Old()
    began = anyio.current_time()
    async with linked(server.connect, modern=True) as (link, _):
        assert link.greeting.version == "2025-11-25"
        assert server.starts == 2
        assert anyio.current_time() - began == (0 if dies else PROBE_TIMEOUT_S)
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
