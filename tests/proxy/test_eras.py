"""What else differs between the protocol's eras: changes, logs, methods that came and went, headers; and guesses."""

from contextlib import asynccontextmanager

import anyio
import mcp_types as types
import pytest
from eras import ACCEPT, FORM, META, SAMPLE, Asker, bridged, required, told
from mcp import MCPError
from proxy_harness import PATTERNS

from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.proxy.changes import Changes
from paste_mcp.proxy.listening import FIRST_PAUSE_S
from paste_mcp.proxy.sdk import Peer

pytestmark = pytest.mark.anyio

ERAS = [(host, server) for host in (False, True) for server in (False, True)]
cells = pytest.mark.parametrize(
    ("host", "server"), ERAS, ids=[f"{'modern' if h else 'legacy'}-{'modern' if s else 'legacy'}" for h, s in ERAS]
)
RESOURCES = {"tools": {}, "resources": {"subscribe": True}}
UPDATED = "notifications/resources/updated"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"


# --- changes --------------------------------------------------------------------------------------------------------


class Listener:
    """A host that hears of changes: a modern one by a stream, which it opens and closes."""

    def __init__(self, run, tasks):
        self.run = run
        self.tasks = tasks
        self.scopes = {}
        self.ends = {}

    async def listen(self, *, ends=1, **wanted):
        before = len(self.acknowledged)
        scope = anyio.CancelScope()

        async def hold():
            with scope:
                result = await self.run.request("subscriptions/listen", {"notifications": wanted})
                self.ends[result["_meta"][f"{META}subscriptionId"]] = result

        self.tasks.start_soon(hold)
        await self.run.hears(ACKNOWLEDGED, before + 1)
        params = self.acknowledged[-1]
        id = params["_meta"][f"{META}subscriptionId"]
        self.scopes[id] = scope
        return id, params["notifications"]

    @property
    def acknowledged(self):
        return [params for method, params in self.run.heard if method == ACKNOWLEDGED]

    async def subscribe(self, uri):
        """As the host's own protocol has it; returns how to end it again."""
        if not self.run.modern:
            await self.run.request("resources/subscribe", {"uri": uri})

            async def unsubscribe():
                await self.run.request("resources/unsubscribe", {"uri": uri})

            return unsubscribe
        id, honoured = await self.listen(resourceSubscriptions=[uri])
        assert honoured == {"resourceSubscriptions": [uri]}

        async def close():
            self.scopes[id].cancel()

        return close


@asynccontextmanager
async def listening(state, host, **servers):
    async with bridged(state, host=host, **servers) as run, anyio.create_task_group() as tasks:
        yield Listener(run, tasks)
        tasks.cancel_scope.cancel()


def wanted_at(asker):
    """The resources of which this server has to tell."""
    streamed = [uri for honoured in asker.streams.values() for uri in honoured.get("resourceSubscriptions", ())]
    return sorted({*asker.subscribed, *streamed})


@cells
async def test_a_host_hears_of_the_resources_it_subscribed_to_until_it_no_longer_does(tmp_path, host, server):
    asker = Asker(server, capabilities=RESOURCES)
    async with listening(tmp_path, host, one=asker) as listener:
        end = await listener.subscribe("x://1")
        other = await listener.subscribe("x://2")
        await anyio.sleep(1)
        assert wanted_at(asker) == ["x://1", "x://2"]
        await asker.change("resources", "x://1")
        [heard] = await listener.run.hears(UPDATED)
        assert (heard["uri"], heard["xMore"]) == ("x://1", {"k": [None]})
        await end()
        await anyio.sleep(1)
        assert wanted_at(asker) == ["x://2"]
        await other()
        await anyio.sleep(1)
        assert wanted_at(asker) == []


