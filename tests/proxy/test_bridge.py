"""Every host before every server: what a server asks in the middle of a call is asked of the host, in its own way."""

from contextlib import AsyncExitStack

import anyio
import pytest
from eras import ACCEPT, ALL, AT, FORM, META, ROOTS, SAID, SAMPLE, URL, Asker, bridged, required, told
from hosts import Host, proxy_before
from mcp import MCPError

from paste_mcp.proxy.bridge import GATHER_S, MAX_PARKED
from paste_mcp.proxy.questions import WAIT_S
from paste_mcp.proxy.rounds import MAX_ROUNDS

pytestmark = pytest.mark.anyio

ERAS = [(host, server) for host in (False, True) for server in (False, True)]
cells = pytest.mark.parametrize(
    ("host", "server"), ERAS, ids=[f"{'modern' if h else 'legacy'}-{'modern' if s else 'legacy'}" for h, s in ERAS]
)
QUESTIONS = {
    "form": ([FORM], [ACCEPT]),
    "url": ([URL], [ACCEPT]),
    "sampling": ([SAMPLE], [SAID]),
    "roots": ([ROOTS], [AT]),
    "several": ([FORM, SAMPLE, ROOTS, URL], [ACCEPT, SAID, AT, ACCEPT]),
}


def without_id(question):
    """A url's `elicitationId` is of the older protocol, so that the proxy has to make one up."""
    return {**question, "params": {k: v for k, v in question["params"].items() if k != "elicitationId"}}


@cells
@pytest.mark.parametrize("kind", QUESTIONS)
async def test_what_a_server_asks_is_answered_by_the_host(tmp_path, host, server, kind):
    questions, answers = QUESTIONS[kind]
    asker = Asker(server, questions)
    async with bridged(tmp_path, host=host, one=asker) as run:
        result = await run.call()
    assert {key: result[key] for key in told(answers)} == told(answers)
    assert asker.answered == answers
    assert sorted(map(str, map(without_id, run.asked))) == sorted(map(str, questions))
    urls = [question["params"] for question in run.asked if question["params"].get("mode") == "url"]
    assert all(("elicitationId" in params) is (server and not host) for params in urls)
    # The call runs once at a server that waits for the answer; only one that ends it is called again.
    assert len(asker.got("tools/call")) == (2 if server else 1)
    if host:
        assert run.rounds == 1
    for params in asker.got("tools/call"):
        assert (params["name"], params["arguments"]) == ("ask", {})
        assert server or params.keys() == {"name", "arguments"}


@cells
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_declined_question_is_the_servers_to_deal_with(tmp_path, host, server, action):
    asker = Asker(server, [FORM])
    async with bridged(tmp_path, host=host, one=asker) as run:

        async def refuse(question):
            return {"action": action}

        run.answers = refuse
        await run.call()
    assert asker.answered == [{"action": action}]


@cells
async def test_a_cancelled_call_ends_at_the_server_and_is_not_made_again(tmp_path, host, server):
    asker = Asker(server, [FORM])
    asked = anyio.Event()

    async def hesitate(question):
        asked.set()
        await anyio.sleep_forever()

    async with bridged(tmp_path, host=host, one=asker) as run:
        run.answers = hesitate
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.call)
            await asked.wait()
            tasks.cancel_scope.cancel()
        # A modern host that leaves after an interim result tells nobody; its call is given up in time.
        await anyio.sleep(WAIT_S + 1 if host else 1)
        assert len(asker.got("tools/call")) == 1
        assert asker.cancelled == ([] if server else ["tools/call"])


@cells
async def test_a_host_that_takes_its_time_is_waited_for(tmp_path, host, server):
    asker = Asker(server, [FORM])

    async def think(question):
        await anyio.sleep(WAIT_S - 1)
        return ACCEPT

    async with bridged(tmp_path, host=host, one=asker) as run:
        run.answers = think
        await run.call()
    assert asker.answered == [ACCEPT]


