"""The life of a tool call on simulated time: exact seconds, no sleeps."""

import anyio
import pytest
from proxy_harness import PATTERNS, World, proxied

pytestmark = pytest.mark.anyio


async def timed(call):
    began = anyio.current_time()
    result = await call
    return result, anyio.current_time() - began


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize(
    ("thinking_s", "waits_s", "kind"), [(4, 6.0, "late_hits"), (12, 0.0, "hits"), (0, 10.0, "late_hits")]
)
async def test_the_next_call_waits_only_for_what_thinking_did_not_cover(tmp_path, mode, thinking_s, waits_s, kind):
    world = World()
    async with proxied({"w": world}, tmp_path, mode=mode) as run:
        found = await run.call("search", query="u")
        await anyio.sleep(thinking_s)
        result, waited_s = await timed(run.call("visit", url=found["urls"][0]))
        assert result == {"of": "u1", "version": 0}
        assert waited_s == waits_s
        assert getattr(run.ledger, kind) == 1
        assert run.ledger.hidden_s == pytest.approx(min(thinking_s, 10))
    assert world.executed("visit").count({"url": "u1"}) == 1


async def test_without_speculation_the_agent_waits_in_full_and_the_server_sees_only_its_calls(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path, speculation="off") as run:
        found = await run.call("search", query="u")
        await anyio.sleep(12)
        _, waited_s = await timed(run.call("visit", url=found["urls"][0]))
    assert waited_s == 10.0
    assert [execution.tool for execution in world.log] == ["search", "visit"]


async def test_shadow_sends_nothing_and_counts_what_it_would_have_saved(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path, speculation="shadow") as run:
        await run.call("visit", url="first")
        found = await run.call("search", query="u")
        await anyio.sleep(4)
        _, waited_s = await timed(run.call("visit", url=found["urls"][0]))
        assert waited_s == 10.0
        assert (run.ledger.issued, run.ledger.shadow_hits) == (0, 1)
        assert run.ledger.shadow_hidden_s == 4.0
    assert [execution.tool for execution in world.log] == ["visit", "search", "visit"]


async def test_a_result_is_served_once(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path) as run:
        await run.call("search", query="u")
        await anyio.sleep(12)
        assert (await timed(run.call("visit", url="u1")))[1] == 0.0
        assert (await timed(run.call("visit", url="u1")))[1] == 10.0
    assert world.executed("visit").count({"url": "u1"}) == 2


async def test_a_write_makes_ready_and_running_guesses_stale(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path) as run:
        await run.call("search", query="u")
        await anyio.sleep(12)
        await run.call("write")
        result, waited_s = await timed(run.call("visit", url="u1"))
        assert result == {"of": "u1", "version": 1}
        assert waited_s == 10.0
        assert run.ledger.stale == 2
        assert run.ledger.hits == 0


async def test_a_write_on_another_server_makes_guesses_stale_too(tmp_path):
    one, other = World(), World()
    async with proxied({"one": one, "other": other}, tmp_path, prefix=True) as run:
        await run.call("one__search", query="u")
        await anyio.sleep(12)
        await run.call("other__write")
        _, waited_s = await timed(run.call("one__visit", url="u1"))
        assert waited_s == 10.0


async def test_after_a_write_what_verifies_it_runs_while_the_model_thinks(tmp_path):
    async with proxied({"w": World()}, tmp_path) as run:
        await run.call("write")
        await anyio.sleep(4)
        result, waited_s = await timed(run.call("status"))
        assert (result["version"], waited_s) == (1, 6.0)


async def test_another_call_to_the_same_server_does_not_wait_for_guesses(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path) as run:
        await run.call("search", query="u")
        await anyio.sleep(4)
        _, waited_s = await timed(run.call("visit", url="elsewhere"))
        assert waited_s == 10.0
        assert run.ledger.preempted == 2
    guesses = [execution for execution in world.log if execution.arguments.get("url") in ("u1", "u2")]
    assert guesses
    assert all(execution.cancelled for execution in guesses)


def one_at_a_time(world, *, deaf=False):
    """`visit` works on one call at a time; `deaf`: and finishes also those that were given up."""
    turn = anyio.Lock()

    async def visit(ctx, arguments):
        with anyio.CancelScope(shield=deaf):
            async with turn:
                return await World(slow_s=10)._answer(ctx, "visit", arguments)

    world.answers["visit"] = visit


async def test_a_server_that_works_on_one_call_at_a_time_is_guessed_at_one_by_one_once_that_has_shown(tmp_path):
    world = World()
    one_at_a_time(world)
    async with proxied({"w": world}, tmp_path) as run:
        for n in range(4):
            await run.call("search", query=f"q{n}/")
            await anyio.sleep(25)
            assert (await timed(run.call("visit", url=f"q{n}/1")))[1] == 0.0
            await anyio.sleep(25)
        await run.call("search", query="u")
        await anyio.sleep(4)
        assert [e.arguments["url"] for e in world.log if e.ended is None] == ["u1"]
        # Asked for the other one, which still waits: it becomes the call, and the one that runs makes way.
        assert (await timed(run.call("visit", url="u2")))[1] == 10.0
        assert run.ledger.promoted == 1


