"""The audit log against the server's own: one line for every execution, and by whom."""

import json
import random
from collections import Counter

import anyio
import pytest
from proxy_harness import World, proxied

pytestmark = pytest.mark.anyio


def lines(state):
    return [json.loads(line) for path in sorted((state / "audit").glob("*")) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("seed", range(3))
async def test_every_execution_has_one_line_and_every_early_call_an_end(tmp_path, seed):
    world, chance = World(slow_s=3.0), random.Random(seed)
    async with proxied({"w": world}, tmp_path, more={"verify": 1.0}) as running:
        for n in range(25):
            word = f"city{n % 4}-"
            match chance.randrange(4):
                case 0:
                    await running.call("write")
                case 1:
                    with anyio.move_on_after(1.0):
                        await running.call("visit", url=f"{word}{n}")
                case _:
                    await running.call("search", query=word)
                    await anyio.sleep(chance.choice([0.1, 2.0, 5.0, 40.0]))
                    await running.call("visit", url=f"{word}{chance.choice([1, 1, 2, 9])}")
        ledger = running.ledger
    told = lines(tmp_path)
    kinds = Counter(line["kind"] for line in told)
    executed = Counter(execution.tool for execution in world.log)
    assert Counter(line["tool"] for line in told if line["kind"] in ("demand", "speculation")) == executed
    assert kinds["speculation"] == ledger.issued + sum(line.get("row") == "verify" for line in told)
    assert kinds["served"] == ledger.useful
    assert kinds["served"] > 0
    assert kinds["demand"] == len(world.log) - kinds["speculation"]
    guesses = [line["guess"] for line in told if line["kind"] == "speculation" and line["row"] != "verify"]
    ended = [line["guess"] for line in told if line["kind"] in ("served", "settled")]
    assert sorted(guesses) == sorted(ended)
    assert all(line["pattern"] and line["after"] for line in told if line["kind"] == "speculation")


async def test_with_no_session_to_speculate_in_every_call_is_still_a_line(tmp_path):
    world = World(slow_s=1.0)
    async with proxied({"w": world}, tmp_path, speculation="off") as running:
        await running.call("visit", url="a")
        await running.call("write")
    assert [(line["kind"], line["tool"], line["outcome"]) for line in lines(tmp_path)] == [
        ("demand", "visit", "ok"),
        ("demand", "write", "ok"),
    ]


async def test_where_the_log_cannot_be_written_the_agents_calls_go_on_and_none_is_made_early(tmp_path):
    (tmp_path / "audit").write_text("")
    world = World(slow_s=1.0)
    async with proxied({"w": world}, tmp_path) as running:
        await running.call("search", query="x")
        await anyio.sleep(10)
        assert (await running.call("visit", url="x1"))["of"] == "x1"
        assert running.ledger.failed > 0
    assert len(world.executed("visit")) == 1