@cells
async def test_a_host_that_never_answers_is_not_waited_for_for_ever(tmp_path, host, server):
    """Where nothing is bridged the proxy adds no limit of its own: that is the host's and the server's affair."""
    asker = Asker(server, [FORM])

    async def never(question):
        await anyio.sleep_forever()

    async with bridged(tmp_path, host=host, one=asker) as run:
        run.answers = never
        ended = anyio.Event()

        async def call():
            await run.call()
            ended.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(WAIT_S + 1)
            match host, server:
                case False, True:
                    await ended.wait()
                    assert asker.answered == [{"action": "cancel"}]
                case True, False:
                    assert asker.cancelled == ["tools/call"]
                case _:
                    assert (ended.is_set(), asker.cancelled, asker.answered) == (False, [], [])
            tasks.cancel_scope.cancel()


@cells
@pytest.mark.parametrize(
    ("declared", "question"),
    [({}, FORM), ({}, SAMPLE), ({}, ROOTS), ({"roots": {}}, FORM), ({"elicitation": {}}, SAMPLE)],
)
async def test_a_host_is_not_asked_for_what_it_did_not_declare(tmp_path, host, server, declared, question):
    asker = Asker(server, [question])
    async with bridged(tmp_path, host=host, capabilities=declared, one=asker) as run:
        match host, server:
            case False, False:
                await run.call()
                assert asker.answered == [-32601]
            case True, False:
                await run.call()
                assert (asker.answered, run.asked) == ([-32601], [])
            case False, True:
                with pytest.raises(MCPError) as caught:
                    await run.call()
                assert caught.value.code == -32021
                assert caught.value.data["requiredCapabilities"].keys() <= ALL.keys()
                assert run.asked == []
            case True, True:
                result = await run.request("tools/call", {"name": "ask", "arguments": {}})
                assert result == required({"k0": question}, "state: ä")


@pytest.mark.parametrize(
    ("declared", "question", "code"),
    [
        ({"elicitation": {}}, URL, -32602),
        ({"elicitation": {"form": {}}}, URL, -32602),
        ({"elicitation": {"url": {}}}, FORM, -32602),
        ({"sampling": {}}, {**SAMPLE, "params": {**SAMPLE["params"], "tools": []}}, -32602),
        (ALL, {"method": "custom/question", "params": {}}, -32601),
    ],
)
async def test_a_kind_of_question_that_was_not_declared_is_refused(tmp_path, declared, question, code):
    asker = Asker(False, [question])
    async with bridged(tmp_path, host=True, capabilities=declared, one=asker) as run:
        await run.call()
    assert (asker.answered, run.asked) == ([code], [])
    asker = Asker(True, [question])
    async with bridged(tmp_path, host=False, capabilities=declared, one=asker) as run:
        with pytest.raises(MCPError) as caught:
            await run.call()
    assert (caught.value.code, run.asked) == (-32021, [])


@pytest.mark.parametrize(
    ("method", "params"),
    [("prompts/get", {"name": "p"}), ("resources/read", {"uri": "x://1"}), ("tools/call", {"name": "ask"})],
)
@cells
async def test_prompts_and_resources_ask_as_tools_do(tmp_path, host, server, method, params):
    asker = Asker(server, [FORM], capabilities={"tools": {}, "prompts": {}, "resources": {}})
    async with bridged(tmp_path, host=host, one=asker) as run:
        result = await run.call(params=params, method=method)
        assert result["structuredContent"] == {"answers": [ACCEPT]}
        assert ("ttlMs" in result) is (host and method == "resources/read")
        if host:
            asking = await run.request(method, params)
            assert asking.keys() == {"resultType", "inputRequests", "requestState"}