@cells
async def test_only_a_modern_hosts_changes_are_marked_and_with_its_own_id(tmp_path, host, server):
    asker = Asker(server, capabilities=RESOURCES)
    async with listening(tmp_path, host, one=asker) as listener:
        ids = [(await listener.listen(toolsListChanged=True))[0] for _ in range(2)] if host else []
        await anyio.sleep(1)
        await asker.change("tools")
        heard = await listener.run.hears("notifications/tools/list_changed", len(ids) or 1)
        own = {"x.y/z": 1} if server else {}
        expected = sorted([{**own, f"{META}subscriptionId": id} for id in ids] or [own], key=str)
        assert sorted((params.get("_meta", {}) for params in heard), key=str) == expected
        assert all(params["xMore"] == {"k": [None]} for params in heard)
        assert host or listener.acknowledged == []


@pytest.mark.parametrize("server", [False, True])
async def test_a_stream_tells_of_what_it_was_asked_for_and_of_nothing_else(tmp_path, server):
    asker = Asker(server, capabilities=RESOURCES)
    async with listening(tmp_path, True, one=asker) as listener:
        _, honoured = await listener.listen(promptsListChanged=True, toolsListChanged=False, resourceSubscriptions=[])
        assert honoured == {"promptsListChanged": True}
        await listener.listen(resourceSubscriptions=["x://1"])
        await anyio.sleep(1)
        await asker.change("tools")
        await asker.change("resources", "x://2")
        await asker.change("prompts")
        await listener.run.hears("notifications/prompts/list_changed")
        await anyio.sleep(1)
        told_of = [method for method, _ in listener.run.heard if method != ACKNOWLEDGED]
        assert told_of == ["notifications/prompts/list_changed"]


@pytest.mark.parametrize("server", [False, True])
async def test_what_no_server_tells_of_is_not_acknowledged(tmp_path, server):
    asker = Asker(server, capabilities=RESOURCES, honours=lambda uri: uri == "x://1")
    async with listening(tmp_path, True, prefix=True, one=asker, two=Asker(server)) as listener:
        _, honoured = await listener.listen(resourceSubscriptions=["x://no", "x://1", "x://1"])
        assert honoured == {"resourceSubscriptions": ["x://1"]}
        assert wanted_at(asker) == ["x://1"]


async def test_a_stream_ends_with_the_session_after_what_it_had_to_tell(tmp_path):
    told_of = []

    class Channel:
        async def notify(self, method, params):
            told_of.append((method, params))

    class Request:
        id = "s"
        channel = Channel()

    changes, mark = Changes(), {f"{META}subscriptionId": "s"}
    async with anyio.create_task_group() as tasks:
        ended = []

        async def listen():
            ended.append(await changes.listen(Request(), {"toolsListChanged": True}))

        tasks.start_soon(listen)
        await anyio.sleep(1)
        for n in range(1000):
            changes.tell("notifications/tools/list_changed", {"n": n})
        changes.close()
    assert ended == [{"_meta": mark}]
    assert told_of == [
        (ACKNOWLEDGED, {"notifications": {"toolsListChanged": True}, "_meta": mark}),
        ("notifications/tools/list_changed", {"n": 999, "_meta": mark}),
    ]


@pytest.mark.parametrize("uris", ["x", [3], {}], ids=str)
async def test_a_filter_that_makes_no_sense_is_refused(tmp_path, uris):
    async with bridged(tmp_path, host=True, one=Asker(False)) as run:
        with pytest.raises(MCPError) as caught:
            await run.request("subscriptions/listen", {"notifications": {"resourceSubscriptions": uris or 3}})
        assert caught.value.code == -32602


async def test_a_legacy_host_is_told_when_a_modern_server_does_not_tell_of_a_resource(tmp_path):
    asker = Asker(True, capabilities=RESOURCES, honours=lambda uri: uri == "x://1")
    async with bridged(tmp_path, host=False, one=asker) as run:
        await run.request("resources/subscribe", {"uri": "x://1"})
        with pytest.raises(MCPError) as caught:
            await run.request("resources/subscribe", {"uri": "x://no"})
        assert caught.value.code == -32602
        await anyio.sleep(1)
        assert wanted_at(asker) == ["x://1"]


