"""Learning from logs: each call once, whatever is read again, and nothing that no proxy could see."""

import json

import pytest
from history_samples import Claude, Codex, claude_session, results_of, said, use, write_lines

from paste_mcp.store.history.logs import CLAUDE, CODEX, RECORD, TRACE, Log, kind_of, logs_at, own_logs
from paste_mcp.store.learnt import LearntStore
from paste_mcp.store.mining import Miner
from paste_mcp.store.traces import TraceError

TODAY = 20_513
"""The day of the sample sessions."""
SEARCH, VISIT = "research\tsearch\t", "research\tvisit\t"


@pytest.fixture
def store(tmp_path):
    return LearntStore(tmp_path / "state" / "learnt" / "counts.sqlite")


def learn(store, *paths, history=False, day=TODAY):
    """How many new calls each session brought, and all that was learnt."""
    miner = Miner(store, day, history=history)
    new = [miner.learn(past) for path in paths for past in Log(path).read()]
    miner.write()
    return new, {(group, item): amount for group, item, amount in miner.counts}


def test_what_followed_what_is_learnt_without_the_hosts_own_tools(tmp_path, store):
    new, counts = learn(store, write_lines(tmp_path / "a.jsonl", claude_session()))
    assert new == [3]
    assert counts[("follow", SEARCH, "ok"), VISIT] == 1.0
    assert not any("Read" in str(key) for key in counts)
    places = {item[0].of.place for (group, item), _ in counts.items() if group[:2] == ("link", VISIT)}
    assert "$.results[*].url" in places


def test_reading_a_log_again_teaches_nothing_new(tmp_path, store):
    path = write_lines(tmp_path / "a.jsonl", claude_session())
    first = learn(store, path)
    again = learn(store, path)
    assert (first[0], again[0]) == ([3], [0])
    assert first[1] == again[1]
    bound = store.bind({SEARCH: SEARCH + "1", VISIT: VISIT + "2"}, TODAY, literals=True)
    assert bound.of(("follow", SEARCH + "1", "ok"))[VISIT + "2"] == 1.0


def test_of_a_log_that_grew_only_the_rest_is_learnt(tmp_path, store):
    lines = claude_session()
    split = len(lines) - 4
    path = write_lines(tmp_path / "a.jsonl", lines[:split])
    assert learn(store, path)[0] == [1]
    assert learn(store, write_lines(path, lines))[0] == [2]
    whole = LearntStore(tmp_path / "whole" / "counts.sqlite")
    learn(whole, path)
    names = {SEARCH: SEARCH + "1", VISIT: VISIT + "2"}
    assert sorted(map(str, store.bind(names, TODAY, literals=True))) == sorted(
        map(str, whole.bind(names, TODAY, literals=True))
    )


def test_a_conversation_copied_when_it_was_resumed_counts_once(tmp_path, store):
    one = write_lines(tmp_path / "a.jsonl", claude_session())
    copy = write_lines(tmp_path / "b.jsonl", claude_session(session="resumed"))
    assert learn(store, one, copy)[0] == [3, 0]


def test_old_sessions_weigh_less(tmp_path, store):
    learn(store, write_lines(tmp_path / "a.jsonl", claude_session()), day=TODAY + 60)
    bound = store.bind({SEARCH: SEARCH + "1", VISIT: VISIT + "2"}, TODAY + 60, literals=True)
    assert bound.of(("follow", SEARCH + "1", "ok"))[VISIT + "2"] == pytest.approx(0.25)


def test_a_session_from_the_future_counts_as_of_today(tmp_path, store):
    learn(store, write_lines(tmp_path / "a.jsonl", claude_session()), day=20_000)
    bound = store.bind({SEARCH: SEARCH + "1", VISIT: VISIT + "2"}, 20_000, literals=True)
    assert bound.of(("follow", SEARCH + "1", "ok"))[VISIT + "2"] == pytest.approx(1.0)


def test_calls_through_this_proxy_were_learnt_then(tmp_path, store):
    talk = Claude().says("m1", use("toolu_000000001", "mcp__paste__notes__search", q="x")).hears("toolu_000000001", "y")
    talk.says("m2", use("toolu_000000002", "mcp__notes__open", id=7)).hears("toolu_000000002", "z")
    new, counts = learn(store, write_lines(tmp_path / "a.jsonl", talk.lines))
    assert new == [1]
    assert (("form", "notes\topen\t"), ("id",)) in counts


def test_texts_are_learnt_only_with_the_users_word(tmp_path, store):
    path = write_lines(tmp_path / "a.jsonl", claude_session(topic="elderflower"))
    assert "elderflower" not in str(learn(None, path)[1])
    assert "elderflower" in str(learn(None, path, history=True)[1])


SECRETS = {
    "token": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "query": "password=hunter2-canary",
    "password": "canary-by-its-name",
    "header": "Bearer canary.abcdef0123",
    "url": "https://ada:canary-pass@db.example/x",
    "card": "4111 1111 1111 1111",
    "id": "sk-ant-api03-canarycanary",
    "key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "login": {"user": "ada", "secret": "canary-in-an-object"},
    "list": ["AKIAIOSFODNN7EXAMPLE"],
}