@cells
async def test_servers_hear_the_hosts_own_capabilities(tmp_path, host, server):
    asker = Asker(server)
    async with bridged(tmp_path, host=host, capabilities={"sampling": {}, "experimental": {"x": {}}}, one=asker) as run:
        await run.call()
        if host:
            await run.request("tools/call", {"name": "ask"}, clientCapabilities={"roots": {"xMore": 1}})
    declared = {"sampling": {}, "experimental": {"x": {}}}
    if not server:
        [hello] = asker.got("initialize")
        assert (hello["capabilities"], hello["clientInfo"]) == (declared, {"name": "a host", "version": "3"})
        return
    for params in asker.got("tools/list") + asker.got("tools/call")[:1]:
        assert params["_meta"][f"{META}clientCapabilities"] == declared
        assert params["_meta"][f"{META}clientInfo"] == {"name": "a host", "version": "3"}
        assert params["_meta"][f"{META}protocolVersion"] == "2026-07-28"
    if host:
        assert asker.got("tools/call")[1]["_meta"][f"{META}clientCapabilities"] == {"roots": {"xMore": 1}}


async def test_hosts_that_share_a_modern_server_each_declare_their_own(tmp_path):
    asker = Asker(True)
    proxy = proxy_before({"one": asker}, tmp_path, shared=True)
    declared = [{"roots": {}}, {"sampling": {}}]
    async with proxy.running(), AsyncExitStack() as stack:
        for capabilities in declared:
            host = await stack.enter_async_context(Host().at(proxy))
            me = {"name": "a host", "version": "1"}
            hello = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": me}
            await host.request("initialize", hello)
            await host.request("tools/list")
            await host.request("tools/call", {"name": "one__ask"})
    assert [params["_meta"][f"{META}clientCapabilities"] for params in asker.got("tools/call")] == declared


# --- a modern host and a legacy server ------------------------------------------------------------------------------


async def interim(run, tool="ask"):
    result = await run.request("tools/call", {"name": tool, "arguments": {}})
    assert result["resultType"] == "input_required"
    return result


def answers_to(result, answer=ACCEPT):
    responses = dict.fromkeys(result["inputRequests"], answer)
    return {"name": "ask", "arguments": {}, "inputResponses": responses, "requestState": result["requestState"]}


async def test_questions_that_come_together_are_asked_together_and_later_ones_later(tmp_path):
    async def two(asker, params):
        first = await asker.ask(FORM)
        return told([first, await asker.ask(SAMPLE)])

    asker = Asker(False, tools={"two": two})
    async with bridged(tmp_path, host=True, one=asker) as run:
        assert (await run.call("two"))["structuredContent"] == {"answers": [ACCEPT, SAID]}
    assert (run.rounds, len(asker.got("tools/call"))) == (2, 1)


async def test_a_question_left_open_is_asked_again(tmp_path):
    asker = Asker(False, [FORM, ROOTS])
    async with bridged(tmp_path, host=True, one=asker) as run:
        result = await interim(run)
        [form] = [key for key, question in result["inputRequests"].items() if question == FORM]
        half = {**answers_to(result), "inputResponses": {form: ACCEPT, "unknown": ACCEPT, "odd": 3}}
        again = await run.request("tools/call", half)
        assert list(again["inputRequests"].values()) == [ROOTS]
        assert again["requestState"] != result["requestState"]
        await run.request("tools/call", answers_to(again, AT))
    assert asker.answered == [ACCEPT, AT]


@pytest.mark.parametrize(
    "change",
    [
        {"requestState": "forged"},
        {"requestState": ""},
        {"requestState": 3},
        {"requestState": None},
        {"name": "other"},
        {"arguments": {"a": 1}},
        {"xMore": 1},
    ],
    ids=str,
)
async def test_only_the_host_that_was_asked_goes_on_with_the_call_and_only_with_the_same_call(tmp_path, change):
    asker = Asker(False, [FORM])
    async with bridged(tmp_path, host=True, one=asker) as run:
        result = await interim(run)
        with pytest.raises(MCPError) as caught:
            await run.request("tools/call", {**answers_to(result), **change})
        assert caught.value.code == -32602
        # It is still there for who holds the token.
        await run.request("tools/call", answers_to(result))
        with pytest.raises(MCPError, match="unknown or has expired"):
            await run.request("tools/call", answers_to(result))
    assert (asker.answered, len(asker.got("tools/call"))) == ([ACCEPT], 1)