async def test_a_resource_is_subscribed_to_once_for_many_streams_and_at_its_owner_only(tmp_path):
    servers = {
        "old": Asker(False, capabilities=RESOURCES, resources=("x://1",)),
        "new": Asker(True, capabilities=RESOURCES, resources=("y://1",)),
    }
    async with listening(tmp_path, True, prefix=True, **servers) as listener:
        await listener.run.request("resources/list")
        first, _ = await listener.listen(resourceSubscriptions=["x://1"])
        second, _ = await listener.listen(resourceSubscriptions=["x://1", "y://1"])
        assert [wanted_at(asker) for asker in servers.values()] == [["x://1"], ["y://1"]]
        assert len(servers["old"].got("resources/subscribe")) == 1
        listener.scopes[first].cancel()
        await anyio.sleep(1)
        assert wanted_at(servers["old"]) == ["x://1"]
        listener.scopes[second].cancel()
        await anyio.sleep(1)
        assert [wanted_at(asker) for asker in servers.values()] == [[], []]


@cells
async def test_a_server_that_was_started_anew_is_asked_again(tmp_path, host, server):
    asker = Asker(server, capabilities=RESOURCES)
    async with listening(tmp_path, host, one=asker) as listener:
        await listener.subscribe("x://1")
        await asker.die()
        await anyio.sleep(2)
        await listener.run.call()
        await anyio.sleep(1)
        assert (asker.starts, wanted_at(asker)) == (2, ["x://1"])


async def test_a_stream_that_a_server_ends_is_opened_anew_and_what_it_missed_counts_as_changed(tmp_path):
    asker = Asker(True, capabilities=RESOURCES)
    async with listening(tmp_path, False, one=asker) as listener:
        await listener.subscribe("x://1")
        asker.end_streams()
        await anyio.sleep(FIRST_PAUSE_S + 1)
        assert wanted_at(asker) == ["x://1"]
        assert [params["uri"] for params in await listener.run.hears(UPDATED)] == ["x://1"]
        await listener.run.hears("notifications/tools/list_changed")
        assert len(asker.streams) == 2


async def test_a_change_of_a_part_of_a_resource_is_told_too(tmp_path):
    asker = Asker(False, capabilities=RESOURCES)
    async with listening(tmp_path, True, one=asker) as listener:
        await listener.listen(resourceSubscriptions=["x://folder"])
        await asker.change("resources", "x://folder2")
        await asker.change("resources", "x://folder/part")
        assert [params["uri"] for params in await listener.run.hears(UPDATED)] == ["x://folder/part"]


# --- logs -----------------------------------------------------------------------------------------------------------


async def log(asker, params):
    await asker.tell("notifications/message", {"level": "warning", "data": "w"})
    await anyio.sleep(1)
    return told("logged")


async def test_a_legacy_hosts_log_level_goes_with_each_request_to_a_modern_server(tmp_path):
    old, new = Asker(False), Asker(True)
    async with bridged(tmp_path, host=False, prefix=True, old=old, new=new) as run:
        await run.call("new__ask")
        assert await run.request("logging/setLevel", {"level": "info"}) == {}
        await run.call("new__ask")
        await run.call("old__ask")
    levels = [params["_meta"].get(f"{META}logLevel") for params in new.got("tools/call")]
    assert levels == [None, "info"]
    assert [params["level"] for params in old.got("logging/setLevel")] == ["info"]
    assert new.got("logging/setLevel") == []
    assert "_meta" not in old.got("tools/call")[0]


@pytest.mark.parametrize("level", ["loud", 3, None])
async def test_a_log_level_that_there_is_not_is_refused(tmp_path, level):
    async with bridged(tmp_path, host=False, one=Asker(True)) as run:
        with pytest.raises(MCPError) as caught:
            await run.request("logging/setLevel", {"level": level})
        assert caught.value.code == -32602