async def test_a_server_that_finishes_what_was_given_up_holds_up_few_calls(tmp_path):
    world = World()
    one_at_a_time(world, deaf=True)
    waits = []
    async with proxied({"w": world}, tmp_path) as run:
        await run.call("visit", url="first")
        for n in range(12):
            await run.call("search", query=f"q{n}/")
            await anyio.sleep(4)
            waits.append((await timed(run.call("visit", url=f"elsewhere {n}")))[1])
            await anyio.sleep(30)
    assert waits[0] > 10.0
    assert waits[6:] == [10.0] * 6


CHAIN = {
    "version": 1,
    "patterns": [
        {**PATTERNS["patterns"][0], "arguments": {"url": {"result": -1, "path": "$.urls[*]", "pick": {1: 0.9}}}},
        {
            "name": "visit-then-status",
            "context": [{"server": "*", "tool": "visit"}],
            "target": {"tool": "status"},
            "arguments": {"of": {"result": -1, "path": "$.of"}},
            "probability": 0.9,
        },
    ],
}


async def test_what_follows_a_guess_runs_before_the_guess_is_asked_for(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path, patterns=CHAIN) as run:
        await run.call("search", query="u")
        await anyio.sleep(14)
        assert (await timed(run.call("visit", url="u1")))[1] == 0.0
        result, waited_s = await timed(run.call("status", of="u1"))
        assert (result, waited_s) == ({"of": "status", "version": 0}, 6.0)
        assert (run.ledger.hits, run.ledger.late_hits, run.ledger.issued) == (1, 1, 2)
        assert run.ledger.hidden_s == 10.0 + 4.0


async def test_a_chain_has_two_steps(tmp_path):
    world = World()
    again = {**CHAIN["patterns"][1], "name": "status-then-status", "context": [{"server": "*", "tool": "status"}]}
    async with proxied({"w": world}, tmp_path, patterns={**CHAIN, "patterns": [*CHAIN["patterns"], again]}) as run:
        await run.call("search", query="u")
        await anyio.sleep(60)
        assert [execution.tool for execution in world.log] == ["search", "visit", "status"]


async def test_a_write_makes_the_whole_chain_stale(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path, patterns=CHAIN) as run:
        await run.call("search", query="u")
        await anyio.sleep(14)
        await run.call("write")
        assert run.ledger.stale == 2
        assert (await timed(run.call("status", of="u1")))[0]["version"] == 1


async def test_a_guess_that_fails_is_invisible(tmp_path):
    world = World()
    failures = iter([True])

    async def flaky(ctx, arguments):
        await anyio.sleep(5)
        if next(failures, False):
            raise RuntimeError("database is gone")
        return (await World(slow_s=5)._answer(ctx, "visit", arguments)).model_copy()

    world.answers["visit"] = flaky
    async with proxied({"w": world}, tmp_path, patterns=only_first()) as run:
        await run.call("search", query="u")
        await anyio.sleep(2)
        result, waited_s = await timed(run.call("visit", url="u1"))
        assert result == {"of": "u1", "version": 0}
        assert waited_s == 3 + 10
        assert (run.ledger.failed, run.ledger.late_hits) == (1, 0)


def only_first():
    first = PATTERNS["patterns"][0]
    pick = {"result": -1, "path": "$.urls[*]", "pick": {1: 0.9}}
    return {"version": 1, "patterns": [{**first, "arguments": {"url": pick}}]}


async def test_a_call_that_joined_a_guess_can_be_cancelled_and_takes_it_along(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path, patterns=only_first()) as run:
        await run.call("search", query="u")
        await anyio.sleep(1)
        with anyio.move_on_after(2) as scope:
            await run.call("visit", url="u1")
        assert scope.cancelled_caught
        assert (await timed(run.call("visit", url="u1")))[1] == 10.0
    assert [execution.cancelled for execution in world.log if execution.tool == "visit"] == [True, False]


async def test_guesses_under_way_when_the_host_leaves_are_settled_as_unused(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path) as run:
        await run.call("search", query="u")
        await anyio.sleep(1)
        ledger = run.ledger
        assert ledger.live == 2
    assert (ledger.issued, ledger.unused, ledger.live) == (2, 2, 0)


async def test_guesses_older_than_their_time_to_live_are_not_served(tmp_path):
    async with proxied({"w": World()}, tmp_path) as run:
        await run.call("search", query="u")
        await anyio.sleep(10 + 31)
        assert (await timed(run.call("visit", url="u1")))[1] == 10.0


async def test_fast_tools_are_left_alone_once_known_to_be_fast(tmp_path):
    world = World(slow_s=0.001)
    async with proxied({"w": world}, tmp_path) as run:
        for n in range(6):
            found = await run.call("search", query=f"u{n}/")
            await anyio.sleep(2)
            await run.call("visit", url=found["urls"][2])
        assert run.ledger.issued == 2
        assert run.ledger.rejected["not worth it"] == 5 * 2
