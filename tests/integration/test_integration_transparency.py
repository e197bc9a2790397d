"""Through the proxy a client is told exactly what the servers themselves tell it, over every transport and era."""

from dataclasses import dataclass

import anyio
import pytest
from integration_harness import (
    direct,
    odd_server,
    outcome,
    proxy_listening,
    research,
    server_listening,
    side_by_side,
    through_stdio,
    tools_of,
    until,
    within,
    workspace,
    write_config,
)
from mcp import Client
from mcp.client.sse import sse_client

pytestmark = pytest.mark.anyio

WAYS = {
    "stdio, legacy": ("stdio", "legacy"),
    "stdio, modern": ("stdio", "auto"),
    "sse, legacy": ("sse", "legacy"),
    "http, legacy": ("http", "legacy"),
    "http, modern": ("http", "auto"),
}
SHARED = ("research", "workspace")
LATENCY_S = 0.3
"""Of the workspace server, for the test of concurrency."""

PLAIN = [
    ("research__search", {"query": "cancel a task"}),
    ("research__search", {"query": "semaphore", "limit": 2}),
    ("research__visit", {"url": "doc://python/json#dumps"}),
    ("workspace__list_files", {}),
    ("workspace__grep", {"pattern": "def reserve"}),
    ("workspace__read", {"path": "shop/stock.py", "start": 2, "end": 5}),
    ("odd__odd", {"a": 2**60, "é": [None, {"": 1e-9}]}),
    ("odd__odd", {}),
]
REFUSED = [
    ("research__search", {"query": 5}),
    ("research__visit", {"url": "doc://python/nowhere"}),
    ("research__visit", {}),
    ("research__nope", {"query": "x"}),
    ("workspace__read", {"path": "../outside"}),
    ("workspace__edit", {"path": "shop/stock.py", "old": "not in there", "new": ""}),
    ("odd__refuse", {}),
]
FAILED = [("odd__fail", {}), ("odd__nope", {"a": 1})]


@dataclass
class Pair:
    """The same servers through the proxy, and each of them by itself."""

    proxied: Client
    alone: dict[str, Client]
    mode: str

    async def both(self, tool, arguments):
        alias, _, own = tool.partition("__")
        found = {}

        async def ask(client, name):
            found[name] = await outcome(client, name, arguments)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, self.proxied, tool)
            tasks.start_soon(ask, self.alone[alias], own)
        return found[tool], found[own]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("transparency")


@pytest.fixture(scope="module")
def local(folder, index):
    """Servers that each session of the proxy starts for itself."""
    slow = workspace(folder / "project", "--latency", str(LATENCY_S))
    return {"research": research(index), "workspace": slow, "odd": odd_server()}


@pytest.fixture(scope="module")
async def remote(folder, local):
    """The same servers, those with the SDK in one process for all: what is asked without the proxy is asked there."""
    shared = {alias: server_listening(local[alias], "http", folder / f"{alias}.log") for alias in SHARED}
    async with side_by_side(**shared) as entries:
        yield {**local, **entries}


@pytest.fixture(scope="module")
async def shared(folder, remote):
    """Two listening proxies, and each server by itself in both eras."""
    config = write_config(folder, remote)
    contexts = {transport: proxy_listening(config, folder / transport, transport) for transport in ("sse", "http")}
    for mode in ("legacy", "auto"):
        contexts[mode] = side_by_side(**{alias: direct(entry, mode) for alias, entry in remote.items()})
    async with side_by_side(**contexts) as opened:
        yield opened


@pytest.fixture(scope="module", params=WAYS)
async def pair(request, folder, local, shared):
    transport, mode = WAYS[request.param]
    if transport == "stdio":
        connected = through_stdio(write_config(folder, local), folder / mode, mode)
    elif transport == "sse":
        connected = Client(sse_client(f"{shared['sse']}/sse"), mode=mode)
    else:
        connected = Client(f"{shared['http']}/mcp", mode=mode)
    async with connected as client:
        yield Pair(client, shared[mode], mode)


