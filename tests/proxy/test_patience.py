"""Calls of servers that fall silent, where the configuration limits that."""

import anyio
import pytest
from hosts import Scripted, hosts_before
from mcp import MCPError
from raw_server import ODD_RESULT

pytestmark = pytest.mark.anyio
CALL = {"name": "one__odd"}


class Slow(Scripted):
    """Takes 25 s for a call; meanwhile it reports progress every `reports_s`, or asks its host something."""

    def __init__(self, reports_s=None, asks_s=None):
        super().__init__("odd")
        self.reports_s = reports_s
        self.asks_s = asks_s
        self.answers["tools/call"] = self.work

    async def work(self, request):
        if self.reports_s is None:
            if self.asks_s is not None:
                await self.ask("sampling/createMessage", 1000)
            await anyio.sleep(25)
            return
        for number in range(int(25 / self.reports_s)):
            await anyio.sleep(self.reports_s)
            token = request.params["_meta"]["progressToken"]
            await self.say("notifications/progress", {"progressToken": token, "progress": number})


async def test_a_silent_call_is_given_up_and_cancelled_at_the_server(tmp_path):
    server = Slow()
    async with hosts_before({"one": server}, tmp_path, call_timeout_s=10) as (host,):
        await host.greet()
        began = anyio.current_time()
        with pytest.raises(MCPError, match="silent for 10 s"):
            await host.request("tools/call", CALL)
        assert anyio.current_time() - began == 10
        await anyio.sleep(1)
        assert server.asked_for("notifications/cancelled") == 1
        assert server.starts == 1


async def test_without_a_limit_a_call_takes_as_long_as_it_takes(tmp_path):
    async with hosts_before({"one": Slow()}, tmp_path) as (host,):
        await host.greet()
        assert await host.request("tools/call", CALL) == ODD_RESULT


async def test_progress_begins_the_limit_anew_and_a_host_that_did_not_ask_hears_none(tmp_path):
    async with hosts_before({"one": Slow(reports_s=5)}, tmp_path, call_timeout_s=10) as (host,):
        await host.greet()
        assert await host.request("tools/call", CALL) == ODD_RESULT
        assert host.told == []


async def test_the_time_a_host_takes_to_answer_the_server_is_not_the_servers(tmp_path):
    server = Slow(asks_s=1)
    async with hosts_before({"one": server}, tmp_path, call_timeout_s=20) as (host,):
        await host.greet()
        host.thinks_s = 15
        began = anyio.current_time()
        assert await host.request("tools/call", CALL) == ODD_RESULT
        assert anyio.current_time() - began == 25


async def test_starting_takes_nothing_of_a_calls_time(tmp_path):
    server = Scripted("odd", start_s=5)
    async with hosts_before({"one": server}, tmp_path, call_timeout_s=1) as (host,):
        await host.greet()
        assert await host.request("tools/call", CALL) == ODD_RESULT


async def test_a_server_that_does_not_start_in_its_time_is_named(tmp_path):
    server = Scripted("odd", start_s=0)
    server.answers["initialize"] = lambda _: anyio.sleep(60)
    async with hosts_before({"one": server}, tmp_path, start_timeout_s=3) as (host,):
        await host.greet()
        with pytest.raises(MCPError, match="'one' is not available: no answer within 3 s of its start"):
            await host.request("tools/call", CALL)
