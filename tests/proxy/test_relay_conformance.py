"""What the official conformance suite showed to differ between a server and the same server behind the proxy."""

from contextlib import asynccontextmanager

import anyio
import pytest
from mcp.server import Server
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCNotification, JSONRPCResponse
from raw_server import ODD_RESULT, RawServer, raw_host

from paste_mcp.app import build
from paste_mcp.config import parse_config
from paste_mcp.proxy.sdk import HttpManager
from paste_mcp.proxy.upstream import MAX_EVENTS, MAX_EVENTS_BYTES, Events

pytestmark = pytest.mark.anyio

PREFIX = "io.modelcontextprotocol/"
MODERN = "2026-07-28"


@asynccontextmanager
async def modern_host(server, state):
    """`(ask, heard)` of a host without a handshake: every request says what the host is."""
    entries = {"mcpServers": {"one": {"command": "none"}}, "paste": {"prefix": False, "speculation": "annotated"}}
    proxy = build(parse_config(entries, "test", {}, state), [], state, {"one": server.connect})
    heard = []

    async def on_request(*_):
        return {}

    async def on_notify(_, method, params):
        heard.append((method, params))

    async with raw_host(proxy, on_request, on_notify) as dispatcher:

        async def ask(method, params=None, **meta):
            meta = {f"{PREFIX}{key}": value for key, value in meta.items()}
            meta |= {f"{PREFIX}protocolVersion": MODERN, f"{PREFIX}clientCapabilities": {}}
            return await dispatcher.send_raw_request(method, {**(params or {}), "_meta": meta})

        yield ask, heard


# --- greeting -------------------------------------------------------------------------------------------------------


class Hesitant(RawServer):
    """Refuses the first `server/discover` for its version, and names that very version as one it serves."""

    def __init__(self, supported):
        super().__init__()
        self.supported = supported
        self.asked = 0

    def _answer(self, request):
        if request.method != "server/discover":
            return super()._answer(request)
        self.asked += 1
        if self.asked == 1:
            error = ErrorData(code=-32022, message="Unsupported protocol version", data={"supported": self.supported})
            return JSONRPCError(jsonrpc="2.0", id=request.id, error=error)
        result = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}}
        return JSONRPCResponse(jsonrpc="2.0", id=request.id, result=result)


async def test_a_server_that_refuses_a_version_is_asked_again_in_one_it_names(tmp_path):
    server = Hesitant([MODERN])
    async with modern_host(server, tmp_path) as (ask, _):
        await ask("tools/list")
    assert server.asked == 2
    assert "initialize" not in dict(server.received)


@pytest.mark.parametrize("supported", [["2025-11-25"], [], None, 3])
async def test_a_server_that_names_no_version_of_ours_is_greeted_the_old_way(tmp_path, supported):
    server = Hesitant(supported)
    async with modern_host(server, tmp_path) as (ask, _):
        await ask("tools/list")
    assert server.asked == 1
    assert "initialize" in dict(server.received)


# --- logs -----------------------------------------------------------------------------------------------------------


class Talkative(RawServer):
    """Of the old protocol: logs at every call, whether or not anybody asked for it."""

    async def _serve(self, read, write):
        async for item in read:
            message = item.message
            if getattr(message, "method", None) == "tools/call":
                for level in ("debug", "error", {}):
                    params = {"level": level, "data": "working"}
                    log = JSONRPCNotification(jsonrpc="2.0", method="notifications/message", params=params)
                    await write.send(SessionMessage(log))
                await anyio.sleep(1)
            if hasattr(message, "id"):
                await write.send(SessionMessage(self._answer(message)))


@pytest.mark.parametrize(("asked", "heard_levels"), [({}, []), ({"logLevel": "warning"}, ["error"])])
async def test_on_the_new_protocol_a_request_hears_only_the_logs_it_asked_for(tmp_path, asked, heard_levels):
    async with modern_host(Talkative(), tmp_path) as (ask, heard):
        result = await ask("tools/call", {"name": "odd", "arguments": {}}, **asked)
        assert {key: result[key] for key in ODD_RESULT} == ODD_RESULT
        await anyio.sleep(1)
    assert [params["level"] for method, params in heard if method == "notifications/message"] == heard_levels


# --- streams that broke ---------------------------------------------------------------------------------------------


def answer(id, text="x"):
    return JSONRPCResponse(jsonrpc="2.0", id=id, result={"text": text})


async def rest_of(events, last_event_id):
    found = []

    async def send(event):
        found.append((event.event_id, event.message))

    return await events.replay_events_after(last_event_id, send), found


async def test_a_broken_stream_is_resumed_with_its_own_rest_and_nothing_else():
    events = Events()
    primed = await events.store_event("7", None)
    await events.store_event("8", answer(8))
    first = await events.store_event("7", answer(7, "é\u2028"))
    second = await events.store_event("7", answer(7, "last"))
    assert await rest_of(events, primed) == ("7", [(first, answer(7, "é\u2028")), (second, answer(7, "last"))])
    assert await rest_of(events, first) == ("7", [(second, answer(7, "last"))])
    assert await rest_of(events, second) == ("7", [])


@pytest.mark.parametrize("id", ["", "7", "-7", "x-7", "1.5-7", "\u00b2-7"])
async def test_an_event_id_that_was_never_given_resumes_nothing(id):
    events = Events()
    await events.store_event("7", answer(7))
    assert await rest_of(events, id) == (None, [])


async def test_the_oldest_events_are_forgotten_and_later_ones_still_found():
    events = Events()
    primed = await events.store_event("1", None)
    for n in range(MAX_EVENTS + 10):
        await events.store_event("1", answer(1, str(n)))
    _, found = await rest_of(events, primed)
    assert [message.result["text"] for _, message in found] == [str(n) for n in range(10, MAX_EVENTS + 10)]
    await events.store_event("1", answer(1, "y" * (MAX_EVENTS_BYTES - 100)))
    assert len((await rest_of(events, primed))[1]) <= 3
    await events.store_event("1", answer(1, "z" * MAX_EVENTS_BYTES))
    assert (await rest_of(events, primed))[1] == []
    await events.store_event("1", answer(1, "after"))
    assert [message.result["text"] for _, message in (await rest_of(events, primed))[1]] == ["after"]


async def test_a_message_that_cannot_be_written_costs_no_other():
    events = Events()
    primed = await events.store_event("1", None)
    await events.store_event("1", answer(1, "\ud800"))
    last = await events.store_event("1", answer(1))
    assert await rest_of(events, primed) == ("1", [(last, answer(1))])


async def test_each_http_session_has_events_of_its_own():
    """Streams go by the host's request id, which sessions choose alike."""
    manager = HttpManager(Server("s"), Events, 1000, None, max_sessions=2)
    one, two = (manager._admit_session(None)._event_store for _ in range(2))
    primed = await one.store_event("1", None)
    await two.store_event("1", answer(1, "another host's"))
    assert await rest_of(one, primed) == ("1", [])