async def test_a_legacy_server_logs_what_a_modern_hosts_requests_ask_for(tmp_path):
    asker = Asker(False, tools={"log": log})
    async with bridged(tmp_path, host=True, one=asker) as run:
        params = {"name": "log", "arguments": {}}
        await run.request("tools/call", params)
        assert asker.got("logging/setLevel") == []
        for level in ("warning", "error", "debug"):
            await run.request("tools/call", params, logLevel=level)
        assert [params["level"] for params in asker.got("logging/setLevel")] == ["warning", "debug"]
        assert len(await run.hears("notifications/message", 2)) == 2


@pytest.mark.parametrize("server", [False, True])
async def test_a_server_that_was_started_anew_is_told_the_log_level_again(tmp_path, server):
    asker = Asker(server)
    async with bridged(tmp_path, host=False, one=asker) as run:
        await run.request("logging/setLevel", {"level": "info"})
        await asker.die()
        await anyio.sleep(2)
        await run.call()
        await anyio.sleep(1)
        assert asker.starts == 2
        assert len(asker.got("logging/setLevel")) == (0 if server else 2)


# --- methods that came and went -------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", [False, True])
async def test_what_the_newer_protocol_no_longer_has_is_refused_to_a_modern_host(tmp_path, server):
    asker = Asker(server, capabilities=RESOURCES)
    async with bridged(tmp_path, host=True, one=asker) as run:
        for method, params in (
            ("ping", {}),
            ("logging/setLevel", {"level": "info"}),
            ("resources/subscribe", {"uri": "x://1"}),
            ("resources/unsubscribe", {"uri": "x://1"}),
        ):
            with pytest.raises(MCPError) as caught:
                await run.request(method, params)
            assert (method, caught.value.code) == (method, -32601)
            assert asker.got(method) == []


@pytest.mark.parametrize("server", [False, True])
async def test_what_a_modern_server_does_not_know_is_not_sent_to_it(tmp_path, server):
    asker = Asker(server)
    async with bridged(tmp_path, host=False, one=asker) as run:
        assert await run.request("ping") == {}
        with pytest.raises(MCPError) as caught:
            await run.request("subscriptions/listen", {"notifications": {}})
        assert caught.value.code == -32601
        await run.dispatcher.notify("notifications/roots/list_changed", None)
        await run.dispatcher.notify("notifications/custom", {"x": 1})
        await run.call()
    assert asker.got("ping") == []
    assert asker.got("notifications/custom") == [{"x": 1}]
    assert len(asker.got("notifications/roots/list_changed")) == (0 if server else 1)


@pytest.mark.parametrize("code", [-32601, -32602, -32022, -32600])
async def test_a_server_of_the_new_era_only_is_found_out_whatever_it_says_of_a_handshake(tmp_path, code):
    class Blunt(Asker):
        async def _answer(self, method, params, context):
            if method == "initialize":
                raise MCPError(code, "what?")
            return await super()._answer(method, params, context)

    asker = Blunt(True, [FORM])
    async with bridged(tmp_path, host=False, one=asker) as run:
        await run.call()
    assert (asker.answered, asker.starts) == ([ACCEPT], 1)


async def test_what_a_server_tells_that_nobody_knows_reaches_a_modern_host(tmp_path):
    asker = Asker(False)
    async with bridged(tmp_path, host=True, one=asker) as run:
        await asker.tell("notifications/elicitation/complete", {"elicitationId": "e"})
        await asker.tell("notifications/custom", {"x": 1})
        assert await run.hears("notifications/custom") == [{"x": 1}]
        assert [method for method, _ in run.heard] == ["notifications/custom"]


# --- headers --------------------------------------------------------------------------------------------------------


