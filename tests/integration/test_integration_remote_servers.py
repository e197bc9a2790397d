"""Servers that are reached over the network: the proxy as a client of SSE and of streamable HTTP."""

import pytest
from integration_harness import (
    USEFUL,
    direct,
    free_port,
    only_record,
    outcome,
    research,
    server_listening,
    through_stdio,
    tools_of,
    within,
    write_config,
)

pytestmark = pytest.mark.anyio

LATENCY_S = 0.3


@pytest.fixture(scope="module", params=["http", "sse"])
async def remote(request, tmp_path_factory, index):
    """The config's entry of a research server."""
    log = tmp_path_factory.mktemp("remote") / "log"
    async with server_listening(research(index, "--latency", str(LATENCY_S)), request.param, log) as entry:
        yield entry


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@within(60)
async def test_a_remote_server_is_the_same_through_the_proxy_and_foreseen_like_any_other(tmp_path, remote, mode):
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


@within(60)
async def test_a_remote_server_that_is_not_there_is_named(tmp_path):
    config = write_config(tmp_path, {"away": {"url": f"http://127.0.0.1:{free_port()}/mcp"}})
    async with through_stdio(config, tmp_path / "state") as client:
        assert await tools_of(client) == []
        error = (await outcome(client, "away__search", {}))["error"]
        assert "'away' is not available" in error["message"]
