"""What hosts are told that servers offer: at once, from what is remembered; and of every change."""

import stat

import anyio
import pytest
from hosts import Scripted, hosts_before
from mcp import MCPError
from raw_server import ODD_RESULT

from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.proxy.offers import CHANGES_PAUSE_S, FIRST_WAIT_S, GREETING_WAIT_S, LIVE_WAIT_S

pytestmark = pytest.mark.anyio
NEVER = 10_000.0
TOOLS_CHANGED = "notifications/tools/list_changed"


async def used_before(servers, state, **options):
    """These servers were up once, and a host asked for everything."""
    async with hosts_before(servers, state, **options) as (host,):
        await host.greet()
        await host.tools()
        await host.request("resources/list")


async def test_what_is_remembered_is_told_at_once_while_servers_start(tmp_path):
    server = Scripted("a", "b", instructions="be brief")
    await used_before({"one": server}, tmp_path)
    server.start_s = NEVER
    async with hosts_before({"one": server}, tmp_path) as (host,):
        began = anyio.current_time()
        greeting = await host.greet()
        assert greeting["instructions"] == "[one]\nbe brief"
        assert greeting["capabilities"]["resources"] == {"subscribe": True, "listChanged": True}
        assert await host.tools() == ["one__a", "one__b"]
        assert (await host.request("resources/list"))["resources"] == [{"uri": "odd://1", "name": "r", "xR": 1}]
        assert anyio.current_time() == began


async def test_a_wrapped_server_greets_as_itself_from_what_is_remembered(tmp_path):
    server = Scripted("a", instructions="be brief")
    await used_before({"one": server}, tmp_path, prefix=False)
    server.start_s = NEVER
    async with hosts_before({"one": server}, tmp_path, prefix=False) as (host,):
        began = anyio.current_time()
        greeting = await host.greet()
        assert greeting["serverInfo"] == {"name": "raw", "version": "9", "xInfo": 1}
        assert greeting["instructions"] == "be brief"
        assert await host.request("tools/list") == {"tools": server.tools, "xList": 1}
        assert anyio.current_time() == began


async def test_the_greeting_waits_little_for_a_server_never_seen_and_its_tools_are_announced(tmp_path):
    slow, quick = Scripted("s", start_s=20), Scripted("q")
    async with hosts_before({"slow": slow, "quick": quick}, tmp_path) as (host,):
        began = anyio.current_time()
        await host.greet()
        assert anyio.current_time() - began == GREETING_WAIT_S
        assert await host.tools() == ["quick__q"]
        assert anyio.current_time() - began == FIRST_WAIT_S
        assert await host.tools() == ["quick__q"]
        assert anyio.current_time() - began == FIRST_WAIT_S + LIVE_WAIT_S
        assert host.changes() == []
        await anyio.sleep(20)
        assert host.changes() == [TOOLS_CHANGED]
        assert await host.tools() == ["slow__s", "quick__q"]


@pytest.mark.parametrize(("now", "changes"), [(["a"], []), (["b"], [TOOLS_CHANGED])])
async def test_a_change_since_the_last_run_is_announced_and_only_a_change(tmp_path, now, changes):
    await used_before({"one": Scripted("a")}, tmp_path)
    async with hosts_before({"one": Scripted(*now, start_s=5)}, tmp_path) as (host,):
        await host.greet()
        assert await host.tools() == ["one__a"]
        await host.request("resources/list")
        await anyio.sleep(10)
        assert host.changes() == changes
        assert await host.tools() == [f"one__{name}" for name in now]


async def test_a_call_waits_for_its_own_server_only(tmp_path):
    servers = {"slow": Scripted("odd"), "quick": Scripted("odd")}
    await used_before(servers, tmp_path)
    servers["slow"].start_s = 7
    async with hosts_before(servers, tmp_path) as (host,):
        began = anyio.current_time()
        took = {}

        async def call(alias):
            assert await host.request("tools/call", {"name": f"{alias}__odd"}) == ODD_RESULT
            took[alias] = anyio.current_time() - began

        await host.greet()
        async with anyio.create_task_group() as tasks:
            for alias in servers:
                tasks.start_soon(call, alias)
        assert took == {"slow": 7, "quick": 0}


