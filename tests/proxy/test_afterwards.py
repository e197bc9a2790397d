"""What follows from calls: in a lull, never before, and for all of them while there are not too many."""

from contextlib import asynccontextmanager

import anyio
import pytest

from paste_mcp.core.engine import Demand, Miss
from paste_mcp.core.model import ToolCall
from paste_mcp.proxy import afterwards
from paste_mcp.proxy.afterwards import Afterwards, Returned

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def lulls(no_lulls, monkeypatch):
    monkeypatch.setattr(afterwards, "LULL_S", 0.005)


class Diary:
    """Engine, recorder and guesses in one: it notes what is done, and when."""

    values = None

    def __init__(self):
        self.done = []

    def note(self, what):
        self.done.append((what, round(anyio.current_time() - self.began, 6)))

    def flush(self):
        pass

    def call(self, demand, *_):
        self.note(f"record {demand.turn}")

    def observe(self, demand, *_):
        self.note(f"observe {demand.turn}")

    def overlook(self):
        self.note("overlook")

    def think(self, now):
        self.note("think")

    def launch(self, now):
        return []

    def start(self, launches):
        pass


def returned(number):
    demand = Demand(ToolCall("s", "t", {}), None, number, 0.0, True, Miss())
    return Returned(demand, "miss", "ok", {"content": []}, 0.0)


@asynccontextmanager
async def working():
    diary = Diary()
    diary.began = anyio.current_time()
    after = Afterwards(diary, diary, diary)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(after.run)
        yield after, diary
        tasks.cancel_scope.cancel()


async def test_nothing_is_done_while_calls_follow_each_other_and_all_in_order_once_they_pause():
    async with working() as (after, diary):
        for number in range(3):
            after.add(returned(number))
            await anyio.sleep(0.004)
        assert diary.done == []
        await anyio.sleep(1)
    steps = [f"{step} {number}" for number in range(3) for step in ("record", "observe")]
    assert [what for what, _ in diary.done] == [*steps, "think"]
    assert {when for _, when in diary.done} == {0.015}


async def test_a_call_that_returns_while_others_are_dealt_with_is_waited_for():
    async with working() as (after, diary):
        for number in range(3):
            after.add(returned(number))
        observe = diary.observe

        def interrupted(demand, *_):
            observe(demand)
            if demand.turn == 0:
                after.add(returned(3))

        diary.observe = interrupted
        await anyio.sleep(1)
    whens = dict(diary.done)
    assert whens["observe 0"] == 0.005
    assert whens["observe 1"] == whens["observe 3"] == whens["think"] == 0.01


async def test_of_too_many_the_oldest_are_overlooked_and_counted(monkeypatch):
    monkeypatch.setattr(afterwards, "MAX_WAITING", 4)
    async with working() as (after, diary):
        for number in range(6):
            after.add(returned(number))
        await anyio.sleep(1)
    assert [what for what, _ in diary.done if "record" not in what] == [
        "overlook",
        "overlook",
        *(f"observe {number}" for number in (2, 3, 4, 5)),
        "think",
    ]


async def test_at_the_end_all_that_wait_are_recorded_and_nothing_is_foreseen():
    async with working() as (after, diary):
        after.add(returned(0))
        after.add(returned(1))
        after.finish()
        assert [what for what, _ in diary.done] == ["record 0", "observe 0", "record 1", "observe 1"]


async def test_one_lull_after_the_other():
    async with working() as (after, diary):
        for number in range(3):
            after.add(returned(number))
            await anyio.sleep(1)
    assert [what for what, _ in diary.done if what == "think"] == ["think"] * 3