async def test_answers_without_a_state_never_make_the_call_again(tmp_path):
    asker = Asker(False)
    async with bridged(tmp_path, host=True, one=asker) as run:
        with pytest.raises(MCPError, match="no longer waiting"):
            await run.request("tools/call", {"name": "ask", "arguments": {}, "inputResponses": {}})
    assert asker.got("tools/call") == []


async def test_a_parked_call_is_given_up_when_nobody_comes_back(tmp_path):
    asker = Asker(False, [FORM])
    async with bridged(tmp_path, host=True, one=asker) as run:
        began = anyio.current_time()
        result = await interim(run)
        await asker.ended.wait()
        assert anyio.current_time() - began == pytest.approx(WAIT_S + GATHER_S)
        assert asker.cancelled == ["tools/call"]
        with pytest.raises(MCPError, match="unknown or has expired"):
            await run.request("tools/call", answers_to(result))
    assert len(asker.got("tools/call")) == 1


async def test_a_call_whose_host_leaves_in_a_later_stretch_is_cancelled_at_the_server(tmp_path):
    resumed = anyio.Event()

    async def slow(asker, params):
        await asker.ask(FORM)
        resumed.set()
        await anyio.sleep_forever()

    asker = Asker(False, tools={"slow": slow})
    async with bridged(tmp_path, host=True, one=asker) as run:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.call, "slow")
            await resumed.wait()
            tasks.cancel_scope.cancel()
        await anyio.sleep(1)
        assert asker.cancelled == ["tools/call"]


async def test_a_call_that_was_taken_up_again_may_take_its_time_and_cannot_be_taken_up_twice(tmp_path):
    async def slow(asker, params):
        await asker.ask(FORM)
        await anyio.sleep(2 * WAIT_S)
        return told("at last")

    asker = Asker(False, tools={"slow": slow})
    async with bridged(tmp_path, host=True, one=asker) as run, anyio.create_task_group() as tasks:
        continuation = {**answers_to(await interim(run, "slow")), "name": "slow"}
        done = []

        async def go_on():
            done.append(await run.request("tools/call", continuation))

        tasks.start_soon(go_on)
        await anyio.sleep(1)
        with pytest.raises(MCPError, match="unknown or has expired"):
            await run.request("tools/call", continuation)
        await asker.ended.wait()
    assert [result["structuredContent"] for result in done] == [{"answers": "at last"}]


async def test_a_server_that_does_not_wait_for_the_answer_has_its_result_kept_for_the_host(tmp_path):
    async def impatient(asker, params):
        with anyio.move_on_after(10):
            await asker.ask(FORM)
        return told("went on")

    asker = Asker(False, tools={"impatient": impatient})
    async with bridged(tmp_path, host=True, one=asker) as run:
        result = await interim(run, "impatient")
        await anyio.sleep(60)
        final = await run.request("tools/call", {**answers_to(result), "name": "impatient"})
        assert final["structuredContent"] == {"answers": "went on"}


async def test_a_question_taken_back_at_once_is_never_asked(tmp_path):
    async def fickle(asker, params):
        with anyio.move_on_after(GATHER_S / 2):
            await asker.ask(FORM)
        await anyio.sleep(1)
        return told("never mind")

    asker = Asker(False, tools={"fickle": fickle})
    async with bridged(tmp_path, host=True, one=asker) as run:
        assert (await run.call("fickle"))["structuredContent"] == {"answers": "never mind"}
        assert run.asked == []


async def test_an_error_after_the_answer_is_the_servers_own(tmp_path):
    async def fail(asker, params):
        await asker.ask(FORM)
        raise MCPError(-32050, "custom", {"k": [None]})

    async with bridged(tmp_path, host=True, one=Asker(False, tools={"fail": fail})) as run:
        with pytest.raises(MCPError) as caught:
            await run.call("fail")
        assert (caught.value.code, caught.value.message, caught.value.data) == (-32050, "custom", {"k": [None]})


