"""Servers that are reached over the network: the proxy as a client of SSE and of streamable HTTP."""

from contextlib import AsyncExitStack

import pytest
from integration_harness import (
    USEFUL,
    direct,
    free_port,
    listening,
    only_record,
    outcome,
    research,
    server_listening,
    side_by_side,
    through_stdio,
    tools_of,
    within,
    workspace,
    write_config,
)

pytestmark = pytest.mark.anyio

LATENCY_S = 0.2


@pytest.fixture(scope="module")
async def remotes(tmp_path_factory, index):
    """The config's entries of two research servers, by transport."""
    log = tmp_path_factory.mktemp("remote") / "log"
    entry = research(index, "--latency", str(LATENCY_S))
    transports = ("http", "sse")
    async with side_by_side(
        **{transport: server_listening(entry, transport, log) for transport in transports}
    ) as found:
        yield found


@pytest.mark.parametrize(("transport", "mode"), [("http", "auto"), ("http", "legacy"), ("sse", "legacy")])
@within(60)
async def test_a_remote_server_is_the_same_through_the_proxy_and_foreseen_like_any_other(
    tmp_path, remotes, transport, mode
):
    remote = remotes[transport]
    config = write_config(tmp_path, {"r": {**remote, "speculation": "annotated", "cost": "free"}})
    search, nowhere = {"query": "cancel a task"}, {"url": "doc://python/nowhere"}
    async with (
        direct(remote, mode) as alone,
        through_stdio(config, tmp_path / "state", mode) as proxied,
    ):
        assert await tools_of(proxied) == [{**t, "name": f"r__{t['name']}"} for t in await tools_of(alone)]
        found = await outcome(proxied, "r__search", search)
        assert found == await outcome(alone, "search", search)
        # A round trip through the proxy, after which it has surely begun to guess.
        await proxied.list_tools()
        first = {"url": found["structuredContent"]["results"][0]["url"]}
        assert await outcome(proxied, "r__visit", first) == await outcome(alone, "visit", first)
        assert await outcome(proxied, "r__visit", nowhere) == await outcome(alone, "visit", nowhere)
    calls, _ = only_record(tmp_path / "state")
    answered = [call["answered"] for call in calls]
    assert answered[0] == answered[2] == "miss"
    assert answered[1] in USEFUL


@within(60)
async def test_a_server_that_forgot_our_session_is_greeted_anew_and_the_call_is_made_once(tmp_path):
    root, log, port = tmp_path / "project", tmp_path / "log", free_port()
    entry = workspace(root)
    command = [entry["command"], *entry["args"], "--transport", "http", "--port", str(port)]
    config = write_config(tmp_path, {"w": {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}})
    edit = {"path": "README.md", "old": "", "new": ""}
    read = {"path": "README.md"}
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(listening(command, port, log))
        client = await stack.enter_async_context(through_stdio(config, tmp_path / "state", "legacy"))
        was = await outcome(client, "w__read", read)
        assert was["isError"] is False
        first.terminate()
        await first.wait()
        # While it is away, a call says so, and the next one tries again.
        assert "'w' is not available" in (await outcome(client, "w__read", read))["error"]["message"]
        await stack.enter_async_context(listening(command, port, log))
        assert await outcome(client, "w__read", read) == was
        assert (await outcome(client, "w__edit", edit))["isError"] is True
        assert len(await tools_of(client)) == len((await client.list_tools()).tools)
