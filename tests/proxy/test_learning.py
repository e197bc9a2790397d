"""What a proxy learns while it serves is kept, and is what mining its records gives."""

import anyio
import pytest
from proxy_harness import World, proxied

from paste_mcp.proxy import clock, learning
from paste_mcp.store.history.logs import Log
from paste_mcp.store.learnt import LearntStore
from paste_mcp.store.mining import Miner
from paste_mcp.store.state import learnt_store

pytestmark = pytest.mark.anyio
TODAY = 20_600


@pytest.fixture
def anyio_backend():
    """Real time: files are written in threads, which a simulated clock knows nothing of."""
    return "asyncio"


@pytest.fixture(autouse=True)
def one_day(monkeypatch):
    monkeypatch.setattr(clock, "wall", lambda: TODAY * 86_400.0 + 60.0)


async def session(state, **paste):
    """Searches, visits of their results, a write, and the same again."""
    more = {"learning": "on", **paste}
    async with proxied({"world": World(slow_s=0)}, state, more=more) as host:
        for query in ("tea", "milk"):
            await host.call("search", query=query, limit=3)
            await host.call("visit", url=f"{query}1", deep=True)
            await host.call("visit", url=f"{query}3", deep=True)
            await host.call("write", text="note")
            await host.call("status")


def kept(state, *, literals=True):
    found = learnt_store(state).load(TODAY, literals=literals)
    return {(group, item): round(amount, 6) for group, item, amount in found}


def mined(state, folder, *, history=True):
    store = LearntStore(folder / "mined" / "counts.sqlite")
    miner = Miner(store, TODAY, history=history)
    for record in (state / "sessions").glob("*.jsonl"):
        for past in Log(record).read():
            assert miner.learn(past) == 10
    miner.write()
    found = store.load(TODAY, literals=True)
    return {(group, item): round(amount, 6) for group, item, amount in found}


def of(counts, *heads):
    return {key: amount for key, amount in counts.items() if key[0][0] in heads}


async def test_mining_a_full_record_gives_what_was_learnt_online(tmp_path):
    await session(tmp_path, record="full", history=True)
    online = kept(tmp_path)
    assert len(of(online, "follow")) > 5
    assert '"milk1"' in {item for _, item in of(online, "const")}
    assert mined(tmp_path, tmp_path) == online


async def test_without_the_users_word_no_text_is_kept_either_way(tmp_path):
    await session(tmp_path, record="full")
    online = kept(tmp_path)
    assert "tea" not in str(online)
    assert {item for _, item in of(online, "const")} == {"", "3", "true"}
    assert mined(tmp_path, tmp_path, history=False) == online


async def test_mining_derivations_gives_what_followed_what_and_where_arguments_came_from(tmp_path):
    await session(tmp_path, record="derivations")
    online, from_record = kept(tmp_path), mined(tmp_path, tmp_path)
    exact = ("follow", "again", "form", "repeat", "same")
    assert of(from_record, *exact) == of(online, *exact)
    links = {key: amount for key, amount in of(online, "link").items() if key[1][0].kind == "copy"}
    assert links
    assert of(from_record, "link", "rank") == {**links, **of(online, "rank")}
    assert {item for _, item in of(from_record, "const")} == {"", "3", "true"}
    assert not of(from_record, "shape")


async def test_a_session_that_was_learnt_online_is_not_mined_again(tmp_path):
    await session(tmp_path, record="full")
    (record,) = (tmp_path / "sessions").glob("*.jsonl")
    miner = Miner(learnt_store(tmp_path), TODAY, history=False)
    assert [miner.learn(past) for past in Log(record).read()] == [0]


async def test_two_sessions_add_up_and_the_next_proxy_starts_with_both(tmp_path, monkeypatch):
    for _ in range(2):
        await session(tmp_path)
    (tries,) = of(kept(tmp_path), "again").keys() & {(("again",), "tries")}
    assert kept(tmp_path)[tries] == pytest.approx(18.0)
    taken_over = anyio.Event()
    remember = learning.Learning._remember

    async def noted(self, counts):
        await remember(self, counts)
        taken_over.set()

    monkeypatch.setattr(learning.Learning, "_remember", noted)
    async with proxied({"world": World(slow_s=0)}, tmp_path, more={"learning": "on"}):
        with anyio.fail_after(10):
            await taken_over.wait()


async def test_what_was_mined_from_a_log_is_bound_to_the_tools_once_they_are_listed(tmp_path):
    await session(tmp_path / "first", record="full")
    (record,) = (tmp_path / "first" / "sessions").glob("*.jsonl")
    text = record.read_text()
    (past,) = Log(record).read()
    stripped = tmp_path / "log.jsonl"
    for definition in set(past.definitions.values()):
        text = text.replace(definition, "")
    stripped.write_text(text.replace('"session":"', '"session":"x'))
    miner = Miner(learnt_store(tmp_path), TODAY, history=False)
    assert [miner.learn(past) for past in Log(stripped).read()] == [10]
    miner.write()
    assert of(kept(tmp_path), "follow").keys() == {(("follow",), "")}
    async with proxied({"world": World(slow_s=0)}, tmp_path, more={"learning": "on"}):
        with anyio.fail_after(10):
            while kept(tmp_path) != kept(tmp_path / "first"):  # noqa: ASYNC110 - a file sets no event
                await anyio.sleep(0.01)
    await session(tmp_path)
    assert kept(tmp_path) == {key: 2 * amount for key, amount in kept(tmp_path / "first").items()}


@pytest.mark.parametrize("paste", [{"learning": "off"}, {"speculation": "off"}])
async def test_nothing_is_learnt_where_learning_or_speculation_is_off(tmp_path, paste):
    await session(tmp_path, **paste)
    assert not (tmp_path / "learnt").exists()


async def test_what_is_learnt_is_written_while_the_proxy_serves(tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "FLUSH_S", 0.0)
    async with proxied({"world": World(slow_s=0)}, tmp_path, more={"learning": "on"}) as host:
        await host.call("search", query="tea")
        await host.call("visit", url="tea1")
        await host.call("status")
        with anyio.fail_after(10):
            while not of(kept(tmp_path), "follow"):  # noqa: ASYNC110 - a file sets no event
                await anyio.sleep(0.01)


async def test_a_store_that_cannot_be_used_costs_one_warning_and_no_call(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(learning, "FLUSH_S", 0.0)
    (tmp_path / "learnt").write_text("a file where the folder should be")
    await session(tmp_path)
    assert len([message for message in caplog.messages if "what is learnt is not kept" in message]) == 1
