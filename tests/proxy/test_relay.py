"""What passes through unchanged, and what never reaches the host."""

from contextlib import asynccontextmanager

import anyio
import mcp_types as types
import pytest
from mcp import MCPError
from proxy_harness import READ, World, proxied, told
from raw_server import ODD_RESULT, ODD_TOOL, RawServer, raw_host

from paste_mcp.app import build
from paste_mcp.config import parse_config

pytestmark = pytest.mark.anyio


class RawHost:
    """A host without the SDK's models."""

    def __init__(self, dispatcher):
        self.request = dispatcher.send_raw_request
        self.notify = dispatcher.notify
        self.greeting = None


@asynccontextmanager
async def connected_raw(servers, state, prefix=True):
    """A raw host, connected to a proxy in front of raw servers, greeted the old way."""
    paste = {"prefix": prefix, "default_patterns": False, "speculation": "annotated"}
    entries = {alias: {"command": "none"} for alias in servers}
    config = parse_config({"mcpServers": entries, "paste": paste}, "test", {}, state)
    proxy = build(config, [], state, {alias: server.connect for alias, server in servers.items()})

    async def nothing(*_):
        return {}

    async with raw_host(proxy, nothing, nothing) as dispatcher:
        host = RawHost(dispatcher)
        me = {"name": "raw host", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": me}
        host.greeting = await host.request("initialize", params)
        await host.notify("notifications/initialized", None)
        yield host


async def test_fields_that_nobody_knows_travel_unchanged(tmp_path):
    async with connected_raw({"one": RawServer(), "two": RawServer()}, tmp_path) as host:
        tools = (await host.request("tools/list", {}))["tools"]
        assert tools == [{**ODD_TOOL, "name": "one__odd"}, {**ODD_TOOL, "name": "two__odd"}]
        assert await host.request("tools/call", {"name": "one__odd", "arguments": {}}) == ODD_RESULT
        resources = (await host.request("resources/list", {}))["resources"]
        assert resources == [{"uri": "odd://1", "name": "r", "xR": 1}] * 2
        assert await host.request("resources/read", {"uri": "odd://1"}) == {
            "contents": [{"uri": "odd://1", "text": "t", "xC": 1}]
        }
        assert await host.request("custom/method", {"p": 1}) == ODD_RESULT


async def test_errors_keep_their_code_message_and_data(tmp_path):
    async with connected_raw({"one": RawServer()}, tmp_path) as host:
        with pytest.raises(MCPError) as caught:
            await host.request("tools/call", {"name": "one__broken", "arguments": {}})
        assert (caught.value.code, caught.value.message, caught.value.data) == (-32050, "custom", {"k": [1, None]})


async def test_a_single_server_without_prefix_looks_like_itself(tmp_path):
    async with connected_raw({"one": RawServer()}, tmp_path, prefix=False) as host:
        assert host.greeting["serverInfo"] == {"name": "raw", "version": "9", "xInfo": 1}
        assert host.greeting["instructions"] == "be odd"
        assert host.greeting["capabilities"] == {
            "tools": {"listChanged": True},
            "resources": {"subscribe": True, "listChanged": True},
            "experimental": {"x": {"y": 1}},
        }
        assert await host.request("tools/list", {}) == {"tools": [ODD_TOOL], "xList": 1}


async def test_what_the_host_says_of_a_call_reaches_the_server(tmp_path):
    server = RawServer()
    async with connected_raw({"one": server}, tmp_path) as host:
        params = {
            "name": "one__odd",
            "arguments": {"a": 1},
            "xParam": 1,
            "_meta": {"traceparent": "00-1", "com.x/y": 2},
        }
        await host.request("tools/call", params)
    assert ("tools/call", {**params, "name": "odd"}) in server.received


async def test_servers_hear_who_the_host_is_and_what_it_can(tmp_path):
    server = RawServer()
    async with connected_raw({"one": server}, tmp_path):
        pass
    greeting = dict(server.received)["initialize"]
    assert greeting["clientInfo"] == {"name": "raw host", "version": "1"}
    assert greeting["capabilities"] == {}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_progress_and_cancellation_reach_the_right_call(tmp_path, mode):
    world = World(tools={"work": READ})

    async def work(ctx, arguments):
        await ctx.session.report_progress(1, 2, "half")
        await anyio.sleep(10)
        return told({"done": True})

    world.answers["work"] = work
    seen = []

    async def on_progress(progress, total, message):
        seen.append((progress, total, message))

    async with proxied({"w": world}, tmp_path, mode=mode) as run:
        result = await run.client.call_tool("work", {}, progress_callback=on_progress)
        assert result.structured_content == {"done": True}
        assert seen == [(1, 2, "half")]
        with anyio.move_on_after(3):
            await run.client.call_tool("work", {"n": 2})
        await anyio.sleep(1)
    assert [execution.cancelled for execution in world.log] == [False, True]


async def test_a_question_during_a_demand_reaches_the_user(tmp_path):
    world = World(tools={"ask": READ})

    async def ask(ctx, arguments):
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        answer = await ctx.session.elicit_form("who?", schema, related_request_id=ctx.request_id)
        return told({"answer": answer.content})

    world.answers["ask"] = ask

    async def elicit(context, params):
        return types.ElicitResult(action="accept", content={"name": "bob"})

    async with proxied({"w": world}, tmp_path, mode="legacy", elicitation_callback=elicit) as run:
        assert await run.call("ask") == {"answer": {"name": "bob"}}


async def test_a_question_during_a_guess_reaches_nobody_and_ends_guessing_that_tool(tmp_path):
    world = World()
    asked = []

    async def visit(ctx, arguments):
        await anyio.sleep(1)
        schema = {"type": "object", "properties": {"name": {"type": "string"}}}
        answer = await ctx.session.elicit_form("who?", schema, related_request_id=ctx.request_id)
        return told({"answer": answer.content})

    world.answers["visit"] = visit

    async def elicit(context, params):
        asked.append(params)
        return types.ElicitResult(action="accept", content={"name": "bob"})

    async with proxied({"w": world}, tmp_path, mode="legacy", elicitation_callback=elicit) as run:
        await run.call("search", query="u")
        await anyio.sleep(5)
        assert asked == []
        issued = run.ledger.issued
        await run.call("search", query="v")
        await anyio.sleep(5)
        assert run.ledger.issued == issued
        assert run.ledger.refused["barred"] == 2
        assert await run.call("visit", url="u1") == {"answer": {"name": "bob"}}
        assert len(asked) == 1


async def test_a_guess_sends_the_host_no_progress_and_no_log(tmp_path):
    world = World()
    heard = []

    async def visit(ctx, arguments):
        await ctx.session.report_progress(1, 2, "half")
        await ctx.session.send_log_message(level="info", data="working")
        await anyio.sleep(5)
        return told({"of": arguments["url"]})

    world.answers["visit"] = visit

    async def on_message(message):
        heard.append(message)

    async def on_log(params):
        heard.append(params)

    with pytest.warns(UserWarning, match="logging"):
        async with proxied(
            {"w": world}, tmp_path, mode="legacy", message_handler=on_message, logging_callback=on_log
        ) as run:
            await run.call("search", query="u")
            await anyio.sleep(8)
            assert heard == []
            assert await run.call("visit", url="u1") == {"of": "u1"}
            assert run.ledger.hits == 1


async def test_a_server_that_fails_costs_only_its_own_tools(tmp_path):
    @asynccontextmanager
    async def broken():
        raise FileNotFoundError("no such program")
        yield

    class Broken:
        connect = staticmethod(broken)

    async with connected_raw({"bad": Broken(), "one": RawServer()}, tmp_path) as host:
        assert [tool["name"] for tool in (await host.request("tools/list", {}))["tools"]] == ["one__odd"]
        with pytest.raises(MCPError, match="server 'bad' is not available: FileNotFoundError: no such program"):
            await host.request("tools/call", {"name": "bad__x", "arguments": {}})
        assert await host.request("tools/call", {"name": "one__odd", "arguments": {}}) == ODD_RESULT


async def test_calls_that_carry_more_than_name_and_arguments_are_never_answered_from_a_guess(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path) as run:
        await run.call("search", query="u")
        await anyio.sleep(12)
        began = anyio.current_time()
        await run.client.call_tool("visit", {"url": "u1"}, meta={"com.example/tenant": "b"})
        assert anyio.current_time() - began == 10.0
        assert run.ledger.hits == 0


async def test_changed_tools_are_announced_and_their_guesses_dropped(tmp_path):
    world = World()
    heard = anyio.Event()

    async def change(ctx, arguments):
        world.tools["visit"] = {**READ, "idempotentHint": True}
        await ctx.session.send_tool_list_changed()
        return told({"changed": True})

    world.tools["change"] = READ
    world.answers["change"] = change

    async def on_message(message):
        if isinstance(message, types.ToolListChangedNotification):
            heard.set()

    async with proxied({"w": world}, tmp_path, mode="legacy", message_handler=on_message) as run:
        await run.call("search", query="u")
        await anyio.sleep(12)
        await run.call("change")
        with anyio.fail_after(5):
            await heard.wait()
        assert run.ledger.stale == 2
        await run.call("search", query="v")
        await anyio.sleep(1)
        assert run.ledger.refused["barred"] == 2
