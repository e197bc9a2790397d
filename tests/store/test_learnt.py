"""The store of what was learnt: nothing is lost or counted twice, old things weigh less, and it stays small."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.sights import ColumnId
from paste_mcp.store import learnt
from paste_mcp.store.admission import Delta
from paste_mcp.store.learnt import HALF_LIFE_DAYS, LearntStore, StoreError

TODAY = 20_600
TOOL = "research\tvisit\tabcdef012345"
UNBOUND = "research\tvisit\t"


@pytest.fixture
def store(tmp_path):
    return LearntStore(tmp_path / "learnt" / "counts.sqlite")


def counted(*entries):
    counts = Counts()
    for group, item, amount in entries:
        counts.add(group, item, amount)
    return counts


def free(*entries):
    return Delta(free=counted(*entries))


def literal(*entries):
    return Delta(literals=counted(*entries))


def loaded(store, day=TODAY, *, literals=True):
    return {(group, item): amount for group, item, amount in store.load(day, literals=literals)}


TRIES = (("again",), "tries")
LINK = (("link", TOOL, "url"), (Origin("copy", ColumnId(TOOL, "$.results[*].url")), True))
RANK = (("rank", TOOL, "url", ColumnId(TOOL, "$.results[*].url")), (2, -1))
WORD = (("const", TOOL, "query"), '"hello"')


def test_what_was_added_is_there(store):
    store.add(free((*TRIES, 2.0), (*LINK, 1.0), (*RANK, 0.5)), TODAY)
    store.add(free((*TRIES, 1.0)), TODAY)
    assert loaded(store) == {TRIES: 3.0, LINK: 1.0, RANK: 0.5}


def test_nothing_is_made_before_something_is_added(store):
    assert loaded(store) == {}
    assert store.learnt_from() == {}
    assert len(store.bind({UNBOUND: TOOL}, TODAY, literals=True)) == 0
    assert not store.path.parent.exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_only_the_user_may_read_it(store):
    old = os.umask(0)
    try:
        store.add(free((*TRIES, 1.0)), TODAY)
        with sqlite3.connect(store.path) as held:  # so that the log is still there
            held.execute("SELECT count(*) FROM counts").fetchone()
            modes = {stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
            held.rollback()
        held.close()
    finally:
        os.umask(old)
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert modes == {0o600}


def test_texts_are_read_only_where_they_are_wanted(store):
    store.add(Delta(counted((*TRIES, 1.0)), counted((*WORD, 1.0))), TODAY)
    assert loaded(store, literals=False) == {TRIES: 1.0}
    assert loaded(store, literals=True) == {TRIES: 1.0, WORD: 1.0}


def test_a_text_that_a_schema_lists_needs_no_word_from_then_on(store):
    store.add(literal((*WORD, 1.0)), TODAY)
    store.add(free((*WORD, 1.0)), TODAY)
    assert loaded(store, literals=False) == {WORD: 2.0}


# --- time -----------------------------------------------------------------------------------------------------------


def test_an_amount_halves_in_a_half_life(store):
    store.add(free((*TRIES, 8.0)), TODAY)
    assert loaded(store, TODAY + 3 * int(HALF_LIFE_DAYS))[TRIES] == pytest.approx(1.0)


entries = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9), st.integers(0, 120)), min_size=1, max_size=6)


@settings(max_examples=12)  # each opens a file a dozen times
@given(entries, st.randoms(use_true_random=False))
def test_the_order_of_additions_does_not_matter(tmp_path_factory, added, chance):
    sums = []
    for _ in range(2):
        store = LearntStore(tmp_path_factory.mktemp("order") / "counts.sqlite")
        for name, amount, age in added:
            store.add(free((("again",), name, float(amount))), TODAY - age)
        sums.append(loaded(store))
        chance.shuffle(added)
    assert sums[0].keys() == sums[1].keys()
    assert all(isclose(sums[0][key], sums[1][key], rel_tol=1e-9) for key in sums[0])
    expected = sum(amount * 0.5 ** (age / HALF_LIFE_DAYS) for _, amount, age in added)
    assert sum(sums[0].values()) == pytest.approx(expected)


@pytest.mark.parametrize("day", [0, 10**9])
def test_a_clock_gone_astray_breaks_nothing(store, day):
    store.add(free((*TRIES, 1.0)), day)
    assert loaded(store, day)[TRIES] == pytest.approx(1.0)


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_the_least_go_when_there_are_too_many(store, monkeypatch):
    monkeypatch.setattr(learnt, "MAX_COUNTS", 20)
    store.add(free(*((("follow", f"s\tt{n}\t1"), TOOL, float(n)) for n in range(1, 31))), TODAY)
    kept = loaded(store)
    assert len(kept) <= 20
    assert min(kept.values()) > 10.0
    assert max(kept.values()) == pytest.approx(30.0)


def test_one_argument_keeps_few_texts(store, monkeypatch):
    monkeypatch.setattr(learnt, "MAX_LITERALS", 3)
    store.add(literal(*((("const", TOOL, "query"), f'"word {n}"', float(n)) for n in range(1, 9))), TODAY)
    assert sorted(loaded(store).values()) == pytest.approx([6.0, 7.0, 8.0])


def test_the_oldest_sessions_are_forgotten(store, monkeypatch):
    monkeypatch.setattr(learnt, "MAX_SESSIONS", 2)
    for age in range(4):
        store.add(Delta(), TODAY - age, {f"s{age}": 1})
    assert set(store.learnt_from()) == {"s0", "s1"}


def test_what_is_very_long_is_left_out(store):
    store.add(free((*TRIES, 1.0), (("form", TOOL), tuple(f"a{n}" for n in range(900)), 1.0)), TODAY)
    assert loaded(store) == {TRIES: 1.0}


def test_amounts_that_are_none_are_left_out(store):
    store.add(free((*TRIES, 1.0), (("again",), "hits", float("inf")), (("repeat", TOOL), "hits", float("nan"))), TODAY)
    assert loaded(store) == {TRIES: 1.0}


def test_no_secret_is_written_whoever_adds_it(store):
    token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
    store.add(Delta(*(counted((("const", TOOL, "q"), f'"{token}"', 1.0), (*TRIES, 1.0)) for _ in range(2))), TODAY)
    assert all(token.encode() not in path.read_bytes() for path in store.path.parent.iterdir())


# --- sessions and definitions ---------------------------------------------------------------------------------------


def test_sessions_are_remembered_with_how_much_was_learnt(store):
    store.add(Delta(), TODAY, {"a": 3, "b": 1})
    store.add(Delta(), TODAY, {"a": 5, "b": 1})
    store.add(Delta(), TODAY, {"a": 4})
    assert store.learnt_from() == {"a": 5, "b": 1}


def test_tools_without_a_definition_wait_until_it_is_known(store):
    other = "files\tread\t"
    store.add(free((("follow", UNBOUND, "ok"), UNBOUND, 2.0), (("follow", UNBOUND, "ok"), other, 1.0)), TODAY)
    assert loaded(store) == {}
    known = store.bind({UNBOUND: TOOL}, TODAY, literals=True)
    assert list(known) == [(("follow", TOOL, "ok"), TOOL, 2.0)]
    assert loaded(store) == {(("follow", TOOL, "ok"), TOOL): 2.0}
    known = store.bind({other: other + "ff"}, TODAY, literals=True)
    assert list(known) == [(("follow", TOOL, "ok"), other + "ff", 1.0)]


def test_what_is_bound_once_stays_with_that_definition(store):
    store.add(free((("again2", UNBOUND), "tries", 2.0)), TODAY)
    store.bind({UNBOUND: TOOL}, TODAY, literals=True)
    assert len(store.bind({UNBOUND: UNBOUND + "other"}, TODAY, literals=True)) == 0
    assert loaded(store) == {(("again2", TOOL), "tries"): 2.0}


def test_bound_counts_join_those_that_are_there(store):
    store.add(free((("repeat", UNBOUND), "tries", 2.0), (("repeat", TOOL), "tries", 1.0)), TODAY)
    store.bind({UNBOUND: TOOL}, TODAY, literals=True)
    assert loaded(store) == {(("repeat", TOOL), "tries"): 3.0}


# --- damage ---------------------------------------------------------------------------------------------------------


def damage_head(path):
    path.write_bytes(b"no database at all" * 100)


def damage_middle(path):
    data = bytearray(path.read_bytes())
    data[4096 : len(data)] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("damage", [damage_head, damage_middle, cut])
@pytest.mark.parametrize("first", ["load", "add"])
def test_a_damaged_file_is_put_aside_and_learning_starts_anew(store, damage, first, caplog):
    store.add(free(*((("follow", f"s\tt{n}\t1"), TOOL, 1.0) for n in range(300))), TODAY)
    damage(store.path)
    if first == "load":
        assert loaded(store) == {}
    store.add(free((*TRIES, 1.0)), TODAY)
    assert loaded(store) == {TRIES: 1.0}
    assert store.path.with_name("counts.sqlite.damaged").exists()
    assert len(caplog.messages) == 1
    assert "damaged" in caplog.messages[0]
    assert "learning starts anew" in caplog.messages[0]


def test_a_row_that_makes_no_sense_is_passed_over(store):
    store.add(free((*TRIES, 1.0), (*LINK, 1.0)), TODAY)
    with sqlite3.connect(store.path) as database:
        database.execute("UPDATE groups SET text = '{' WHERE text LIKE '%link%'")
    database.close()
    assert loaded(store) == {TRIES: 1.0}


def test_a_file_of_another_version_is_left_alone(store):
    store.add(free((*TRIES, 1.0)), TODAY)
    with sqlite3.connect(store.path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = store.path.read_bytes()
    with pytest.raises(StoreError, match=r"counts\.sqlite: .*another version"):
        store.add(free((*TRIES, 1.0)), TODAY)
    assert store.path.read_bytes() == before


def test_somebody_elses_database_is_left_alone(store):
    store.path.parent.mkdir()
    with sqlite3.connect(store.path) as database:
        database.execute("PRAGMA application_id = 7")
    database.close()
    with pytest.raises(StoreError, match="no file of paste-mcp's"):
        store.load(TODAY, literals=True)


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        LearntStore(tmp_path / "file" / "counts.sqlite").add(free((*TRIES, 1.0)), TODAY)
    assert "\n" not in str(caught.value)


def test_a_lock_that_is_not_given_up_is_said_and_nothing_is_put_aside(store, monkeypatch):
    monkeypatch.setattr(learnt, "BUSY_S", 0.01)
    store.add(free((*TRIES, 1.0)), TODAY)
    held = sqlite3.connect(store.path, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        store.add(free((*TRIES, 1.0)), TODAY)
    held.execute("ROLLBACK")
    held.close()
    assert loaded(store) == {TRIES: 1.0}


# --- several processes ----------------------------------------------------------------------------------------------

WRITER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from paste_mcp.core.prediction.learnt.counts import Counts
    from paste_mcp.store.admission import Delta
    from paste_mcp.store.learnt import LearntStore

    path, name, rounds, start = sys.argv[1:]
    store = LearntStore(Path(path))
    for n in range(int(start), int(start) + int(rounds)):
        counts = Counts()
        counts.add(("again",), "tries")
        counts.add(("follow", f"s\\tt{n % 50}\\t1", "ok"), f"s\\t{name}\\t1")
        store.add(Delta(free=counts), 20_600, {f"{name} {n}": 1})
        print(n, flush=True)
    """
)


def writer(store, name, rounds, start=0):
    command = [sys.executable, "-c", WRITER, str(store.path), name, str(rounds), str(start)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_add_up(store):
    both = [writer(store, name, 40) for name in ("one", "two")]
    assert [process.wait(60) for process in both] == [0, 0]
    for process in both:
        process.stdout.close()
    assert loaded(store)[TRIES] == pytest.approx(80.0)
    assert len(store.learnt_from()) == 80


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
def test_a_process_killed_at_any_moment_leaves_whole_additions(store):
    done = 0
    for attempt in range(5):
        process = writer(store, "it", 10_000, start=10_000 * attempt)
        for _ in range(2 + 3 * attempt):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        done += 2 + 3 * attempt + len(process.stdout.read().splitlines())
        process.wait(30)
        process.stdout.close()
        counts, sessions = loaded(store), store.learnt_from()
        # What was said to be done is there; of what was under way, all or nothing.
        assert done <= len(sessions) <= done + attempt + 1
        assert counts[TRIES] == pytest.approx(len(sessions))
        assert sum(amount for (group, _), amount in counts.items() if group[0] == "follow") == pytest.approx(
            len(sessions)
        )
    assert not store.path.with_name("counts.sqlite.damaged").exists()