def test_no_secret_reaches_the_disk_even_with_the_users_word(tmp_path, store):
    talk = Claude()
    for n in range(8):
        id = f"toolu_{n:09}"
        talk.says(f"m{n}", use(id, "mcp__a__get", **SECRETS, word=f"plain word {n % 2}"))
        result = {"held": {SECRETS["token"]: 1}, "text": f"token: {SECRETS['token']}", **SECRETS}
        talk.hears(id, [said(json.dumps(result))])
    _, counts = learn(store, write_lines(tmp_path / "a.jsonl", talk.lines), history=True)
    assert '"plain word 1"' in {item for _, item in counts}
    canaries = [
        "16C7e42F292c", "hunter2", "canary", "4111 1111", "wJalrXUtnFEMI", "AKIAIOSFODNN7",
    ]  # fmt: skip
    for path in store.path.parent.iterdir():
        data = path.read_bytes()
        assert [canary for canary in canaries if canary.encode() in data] == []
    assert b"plain word 1" in store.path.read_bytes()


def test_an_interrupted_run_has_learnt_what_came_before(tmp_path, store, monkeypatch):
    monkeypatch.setattr("paste_mcp.store.mining.AT_ONCE", 3)
    miner = Miner(store, TODAY, history=False)
    for path in (
        write_lines(tmp_path / "a.jsonl", claude_session()),
        write_lines(tmp_path / "b.jsonl", Codex().calls("call_12345678", "mcp__a__b").gets("call_12345678", "x").lines),
    ):
        for past in Log(path).read():
            miner.learn(past)
    assert list(store.learnt_from().values()) == [3]


# --- finding logs and telling them apart ----------------------------------------------------------------------------

TRACED = {"session": "s", "calls": [{"tool": "research/search", "arguments": {}, "result": "x", "turn": 0}]}
RECORDED = {"session": "abc", "n": 0, "turn": 0, "server": "a", "tool": "b", "status": "ok", "derivations": {}}


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (claude_session(), CLAUDE),
        (["", "not JSON", "[1]", *claude_session()], CLAUDE),
        (Codex().calls("c", "x").lines, CODEX),
        ([TRACED], TRACE),
        ([RECORDED], RECORD),
    ],
)
def test_a_format_is_told_by_the_content_whatever_the_name(tmp_path, lines, kind):
    assert kind_of(write_lines(tmp_path / "whatever.txt", lines)) == kind


@pytest.mark.parametrize("lines", [[], ["hello"], [{"type": "user", "text": "hello"}], [{"a": 1}]])
def test_what_is_no_log_is_said_in_one_line(tmp_path, lines):
    with pytest.raises(TraceError, match=r"x\.jsonl: no sessions in a known format; give"):
        list(Log(write_lines(tmp_path / "x.jsonl", lines)).read())


def test_broken_lines_are_counted_and_the_rest_is_read(tmp_path):
    lines = claude_session()
    log = Log(
        write_lines(tmp_path / "a.jsonl", [*lines[:5], "{broken", "[]", *lines[5:], '{"type": "assistant", "mess'])
    )
    (past,) = log.read()
    assert (len(past.session.calls), log.skipped) == (4, 3)


def test_the_users_logs_are_found_where_their_programs_keep_them(tmp_path):
    home, state = tmp_path / "home", tmp_path / "state"
    write_lines(home / ".claude/projects/-home-ada/one.jsonl", claude_session())
    write_lines(home / ".claude/projects/-home-ada/one/subagents/agent-a1.jsonl", Claude(agent="a1").lines)
    (home / ".claude/projects/-home-ada/one.txt").write_text("no log")
    write_lines(home / ".codex/sessions/2026/03/02/rollout-x.jsonl", Codex().lines)
    write_lines(home / ".codex/archived_sessions/rollout-y.jsonl", Codex().lines)
    write_lines(state / "sessions/abc.jsonl", [RECORDED])
    write_lines(state / "sessions/abc.1.jsonl", [RECORDED | {"n": 1}])
    (state / "sessions/key").write_bytes(b"k")
    found = own_logs(state, {}, home)
    assert {kind: len(logs) for kind, logs in found.items()} == {RECORD: 1, CLAUDE: 2, CODEX: 2}
    elsewhere = {"CLAUDE_CONFIG_DIR": str(tmp_path / "c"), "CODEX_HOME": str(tmp_path / "d")}
    assert {kind: len(logs) for kind, logs in own_logs(state, elsewhere, home).items()} == {
        RECORD: 1,
        CLAUDE: 0,
        CODEX: 0,
    }


def test_a_record_in_parts_is_one_session(tmp_path, store):
    write_lines(tmp_path / "abc.jsonl", [RECORDED, RECORDED | {"n": 1, "turn": 1}])
    write_lines(tmp_path / "abc.1.jsonl", [RECORDED | {"n": 2, "turn": 2}])
    write_lines(tmp_path / "abc.2.jsonl", [{"session": "abc", "summary": {}}])
    (log,) = logs_at([tmp_path])
    (past,) = log.read()
    assert [call.turn for call in past.session.calls] == [0, 1, 2]


def test_a_trace_is_learnt_from_as_any_other_log(tmp_path, store):
    calls = [
        {
            "tool": "research/search",
            "arguments": {"q": "x"},
            "result": results_of("x", "u1", "u2")[0]["text"],
            "turn": 0,
        },
        {"tool": "research/visit", "arguments": {"url": "u1"}, "result": "page", "turn": 1},
    ]
    path = write_lines(tmp_path / "t.jsonl", [{"session": "s1", "calls": calls}, {"session": "s2", "calls": calls}])
    new, counts = learn(store, path)
    assert new == [2, 2]
    assert counts[("follow", SEARCH, "ok"), VISIT] == 2.0
    assert learn(store, path)[0] == [0, 0]