async def test_calls_side_by_side_are_all_answered(tmp_path):
    async def named(asker, params):
        n = params["arguments"]["n"]
        await anyio.sleep(1)
        answer = await asker.ask({**FORM, "params": {**FORM["params"], "message": f"for {n}"}})
        return told([n, answer["content"]["to"]])

    async with bridged(tmp_path, host=True, one=Asker(False, tools={"named": named})) as run:

        async def echo(question):
            return {"action": "accept", "content": {"to": question["params"]["message"]}}

        run.answers = echo
        results = {}

        async def call(n):
            result = await run.call(params={"name": "named", "arguments": {"n": n}})
            results[n] = result["structuredContent"]["answers"]

        async with anyio.create_task_group() as tasks:
            for n in range(20):
                tasks.start_soon(call, n)
    assert results == {n: [n, f"for {n}"] for n in range(20)}


async def test_only_so_many_calls_are_parked(tmp_path):
    asker = Asker(False, [FORM])
    async with bridged(tmp_path, host=True, one=asker) as run:
        for _ in range(MAX_PARKED):
            await interim(run)
        await run.call()
        assert asker.answered == [{"action": "cancel"}]


async def test_nobody_is_asked_where_hosts_cannot_be_told_apart(tmp_path):
    """Without a session identity, two calls under way may be two users': a question goes to neither."""

    async def slow(asker, params):
        await anyio.sleep(100)
        return told("slow")

    asker = Asker(False, [FORM], tools={"slow": slow})
    async with bridged(tmp_path, host=True, speculate=False, one=asker) as run, anyio.create_task_group() as tasks:
        tasks.start_soon(run.call, "slow")
        await anyio.sleep(1)
        await run.call()
        assert (asker.answered, run.asked) == ([-32600], [])
        await anyio.sleep(100)
        await run.call()
        assert (asker.answered, run.asked) == ([ACCEPT], [FORM])


async def test_a_question_outside_any_call_has_nobody_to_go_to(tmp_path):
    asker = Asker(False)
    async with bridged(tmp_path, host=True, one=asker) as run:
        assert await asker.ask(FORM) == -32600
        assert await asker.ask(SAMPLE) == -32600
        assert run.asked == []


async def test_roots_that_a_server_wants_at_its_start_are_asked_for_with_the_first_call(tmp_path):
    found = []

    async def where(asker, params):
        return told(list(found))

    async def start():
        found.append(await asker.ask(ROOTS))

    asker = Asker(False, tools={"where": where})
    async with bridged(tmp_path, host=True, one=asker) as run, anyio.create_task_group() as tasks:
        tasks.start_soon(start)
        await anyio.sleep(5)
        assert (found, run.asked) == ([], [])
        # The call waits for the roots, since it may depend on them.
        assert (await run.call("where"))["structuredContent"] == {"answers": [AT]}
        assert run.asked == [ROOTS]


async def test_roots_that_the_first_call_was_too_short_for_are_asked_for_with_the_next(tmp_path):
    found = []

    async def start():
        found.append(await asker.ask(ROOTS))

    async def short(asker, params):
        tasks.start_soon(start)
        await anyio.sleep(GATHER_S / 4)
        return told("short")

    asker = Asker(False, tools={"short": short})
    async with bridged(tmp_path, host=True, one=asker) as run, anyio.create_task_group() as tasks:
        await run.call("short")
        assert run.asked == []
        await run.call()
        assert (found, run.asked) == ([AT], [ROOTS])


async def test_roots_that_nobody_can_be_asked_for_are_refused_in_time(tmp_path):
    asker = Asker(False)
    async with bridged(tmp_path, host=True, one=asker):
        assert await asker.ask(ROOTS) == -32001


