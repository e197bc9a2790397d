"""Servers that are reached over the network: the proxy as a client of SSE and of streamable HTTP."""

import pytest
from integration_harness import (
    USEFUL,
    direct,
    only_record,
    outcome,
    research,
    server_listening,
    side_by_side,
    through_stdio,
    tools_of,
    within,
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
    config = write_config(tmp_path, {"r": {**remote, "speculation": "annotated"}})
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
