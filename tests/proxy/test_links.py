"""Links that sessions share, where the configuration says so; resources that several sessions follow."""

import anyio
import pytest
from hosts import Scripted, hosts_before
from raw_server import ODD_RESULT

pytestmark = pytest.mark.anyio
UPDATED = "notifications/resources/updated"


class Asking(Scripted):
    """Its tool asks the host something first, and takes a while."""

    def __init__(self, *names, **options):
        super().__init__(*names, **options)
        self.answers["tools/call"] = self.work
        self.asks = True

    async def work(self, request):
        if self.asks:
            await self.ask("sampling/createMessage", request.id + 1000)
        await anyio.sleep(5)

    def told(self):
        return [message for kind, message in self.received if kind == "answer"]


async def test_by_default_each_session_has_a_server_of_its_own(tmp_path):
    server = Scripted("a")
    async with hosts_before({"one": server}, tmp_path, count=3) as hosts:
        for host in hosts:
            await host.greet()
            assert await host.tools() == ["one__a"]
        assert server.starts == 3


async def test_a_shared_server_is_started_once_for_all_sessions_and_outlives_each(tmp_path):
    server = Scripted("a")
    async with hosts_before({"one": server}, tmp_path, count=3, shared=True) as hosts:
        for host in hosts:
            await host.greet()
            assert await host.tools() == ["one__a"]
        await hosts[0].session.close()
        assert await hosts[1].request("tools/call", {"name": "one__a"}) == ODD_RESULT
        assert server.starts == 1


async def test_a_shared_servers_question_goes_to_the_one_session_whose_call_is_in_flight(tmp_path):
    server = Asking("a")
    async with hosts_before({"one": server}, tmp_path, count=2, shared=True) as (idle, calling):
        await idle.greet()
        await calling.greet()
        assert await calling.request("tools/call", {"name": "one__a"}) == ODD_RESULT
        assert (idle.asked, calling.asked) == ([], ["sampling/createMessage"])
        assert [message["result"] for message in server.told()] == [{"answered": True}]


async def test_a_shared_servers_question_is_declined_where_it_might_be_anybodys(tmp_path):
    server = Asking("a")
    async with hosts_before({"one": server}, tmp_path, count=2, shared=True) as hosts:
        for host in hosts:
            await host.greet()
        await server.ask("sampling/createMessage", 1)
        server.asks = False
        async with anyio.create_task_group() as tasks:
            for host in hosts:
                tasks.start_soon(host.request, "tools/call", {"name": "one__a"})
            await anyio.sleep(1)
            await server.ask("sampling/createMessage", 2)
            await server.ask("ping", 3)
        assert [host.asked for host in hosts] == [[], []]
        assert {message["id"]: "error" in message for message in server.told()} == {1: True, 2: True, 3: False}


async def test_what_a_shared_server_tells_reaches_every_session_but_logs_of_a_call_only_its_own(tmp_path):
    server = Scripted("a")
    server.answers["tools/call"] = lambda _: anyio.sleep(5)
    async with hosts_before({"one": server}, tmp_path, count=2, shared=True) as (calling, idle):
        for host in (calling, idle):
            await host.greet()
            await host.tools()
        await server.say("notifications/tools/list_changed")
        await server.say("notifications/message", {"level": "info", "data": "to all"})
        await anyio.sleep(1)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(calling.request, "tools/call", {"name": "one__a"})
            await anyio.sleep(1)
            await server.say("notifications/message", {"level": "info", "data": "of a call"})
        said = [{params["data"] for _, _, params in host.told if params} for host in (calling, idle)]
        assert said == [{"to all", "of a call"}, {"to all"}]
        assert [host.changes() for host in (calling, idle)] == [["notifications/tools/list_changed"]] * 2


class Followed(Scripted):
    """Lets its resources be followed."""

    def _answer(self, request):
        answer = super()._answer(request)
        if request.method in ("resources/subscribe", "resources/unsubscribe"):
            answer = self._answer(request.model_copy(update={"method": "resources/list"}))
            answer.result = {}
        return answer


async def test_a_resource_is_let_go_when_its_last_follower_lets_go(tmp_path):
    server = Followed("a")
    async with hosts_before({"one": server}, tmp_path, count=3, shared=True) as (first, second, other):
        for host in (first, second, other):
            await host.greet()
        for host in (first, second):
            await host.request("resources/subscribe", {"uri": "odd://1"})
        await server.say(UPDATED, {"uri": "odd://1"})
        await anyio.sleep(1)
        assert [[method for _, method, _ in host.told] for host in (first, second, other)] == [[UPDATED], [UPDATED], []]
        assert await first.request("resources/unsubscribe", {"uri": "odd://1"}) == {}
        assert server.asked_for("resources/unsubscribe") == 0
        await server.say(UPDATED, {"uri": "odd://1"})
        await anyio.sleep(1)
        assert (len(first.told), len(second.told)) == (1, 2)
        await second.session.close()
        await anyio.sleep(1)
        assert server.asked_for("resources/unsubscribe") == 1


async def test_what_was_followed_is_followed_again_when_the_server_was_started_anew(tmp_path):
    server = Followed("odd")
    async with hosts_before({"one": server}, tmp_path) as (host,):
        await host.greet()
        await host.request("resources/subscribe", {"uri": "odd://1"})
        await server.near[0].aclose()
        await anyio.sleep(1)
        assert await host.request("tools/call", {"name": "one__odd"}) == ODD_RESULT
        await anyio.sleep(1)
        assert server.starts == 2
        assert server.asked_for("resources/subscribe") == 2
