"""Calls in storms and under faults, on simulated time: right answers to the right callers, writes once."""

import random

import anyio
import pytest
from mcp import MCPError
from safety_keeper import Keeper, call, hosts_at, settled
from trio.testing import MockClock

from paste_mcp.proxy import afterwards

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture(autouse=True)
def no_lulls(monkeypatch):
    monkeypatch.setattr(afterwards, "LULL_S", 0)


def marked(mark, small, many):
    return pytest.mark.parametrize("most", [small, pytest.param(many, marks=mark)], ids=["small", "many"])


# --- neutrality -----------------------------------------------------------------------------------------------------


async def agent(host, chance, steps):
    """What a seeded agent is told, in order. It thinks, and likes to do what the patterns foresee."""
    told, urls = [], ["start"]
    for step in range(steps):
        await anyio.sleep(chance.choice([0, 0.5, 1, 3, 5, 40]))
        tool = chance.choice(["search", "visit", "visit", "visit", "status", "write"])
        url = chance.choice(urls[:2] + urls)
        given = {"search": {"query": f"q{step}"}, "status": {}}.get(tool, {"url": url})
        found = await call(host, tool, **given)
        urls = found.get("urls", urls)
        told.append((tool, given, found))
    return told


@marked(pytest.mark.soak, 6, 2_000)
async def test_with_and_without_speculation_an_agent_is_told_and_writes_the_same(spell, tmp_path, most):
    useful = rounds = 0
    for number in spell.rounds(most):
        runs = {}
        for speculation in ("annotated", "off"):
            keeper, chance = Keeper(), random.Random(spell.seed + number)
            async with hosts_at({"k": keeper}, tmp_path, speculation=speculation) as (host,):
                told = await agent(host, chance, 30)
                settled(host)
                useful += host.session.engine.ledger.hits + host.session.engine.ledger.late_hits
            writes = [ran.arguments for ran in keeper.ran if ran.tool == "write"]
            runs[speculation] = told, writes
        assert runs["annotated"] == runs["off"]
        rounds += 1
    assert useful > 0
    spell.tell(agents=rounds, served_ahead=useful)


# --- anomalies ------------------------------------------------------------------------------------------------------


async def scenario(host, keeper):
    """Each call's outcome: right, or the error that was told. A wrong answer fails."""
    outcomes = []

    def wrote():
        return [ran for ran in keeper.ran if ran.tool == "write"]

    async def step(tool, right, **arguments):
        try:
            found = await call(host, tool, **arguments)
            assert right(found), (tool, arguments, found)
            outcomes.append("right")
            return found
        except (MCPError, AssertionError) as error:
            if isinstance(error, AssertionError) and "told to" not in str(error):
                raise
            outcomes.append("error")
            return {}

    await step("search", lambda found: found["urls"][0] == "a/0", query="a")
    await anyio.sleep(1)
    await step("visit", lambda found: found["of"] == "a/0", url="a/0")
    await anyio.sleep(5)
    await step("status", lambda found: found["of"] == "status")
    await step("write", lambda found: found["written"] == "w", url="w")
    await anyio.sleep(5)
    await step("status", lambda found: found["version"] == len([ran for ran in wrote() if ran.done]))
    await step("visit", lambda found: found["of"] == "a/1", url="a/1")
    return outcomes


@pytest.mark.parametrize("fault", ["error", "isError", "hang", "cut", "late"])
async def test_whichever_call_goes_wrong_answers_stay_right_and_writes_single(tmp_path, fault):
    for n in range(1, 100):
        keeper = Keeper(fault=lambda number, n=n: fault if number == n else None)
        async with hosts_at({"k": keeper}, tmp_path, entry={"call_timeout_s": 20}) as (host,):
            outcomes = await scenario(host, keeper)
            settled(host)
            if len(keeper.ran) < n:
                assert outcomes == ["right"] * 6
                break
            # At most the one, where that was a call of the host's and no guess.
            assert outcomes.count("error") <= 1, outcomes
            assert sum(ran.tool == "write" for ran in keeper.ran) <= 1
            await anyio.sleep(61)
            assert (await call(host, "visit", url="after"))["of"] == "after"
    assert n > 6, "every call of the scenario went wrong once"


@pytest.mark.parametrize("fault", [None, "cut"])
async def test_at_whichever_await_a_call_is_cancelled_nothing_is_left_of_it(tmp_path, fault):
    for n in range(60):
        keeper = Keeper(fault=lambda number: fault if number == 3 else None)
        async with hosts_at({"k": keeper}, tmp_path) as (host,):
            await call(host, "search", query="a")
            await anyio.sleep(1)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:

                    async def stop(scope=scope, n=n):
                        for _ in range(n):
                            await anyio.lowlevel.checkpoint()
                        scope.cancel()

                    tasks.start_soon(stop)
                    await quietly(host, "visit", url="a/0")
            await anyio.sleep(100)
            assert (await call(host, "visit", url="a/0"))["of"] == "a/0"
            await anyio.sleep(100)
            settled(host)
            assert not host.session.guesses._running


async def quietly(host, tool, **arguments):
    try:
        return await call(host, tool, **arguments)
    except MCPError:
        return None


# --- storms ---------------------------------------------------------------------------------------------------------