async def test_nothing_is_guessed_at_a_server_that_has_not_listed_its_tools_in_this_run(tmp_path):
    hints = {"annotations": {"readOnlyHint": True, "openWorldHint": False}}
    servers = {"a": Scripted("search"), "b": Scripted("visit")}
    for server in servers.values():
        server.tools[0] |= hints
    await used_before(servers, tmp_path)
    pool = {
        "version": 1,
        "patterns": [
            {
                "name": "then-visit",
                "context": [{"server": "a", "tool": "search"}],
                "target": {"server": "b", "tool": "visit"},
                "probability": 0.9,
            }
        ],
    }
    pool = parse_pool(pool, users_own=True)
    servers["b"].start_s = 9
    servers["b"].answers["tools/call"] = lambda _: anyio.sleep(5)
    async with hosts_before(servers, tmp_path, patterns=pool) as (host,):
        await host.greet()
        assert "b__visit" in await host.tools()
        for _ in range(2):
            await host.request("tools/call", {"name": "a__search"})
            await anyio.sleep(2)
        await anyio.sleep(20)
        assert servers["b"].asked_for("tools/call") == 0
        await host.request("tools/call", {"name": "a__search"})
        await anyio.sleep(20)
        assert servers["b"].asked_for("tools/call") == 1


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"greeting": 1, "lists": 2}', b"[" * 10**6, b"\xff"])
async def test_a_file_that_was_damaged_counts_as_empty(tmp_path, text):
    await used_before({"one": Scripted("a")}, tmp_path)
    (file,) = (tmp_path / "catalogues").iterdir()
    file.write_bytes(text)
    async with hosts_before({"one": Scripted("a")}, tmp_path) as (host,):
        await host.greet()
        assert await host.tools() == ["one__a"]
    assert b"one" not in file.read_bytes()
    assert b'"name":"a"' in file.read_bytes()


async def test_what_is_remembered_is_for_its_user_alone(tmp_path):
    await used_before({"one": Scripted("a")}, tmp_path)
    (file,) = (tmp_path / "catalogues").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_a_server_launched_another_way_starts_with_nothing(tmp_path):
    await used_before({"one": Scripted("a")}, tmp_path)
    async with hosts_before({"one": Scripted("a", start_s=NEVER)}, tmp_path, args=["--new"]) as (host,):
        await host.greet()
        assert await host.tools() == []


async def test_a_folder_that_cannot_be_written_costs_nothing_but_the_memory(tmp_path, caplog):
    (tmp_path / "catalogues").write_text("in the way")
    async with hosts_before({"one": Scripted("a"), "two": Scripted("b")}, tmp_path) as (host,):
        await host.greet()
        assert await host.tools() == ["one__a", "two__b"]
    assert caplog.text.count("not remembered") == 1


async def test_a_server_that_is_slow_to_list_holds_nobody_up_and_what_it_lists_late_is_announced(tmp_path):
    slow = Scripted("a")
    async with hosts_before({"slow": slow, "quick": Scripted("q")}, tmp_path) as (host,):
        await host.greet()
        assert await host.tools() == ["slow__a", "quick__q"]
        slow.list_s = 9
        slow.tools = Scripted("b").tools
        began = anyio.current_time()
        assert await host.tools() == ["slow__a", "quick__q"]
        assert anyio.current_time() - began == LIVE_WAIT_S
        await anyio.sleep(9)
        assert host.changes() == [TOOLS_CHANGED]
        slow.list_s = 0
        assert await host.tools() == ["slow__b", "quick__q"]


async def test_a_thousand_changes_a_second_are_few_for_the_host_and_the_last_is_told(tmp_path):
    server = Scripted("a")
    async with hosts_before({"one": server}, tmp_path) as (host,):
        await host.greet()
        await host.tools()
        listed = server.asked_for("tools/list")
        for number in range(1000):
            server.tools = Scripted(f"a{number}").tools
            await server.say(TOOLS_CHANGED)
            await anyio.sleep(0.001)
        last = anyio.current_time()
        await anyio.sleep(5)
        assert 2 <= len(host.changes()) <= 1 / CHANGES_PAUSE_S + 3
        assert server.asked_for("tools/list") - listed <= 1 / CHANGES_PAUSE_S + 3
        assert host.told[-1][0] >= last - 0.001
        assert host.told[-1][0] <= last + 2 * CHANGES_PAUSE_S
        assert await host.tools() == ["one__a999"]


async def test_a_single_change_is_told_at_once(tmp_path):
    server = Scripted("a")
    async with hosts_before({"one": server}, tmp_path) as (host,):
        await host.greet()
        await host.tools()
        await server.say("notifications/prompts/list_changed", {"_meta": {"com.example/why": 1}})
        await anyio.lowlevel.checkpoint()
        await anyio.sleep(0.001)
        ((at, method, params),) = host.told
        assert (method, params) == ("notifications/prompts/list_changed", {"_meta": {"com.example/why": 1}})
        assert at <= anyio.current_time() - 0.001


class Paged(Scripted):
    """Lists a page at a time."""

    def _answer(self, request):
        answer = super()._answer(request)
        if request.method == "tools/list":
            page = int((request.params or {}).get("cursor", 0))
            answer.result = {"tools": self.tools[page : page + 1], "xPage": page}
            if page + 1 < len(self.tools):
                answer.result["nextCursor"] = str(page + 1)
        return answer