@pytest.fixture(scope="module")
async def answers(pair):
    """What is told of each call, through the proxy and without it, by tool and arguments; all asked side by side."""
    found = {}

    async def ask(tool, arguments):
        found[tool, repr(arguments)] = await pair.both(tool, arguments)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for tool, arguments in PLAIN + REFUSED + FAILED:
                tasks.start_soon(ask, tool, arguments)
    return found


@within(60)
async def test_tools_are_listed_as_the_servers_define_them_under_their_prefixed_names(pair):
    expected = []
    for alias, client in pair.alone.items():
        expected += [{**tool, "name": f"{alias}__{tool['name']}"} for tool in await tools_of(client)]
    listed = await tools_of(pair.proxied)
    assert listed == expected
    shown = {tool["name"]: tool for tool in listed}
    assert shown["research__visit"]["annotations"]["readOnlyHint"] is True
    assert shown["research__visit"]["title"] == "Read documentation page"
    assert "see_also" in shown["research__visit"]["outputSchema"]["properties"]
    assert shown["workspace__edit"]["annotations"]["readOnlyHint"] is False
    assert shown["odd__odd"]["_meta"] == {"com.example/tool": {"deep": [1, None]}}


@within(60)
async def test_the_greeting_speaks_the_era_that_was_asked_for(pair):
    protocol = pair.proxied.session.protocol_version
    assert protocol == pair.alone["research"].session.protocol_version
    assert (protocol >= "2026") == (pair.mode == "auto")
    assert "[odd]\nBe odd." in pair.proxied.instructions


@pytest.mark.parametrize(("tool", "arguments"), PLAIN)
@within(60)
async def test_a_result_is_the_servers_own(answers, tool, arguments):
    proxied, alone = answers[tool, repr(arguments)]
    assert proxied == alone
    assert alone["isError"] is False


@within(60)
async def test_what_models_of_the_protocol_do_not_expect_arrives_whole(pair):
    result, _ = await pair.both("odd__odd", {"a": 1})
    assert result["_meta"]["com.example/result"] == {"a": [None]}
    assert result["content"][1]["_meta"] == {"com.example/block": True}
    assert result["structuredContent"]["big"] == 2**60
    assert result["content"][-1]["text"] == '{"a": 1}'


@pytest.mark.parametrize(("tool", "arguments"), REFUSED)
@within(60)
async def test_an_error_result_is_the_servers_own(answers, tool, arguments):
    proxied, alone = answers[tool, repr(arguments)]
    assert proxied == alone
    assert alone["isError"] is True


@pytest.mark.parametrize(("tool", "arguments"), FAILED)
@within(60)
async def test_a_protocol_error_is_the_servers_own(answers, tool, arguments):
    proxied, alone = answers[tool, repr(arguments)]
    assert proxied == alone
    assert alone["error"]["code"] < 0


@pytest.mark.parametrize("tool", ["visit", "nobody__visit"])
@within(60)
async def test_a_tool_of_no_server_is_refused_by_name(pair, tool):
    error = (await outcome(pair.proxied, tool, {}))["error"]
    assert (error["code"], error["message"]) == (-32602, f"Unknown tool: {tool}")


@within(60)
async def test_progress_of_a_call_reaches_the_client_that_asked_for_it(pair):
    heard = []

    async def hear(progress, total, message):
        heard.append((progress, total, message))

    # The server reports and answers at once; no report may be overtaken by its answer and lost.
    for calls in range(1, 11):
        await pair.proxied.call_tool("odd__progress", {}, progress_callback=hear)
        await until(lambda calls=calls: len(heard) == calls)
    assert set(heard) == {(1, 2, None)}


@within(60)
async def test_calls_made_side_by_side_run_side_by_side(pair):
    async def read():
        assert not (await pair.proxied.call_tool("workspace__read", {"path": "README.md"})).is_error

    async def timed(calls):
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for _ in range(calls):
                tasks.start_soon(read)
        return anyio.current_time() - began

    one, five = await timed(1), await timed(5)
    assert one >= LATENCY_S
    assert five < 2.5 * one