class Labelled(Asker):
    """Over HTTP: refuses calls whose headers do not fit, before they run. Lists its tool when it is allowed to."""

    def __init__(self):
        super().__init__(True)
        self.headers = []
        self.header = "Region"
        self.listed = True

    @asynccontextmanager
    async def connect(self):
        async with super().connect() as peer:
            yield _Noting(peer, self)

    async def _answer(self, method, params, context):
        if method == "tools/list":
            annotated = {"type": "string", "x-mcp-header": self.header}
            tool = {"name": "query", "inputSchema": {"type": "object", "properties": {"region": annotated}}}
            return {"tools": [tool] if self.listed else []}
        if method == "tools/call":
            if self.headers[-1].get(f"Mcp-Param-{self.header}") != params["arguments"]["region"]:
                raise MCPError(-32020, "Header mismatch")
            return told("ran")
        return await super()._answer(method, params, context)


class _Noting(Peer):
    """Notes the headers of each request."""

    def __init__(self, peer, server):
        self._peer, self._server = peer, server
        self.run, self.notify = peer.run, peer.notify

    async def request(self, method, params, *, headers=None, **options):
        self._server.headers.append({"method": method, **(headers or {})})
        return await self._peer.request(method, params, headers=headers, **options)


CALL = {"name": "query", "arguments": {"region": "é"}}
ENCODED = "=?base64?w6k=?="


class Encoded(Labelled):
    async def _answer(self, method, params, context):
        if method == "tools/call":
            params = {**params, "arguments": {"region": ENCODED}}
        return await super()._answer(method, params, context)


@pytest.mark.parametrize("host", [False, True])
async def test_a_call_is_labelled_by_the_servers_own_names_and_its_schema(tmp_path, host):
    server = Encoded()
    async with bridged(tmp_path, host=host, prefix=True, one=server) as run:
        await run.request("tools/call", {**CALL, "name": "one__query"})
    labels = server.headers[-1]
    assert {key.lower(): value for key, value in labels.items()} == {
        "method": "tools/call",
        "mcp-method": "tools/call",
        "mcp-name": "query",
        "mcp-protocol-version": "2026-07-28",
        "mcp-param-region": ENCODED,
    }


@pytest.mark.parametrize("host", [False, True])
async def test_a_tool_that_was_not_listed_yet_is_looked_up_once_before_it_is_called(tmp_path, host):
    server = Encoded()
    server.listed = False
    async with bridged(tmp_path, host=host, one=server) as run:
        await anyio.sleep(1)
        server.listed = True
        listings = len(server.got("tools/list"))
        await run.request("tools/call", CALL)
        await run.request("tools/call", CALL)
        assert len(server.got("tools/list")) == listings + 1
    assert len(server.got("tools/call")) == 2


@pytest.mark.parametrize("host", [False, True])
async def test_a_tool_that_is_never_listed_is_looked_up_no_second_time(tmp_path, host):
    class Hiding(Asker):
        async def _answer(self, method, params, context):
            return {"tools": []} if method == "tools/list" else await super()._answer(method, params, context)

    server = Hiding(True)
    async with bridged(tmp_path, host=host, one=server) as run:
        await anyio.sleep(1)
        listings = len(server.got("tools/list"))
        for _ in range(3):
            await run.call()
            await anyio.sleep(1)
        assert len(server.got("tools/list")) == listings + 1


@pytest.mark.parametrize("host", [False, True])
async def test_a_call_refused_for_its_labels_is_made_again_with_those_that_hold_now(tmp_path, host):
    server = Encoded()
    async with bridged(tmp_path, host=host, one=server) as run:
        await anyio.sleep(1)
        server.header = "Zone"
        await run.request("tools/call", CALL)
        assert len(server.got("tools/call")) == 2
        # If nothing has changed there is nothing to be made better.
        server.listed = False
        with pytest.raises(MCPError, match="Header mismatch"):
            await run.request("tools/call", {**CALL, "arguments": {"region": 3}})


# --- guesses --------------------------------------------------------------------------------------------------------

READ = {"readOnlyHint": True, "openWorldHint": False}