async def test_progress_and_logs_go_to_the_request_that_waits(tmp_path):
    async def work(asker, params):
        token = params["_meta"]["progressToken"]
        await asker.tell("notifications/progress", {"progressToken": token, "progress": 1})
        await asker.ask(FORM)
        await asker.tell("notifications/progress", {"progressToken": token, "progress": 2})
        await asker.tell("notifications/message", {"level": "error", "data": "x"})
        await anyio.sleep(1)
        return told("done")

    async with bridged(tmp_path, host=True, one=Asker(False, tools={"work": work})) as run:
        params = {"name": "work", "arguments": {}}
        first = await run.request("tools/call", {**params, "_meta": {"progressToken": "a"}})
        state = {"requestState": first["requestState"], "inputResponses": dict.fromkeys(first["inputRequests"], ACCEPT)}
        meta = {"_meta": {"progressToken": "b"}}
        await run.request("tools/call", {**params, **state, **meta}, logLevel="info")
        told_of = [
            (params["progressToken"], params["progress"]) for params in await run.hears("notifications/progress", 2)
        ]
        assert told_of == [("a", 1), ("b", 2)]
        assert len(await run.hears("notifications/message")) == 1


# --- a legacy host and a modern server ------------------------------------------------------------------------------


async def test_rounds_go_on_until_the_server_has_what_it_needs(tmp_path):
    async def three(asker, params):
        match params.get("requestState"):
            case None:
                return required({"a": FORM}, "1")
            case "1":
                assert params["inputResponses"] == {"a": ACCEPT}
                return required({"a": SAMPLE})
        assert params["inputResponses"] == {"a": SAID}
        return told("done")

    async def stateful(asker, params):
        if "requestState" not in params and "inputResponses" in params:
            return told(params["inputResponses"])
        return await three(asker, params)

    asker = Asker(True, tools={"three": stateful})
    async with bridged(tmp_path, host=False, one=asker) as run:
        assert (await run.call("three"))["structuredContent"] == {"answers": {"a": SAID}}
        assert run.asked == [FORM, SAMPLE]


async def test_a_server_that_only_wants_time_is_asked_again_a_little_later(tmp_path):
    async def busy(asker, params):
        state = int(params.get("requestState", 0))
        return told("done") if state == 4 else {"resultType": "input_required", "requestState": str(state + 1)}

    asker = Asker(True, tools={"busy": busy})
    async with bridged(tmp_path, host=False, one=asker) as run:
        began = anyio.current_time()
        assert (await run.call("busy"))["structuredContent"] == {"answers": "done"}
        assert 0.3 < anyio.current_time() - began < 1
        assert all("inputResponses" not in params for params in asker.got("tools/call"))


async def test_a_server_that_never_has_enough_is_given_up(tmp_path):
    async def greedy(asker, params):
        return required({"a": FORM})

    asker = Asker(True, tools={"greedy": greedy})
    async with bridged(tmp_path, host=False, one=asker) as run:
        with pytest.raises(MCPError, match="more than 10 times"):
            await run.call("greedy")
        assert len(run.asked) == MAX_ROUNDS


@pytest.mark.parametrize("asked", [{"a": 3}, {"a": {}}, {"a": {"method": 1}}, [FORM], "x"], ids=str)
async def test_a_request_for_input_that_makes_no_sense_is_an_error(tmp_path, asked):
    async def odd(asker, params):
        return {"resultType": "input_required", "inputRequests": asked}

    async with bridged(tmp_path, host=False, one=Asker(True, tools={"odd": odd})) as run:
        with pytest.raises(MCPError, match="makes no sense"):
            await run.call("odd")


@pytest.mark.parametrize(("question", "ends"), [(FORM, False), (SAMPLE, True), (ROOTS, True)])
async def test_an_error_of_the_host_ends_the_call_unless_a_form_can_be_dismissed(tmp_path, question, ends):
    asker = Asker(True, [question])
    async with bridged(tmp_path, host=False, one=asker) as run:

        async def fail(question):
            raise MCPError(-1, "User rejected it", {"x": 1})

        run.answers = fail
        if not ends:
            await run.call()
            assert asker.answered == [{"action": "cancel"}]
            return
        with pytest.raises(MCPError) as caught:
            await run.call()
        assert (caught.value.code, caught.value.message, caught.value.data) == (-1, "User rejected it", {"x": 1})