async def storm(host, chance, calls, tally):
    """Calls with a nonce each; three in ten are cancelled, at any await or after any time."""
    urls = []
    for _ in range(calls):
        nonce = f"n{chance.getrandbits(64):x}"
        tool = chance.choice(["search", "search", "write"] + ["visit"] * 4)
        given = {"query": nonce} if tool == "search" else {"url": urls.pop() if urls and tool == "visit" else nonce}
        tally["calls"] += 1
        with anyio.CancelScope() as scope:
            if chance.random() < 0.3:
                scope.deadline = anyio.current_time() + chance.choice([0.01, 0.5, 1, 1.999, 2])
            async with anyio.create_task_group() as tasks:
                if chance.random() < 0.3:

                    async def stop(scope=scope):
                        for _ in range(chance.randrange(40)):
                            await anyio.lowlevel.checkpoint()
                        scope.cancel()

                    tasks.start_soon(stop)
                found = await quietly(host, tool, **given)
                tasks.cancel_scope.cancel()
                if found is not None:
                    if tool == "search":
                        right = found["urls"] == [f"{nonce}/{n}" for n in range(3)]
                        urls = found["urls"][::-1]
                    else:
                        right = given["url"] in (found.get("of"), found.get("written"))
                    tally["wrong"] += not right
                    tally["answered"] += 1
        tally["cancelled"] += scope.cancelled_caught
        await anyio.sleep(chance.choice([0, 0.5, 2, 3]))


@marked(pytest.mark.soak, 1, 1_000)
async def test_in_a_storm_of_cancellations_every_answer_is_to_its_own_call(spell, tmp_path, most):
    tally = dict.fromkeys(("calls", "answered", "cancelled", "wrong", "guesses", "hits"), 0)
    for _ in spell.rounds(most):
        # Guesses under way are hit by the storm as well: that there are some is the point.
        async with hosts_at({"k": Keeper()}, tmp_path, count=3) as hosts:
            async with anyio.create_task_group() as tasks:
                for host in (*hosts, *hosts[1:], hosts[2]):  # one of them calls in turn, one twice, one thrice at once
                    tasks.start_soon(storm, host, random.Random(spell.random.random()), 40, tally)
            await anyio.sleep(200)
            for host in hosts:
                settled(host)
                assert not host.session.guesses._running
                tally["hits"] += host.session.engine.ledger.hits + host.session.engine.ledger.late_hits
                tally["guesses"] += host.session.engine.ledger.issued
    assert tally["wrong"] == 0
    assert tally["cancelled"] > tally["calls"] / 10
    assert tally["guesses"] > 10
    assert tally["hits"] > 0
    spell.tell(**tally)


# --- isolation ------------------------------------------------------------------------------------------------------


@marked(pytest.mark.soak, 1, 400)
async def test_no_session_is_ever_told_what_another_ones_server_said(spell, tmp_path, most):
    tally = dict.fromkeys(("calls", "foreign", "cancelled", "hits"), 0)
    small = most == 1
    for _ in spell.rounds(most):
        keeper = Keeper(slow_s=1.0)
        async with hosts_at({"k": keeper}, tmp_path, count=6 if small else 50) as hosts:
            names = set()

            async def ask(host, chance, names=names):
                own = (await call(host, "search", query="same"))["who"]
                names.add(own)
                for _ in range(10 if small else 40):
                    with anyio.CancelScope() as scope:
                        if chance.random() < 0.2:
                            scope.deadline = anyio.current_time() + chance.choice([0.001, 0.5, 1])
                        # The same tools with the same arguments for all.
                        tool, given = chance.choice(
                            [("search", {"query": "same"}), ("visit", {"url": "same/0"}), ("status", {})]
                        )
                        found = await quietly(host, tool, **given)
                        tally["calls"] += 1
                        tally["foreign"] += found is not None and found["who"] != own
                    tally["cancelled"] += scope.cancelled_caught
                    await anyio.sleep(chance.choice([0, 0.2, 1, 2]))

            async with anyio.create_task_group() as tasks:
                for host in hosts:
                    tasks.start_soon(ask, host, random.Random(spell.random.random()))
            assert len(names) == len(hosts)
            for host in hosts:
                tally["hits"] += host.session.engine.ledger.hits + host.session.engine.ledger.late_hits
    assert tally["foreign"] == 0
    assert tally["hits"] > 0
    spell.tell(**tally)


@marked(pytest.mark.soak, 1, 200)
async def test_what_one_server_says_reaches_no_other_unless_a_call_of_the_host_brought_it(spell, tmp_path, most):
    """Even where the host itself carried values across, again and again, so that it was learnt."""
    tally = {"canaries": 0, "carried": 0, "leaked": 0, "served_ahead": 0}
    for number in spell.rounds(most):
        one, other = Keeper("one"), Keeper("other")
        paste = {"learning": "on", "history": True, "default_patterns": True}
        async with hosts_at({"one": one, "other": other}, tmp_path / str(number), patterns=None, **paste) as (host,):
            carried = set()
            for n in range(25):
                canary = f"canary-{spell.random.getrandbits(64):016x}-{n}"
                urls = (await call(host, "one__search", query=canary))["urls"]
                await anyio.sleep(5)
                if n < 15 or spell.random.random() < 0.3:
                    carried.add(canary)
                    await call(host, "other__visit", url=urls[0])
                    await anyio.sleep(5)
                await call(host, "one__visit", url=urls[0])
                await anyio.sleep(5)
                tally["canaries"] += 1
                tally["leaked"] += canary not in carried and any(canary in text for text in other.received)
            tally["carried"] += len(carried)
            tally["served_ahead"] += host.session.engine.ledger.hits + host.session.engine.ledger.late_hits
    assert tally["leaked"] == 0
    assert tally["served_ahead"] > 0, "it did learn, of each server by itself"
    spell.tell(**tally)