async def search(asker, params):
    return told(None) | {"structuredContent": {"urls": ["u1", "u2"]}}


def guessing(server, visit):
    return Asker(server, tools={"search": search, "visit": visit}, hints=READ)


async def searched(run):
    await run.request("tools/call", {"name": "search", "arguments": {"query": "u"}})
    await anyio.sleep(5)


@cells
async def test_a_guess_that_meets_a_question_is_dropped_and_nobody_is_asked(tmp_path, host, server):
    async def visit(asker, params):
        if asker.modern:
            return told(params["inputResponses"]) if "inputResponses" in params else required({"a": FORM})
        return told(await asker.ask(FORM))

    asker = guessing(server, visit)
    patterns = parse_pool(PATTERNS, users_own=True)
    async with bridged(tmp_path, host=host, patterns=patterns, one=asker) as run:
        await searched(run)
        guesses = len(asker.got("tools/call")) - 1
        assert guesses > 0
        assert run.asked == []
        # The call itself is made for real, with nothing of the guess in it.
        result = await run.call(params={"name": "visit", "arguments": {"url": "u1"}})
        assert result["structuredContent"]["answers"] in (ACCEPT, {"a": ACCEPT})
        assert run.asked == [FORM]
        await searched(run)
        rounds = 2 if server else 1
        assert len(asker.got("tools/call")) == 1 + guesses + rounds + 1


@cells
async def test_a_guess_that_is_demanded_while_it_runs_asks_nobody_either(tmp_path, host, server):
    async def visit(asker, params):
        if "inputResponses" in params:
            return told("answered")
        await anyio.sleep(10)
        if asker.modern:
            return required({"a": FORM})
        await asker.ask(FORM)
        return told("answered")

    asker = guessing(server, visit)
    async with bridged(tmp_path, host=host, patterns=parse_pool(PATTERNS, users_own=True), one=asker) as run:
        await searched(run)
        result = await run.call(params={"name": "visit", "arguments": {"url": "u1"}})
        assert result["structuredContent"]["answers"] == "answered"
        assert run.asked == [FORM]


@pytest.mark.parametrize("host", [False, True])
async def test_a_question_that_comes_after_its_guess_was_stopped_is_asked_of_nobody(tmp_path, host):
    """Some servers work on when they are told to stop."""
    late = []

    async def visit(asker, params):
        with anyio.CancelScope(shield=True):
            await anyio.sleep(60)
            late.append(await asker.ask(SAMPLE))
        return told("late")

    async def write(asker, params):
        return told("written")

    asker = guessing(False, visit)
    asker.tools["write"] = write
    async with bridged(tmp_path, host=host, patterns=parse_pool(PATTERNS, users_own=True), one=asker) as run:
        await searched(run)
        await run.request("tools/call", {"name": "write", "arguments": {}})
        await anyio.sleep(120)
        assert late
        assert set(late) == {-32600}
        assert run.asked == []


@pytest.mark.parametrize("server", [False, True])
async def test_nothing_is_guessed_while_a_call_is_parked_and_its_end_counts_as_one_call(tmp_path, server):
    async def visit(asker, params):
        return told(params["arguments"]["url"])

    asker = guessing(server, visit)
    asker.questions = [FORM]
    patterns = parse_pool(PATTERNS, users_own=True)
    async with bridged(tmp_path, host=True, patterns=patterns, one=asker) as run:

        async def think(question):
            await anyio.sleep(30)
            return ACCEPT

        run.answers = think
        result = await run.call()
        assert result["structuredContent"] == {"answers": [ACCEPT]}
        await searched(run)
        assert len([params for params in asker.got("tools/call") if params["name"] == "visit"]) == 2


def test_a_question_is_worded_alike_in_both_eras():
    """What is relayed from one era into the other is what the other's own models expect."""
    for question in (FORM, SAMPLE):
        types.InputRequiredResult.model_validate(required({"a": question}), by_name=False)