async def test_a_wrapped_server_is_listed_page_by_page_as_it_pages(tmp_path):
    async with hosts_before({"one": Paged("a", "b", "c")}, tmp_path, prefix=False) as (host,):
        await host.greet()
        first = await host.request("tools/list", {"_meta": {"com.example/x": 1}})
        assert (first["nextCursor"], first["xPage"], len(first["tools"])) == ("1", 0, 1)
        last = await host.request("tools/list", {"cursor": "2"})
        assert last == {"tools": [{"name": "c", "inputSchema": {"type": "object"}}], "xPage": 2}


async def test_several_servers_pages_become_one_list(tmp_path):
    async with hosts_before({"one": Paged("a", "b", "c"), "two": Paged("d")}, tmp_path) as (host,):
        await host.greet()
        listed = await host.request("tools/list")
        assert [tool["name"] for tool in listed["tools"]] == ["one__a", "one__b", "one__c", "two__d"]
        assert "nextCursor" not in listed


async def test_a_server_whose_pages_go_round_in_circles_is_cut_off(tmp_path):
    class Circular(Scripted):
        def _answer(self, request):
            answer = super()._answer(request)
            if request.method == "tools/list":
                answer.result["nextCursor"] = "again"
            return answer

    async with hosts_before({"one": Circular("a"), "two": Scripted("b")}, tmp_path) as (host,):
        await host.greet()
        assert await host.tools() == ["one__a", "one__a", "two__b"]


async def test_a_wrapped_servers_refusal_to_list_is_its_own(tmp_path):
    async with hosts_before({"one": Scripted("a")}, tmp_path, prefix=False) as (host,):
        await host.greet()
        with pytest.raises(MCPError, match="nope"):
            await host.request("prompts/list")


@pytest.mark.parametrize("items", [None, 5, {"a": 1}, [1, None, {"name": 5}, {"name": "ok", "inputSchema": 7}]])
async def test_a_list_that_is_none_takes_nobody_down(tmp_path, items):
    class Wrong(Scripted):
        def _answer(self, request):
            answer = super()._answer(request)
            if request.method == "tools/list":
                answer.result = {"tools": items}
            return answer

    async with hosts_before({"one": Wrong(), "two": Scripted("b")}, tmp_path) as (host,):
        await host.greet()
        listed = (await host.request("tools/list"))["tools"]
        assert listed[-1]["name"] == "two__b"
        assert await host.request("tools/call", {"name": "two__odd"}) == ODD_RESULT


async def test_what_a_host_pages_through_is_remembered_whole(tmp_path):
    server = Paged("a", "b", "c")
    async with hosts_before({"one": server}, tmp_path, prefix=False) as (host,):
        await host.greet()
        server.tools = Paged("a", "b", "new").tools
        listed = server.asked_for("tools/list")
        for params in ({}, {"cursor": "1"}, {"cursor": "2"}):
            await host.request("tools/list", params)
        assert server.asked_for("tools/list") == listed + 3
    server.start_s = NEVER
    async with hosts_before({"one": server}, tmp_path, prefix=False) as (host,):
        await host.greet()
        assert await host.request("tools/list") == {"tools": server.tools, "xPage": 0}


@pytest.mark.parametrize("cursors", [["2"], [None, "2"], [None, "1", "1", "2"], [None, "1"]])
async def test_pages_that_do_not_follow_each_other_are_no_list(tmp_path, cursors):
    server = Paged("a", "b", "c")
    async with hosts_before({"one": server}, tmp_path, prefix=False) as (host,):
        await host.greet()
        server.tools = Paged("a", "b", "new").tools
        for cursor in cursors:
            await host.request("tools/list", {"cursor": cursor} if cursor else {})
    server.start_s = NEVER
    async with hosts_before({"one": server}, tmp_path, prefix=False) as (host,):
        await host.greet()
        assert await host.tools() == ["a", "b", "c"]


async def test_a_server_that_a_probe_for_its_era_kills_is_not_probed_in_later_runs(tmp_path):
    class Old(Scripted):
        async def _handle(self, request):
            if request.method == "server/discover":
                await self.near[0].aclose()
            else:
                await super()._handle(request)

    server = Old("a")
    meta = {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "h", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    }
    for starts in (2, 3):
        async with hosts_before({"one": server}, tmp_path) as (host,):
            assert [tool["name"] for tool in (await host.request("tools/list", meta))["tools"]] == ["one__a"]
            await anyio.sleep(5)
            assert server.starts == starts
    assert server.asked_for("server/discover") == 1