async def test_a_round_is_not_begun_that_cannot_be_answered_whole(tmp_path):
    asker = Asker(True, [FORM, SAMPLE])
    async with bridged(tmp_path, host=False, capabilities={"elicitation": {}}, one=asker) as run:
        with pytest.raises(MCPError) as caught:
            await run.call()
        assert (caught.value.data, run.asked) == ({"requiredCapabilities": {"sampling": {}}}, [])


# --- several servers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [False, True])
async def test_each_server_is_spoken_to_in_its_own_era(tmp_path, host):
    old, new = Asker(False, [FORM]), Asker(True, [SAMPLE])
    async with bridged(tmp_path, host=host, prefix=True, old=old, new=new) as run:
        assert (await run.call("old__ask"))["structuredContent"] == {"answers": [ACCEPT]}
        assert (await run.call("new__ask"))["structuredContent"] == {"answers": [SAID]}
    assert (len(old.got("tools/call")), len(new.got("tools/call"))) == (1, 2)


# --- pages that a user has to visit ---------------------------------------------------------------------------------


def wants_a_visit(visited):
    async def tool(asker, params):
        if not visited():
            raise MCPError(-32042, "go there first", {"elicitations": [{**URL["params"], "elicitationId": "e1"}]})
        return told("in")

    return tool


async def test_a_call_refused_until_a_page_is_visited_is_made_again_after_the_visit(tmp_path):
    visited = anyio.Event()
    asker = Asker(False, tools={"in": wants_a_visit(visited.is_set)})
    async with bridged(tmp_path, host=True, one=asker) as run, anyio.create_task_group() as tasks:

        async def visit():
            await anyio.sleep(7)
            visited.set()
            await asker.tell("notifications/elicitation/complete", {"elicitationId": "e1"})

        async def agree(question):
            assert without_id(question) == URL
            tasks.start_soon(visit)
            return {"action": "accept"}

        run.answers = agree
        began = anyio.current_time()
        assert (await run.call("in"))["structuredContent"] == {"answers": "in"}
        assert anyio.current_time() - began == pytest.approx(7, abs=0.1)
        assert run.heard == []
    assert len(run.asked) == 1
    assert asker.got("tools/call") == [{"name": "in", "arguments": {}}] * 2


@pytest.mark.parametrize(
    ("host", "capabilities", "answer"),
    [
        (True, ALL, {"action": "decline"}),
        (True, {"elicitation": {}}, ACCEPT),
        (False, ALL, ACCEPT),
    ],
)
async def test_a_refusal_until_a_visit_that_will_not_be_is_the_answer(tmp_path, host, capabilities, answer):
    asker = Asker(False, tools={"in": wants_a_visit(lambda: False)})
    async with bridged(tmp_path, host=host, capabilities=capabilities, one=asker) as run:

        async def say(question):
            return answer

        run.answers = say
        with pytest.raises(MCPError) as caught:
            await run.call("in")
        assert (caught.value.code, caught.value.message) == (-32042, "go there first")
    assert len(asker.got("tools/call")) == 1


async def test_a_resource_that_one_server_refuses_after_its_question_is_asked_of_the_next_as_it_was(tmp_path):
    class Refusing(Asker):
        async def _answer(self, method, params, context):
            if method == "resources/read":
                await self.ask(FORM)
                raise MCPError(-32002, "not mine")
            return await super()._answer(method, params, context)

    resources = {"resources": {}}
    servers = {"one": Refusing(False, capabilities=resources), "two": Asker(False, capabilities=resources)}
    async with bridged(tmp_path, host=True, prefix=True, **servers) as run:
        await run.call(params={"uri": "x://1"}, method="resources/read")
    assert servers["two"].got("resources/read") == [{"uri": "x://1"}]
