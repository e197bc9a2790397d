"""Real processes: the official client in either protocol era, before servers of either, over stdio and over HTTP."""

import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import mcp_types as types
import pytest
from integration_harness import (
    HERE,
    direct,
    proxy_listening,
    server_listening,
    through_stdio,
    within,
    write_config,
)
from mcp import Client
from mcp.shared.subscriptions import ResourceUpdated

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")]

MODES = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
ROOT = "file:///home/user"


def asking(era):
    return {"command": sys.executable, "args": [str(HERE / "integration_asking_server.py"), era]}


class Answering:
    """A client's user, model and folders. A user takes his time."""

    def __init__(self):
        self.asked = []
        self.updated = anyio.Event()

    def options(self):
        return {
            "elicitation_callback": self.elicited,
            "sampling_callback": self.sampled,
            "list_roots_callback": self.listed,
            "message_handler": self.heard,
        }

    async def elicited(self, context, params):
        self.asked.append(params.mode)
        await anyio.sleep(0.05)
        given = {"name": "é"} if params.mode == "form" else None
        return types.ElicitResult(action="accept", content=given)

    async def sampled(self, context, params):
        self.asked.append("sample")
        return types.CreateMessageResult(role="assistant", content=types.TextContent(text="hm"), model="m")

    async def listed(self, context):
        self.asked.append("roots")
        return types.ListRootsResult(roots=[types.Root(uri=ROOT)])

    async def heard(self, message):
        if isinstance(message, types.ResourceUpdatedNotification) and message.params.uri == "note://1":
            self.updated.set()


async def converse(client, user, prefix):
    result = await client.call_tool(f"{prefix}ask", {})
    assert json.loads(result.content[0].text) == [{"name": "é"}, "accept", "hm", [ROOT]]
    assert sorted(user.asked) == ["form", "roots", "sample", "url"]
    user.asked.clear()


@asynccontextmanager
async def subscribed(client, user):
    """Inside, `note://1` is subscribed to as the client's era has it; gives what waits for its change."""
    if client.protocol_version < "2026":
        await client.subscribe_resource("note://1")
        yield user.updated.wait
        await client.unsubscribe_resource("note://1")
        user.updated = anyio.Event()
        return
    async with client.listen(resource_subscriptions=["note://1"]) as stream:
        yield stream.__anext__


async def changes(client, user, prefix):
    await client.list_resources()
    async with subscribed(client, user) as changed:
        await client.call_tool(f"{prefix}touch", {})
        assert await changed() in (True, None, ResourceUpdated(uri="note://1"))


@MODES
@within(60)
async def test_over_stdio_each_server_is_bridged_to_the_hosts_era(tmp_path, mode):
    user = Answering()
    config = write_config(tmp_path, {"old": asking("legacy"), "new": asking("modern")})
    async with through_stdio(config, tmp_path / "state", mode, **user.options()) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} >= {"old__ask", "new__ask"}
        for prefix in ("old__", "new__", "old__"):
            await converse(client, user, prefix)


@MODES
@pytest.mark.parametrize("era", ["legacy", "modern"])
@within(60)
async def test_over_stdio_changes_are_heard_in_the_hosts_era(tmp_path, mode, era):
    user = Answering()
    config = write_config(tmp_path, {"one": asking(era)}, prefix=False)
    async with through_stdio(config, tmp_path / "state", mode, **user.options()) as client:
        await changes(client, user, "")


@MODES
@within(60)
async def test_over_http_each_server_is_bridged_to_the_hosts_era(tmp_path, mode):
    user = Answering()
    async with AsyncExitStack() as stack:
        servers = {
            alias: await stack.enter_async_context(server_listening(asking(era), "http", tmp_path / f"{alias}.log"))
            for alias, era in (("old", "legacy"), ("new", "modern"))
        }
        config = write_config(tmp_path, servers)
        url = await stack.enter_async_context(proxy_listening(config, tmp_path / "state", "http"))
        path = "/mcp" if mode == "legacy" else "/mcp/s/one"
        async with Client(f"{url}{path}", mode=mode, **user.options()) as client:
            for prefix in ("old__", "new__", "old__"):
                await converse(client, user, prefix)
        for alias, server in servers.items():
            alone = write_config(tmp_path, {alias: server}, prefix=False)
            async with (
                proxy_listening(alone, tmp_path / f"state {alias}", "http") as url,
                Client(f"{url}/mcp", mode=mode, **user.options()) as client,
            ):
                await changes(client, user, "")


@within(30)
async def test_the_servers_do_speak_one_era_only():
    async with direct(asking("legacy")) as client:
        assert client.protocol_version == "2025-11-25"
    async with direct(asking("modern")) as client:
        assert client.protocol_version == "2026-07-28"
