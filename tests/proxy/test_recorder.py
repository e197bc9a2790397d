"""Records of sessions: what is in them, what is not, and how much."""

import json
import os
import stat

import pytest

from paste_mcp.core.commands import Demand, Hit, Join, Miss
from paste_mcp.core.keys import call_key
from paste_mcp.core.model import Event, Payload, Prediction, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.speculation.journal import Issued, Settled, Withheld
from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.proxy import clock, recorder
from paste_mcp.proxy.recorder import Recorder, prune


@pytest.fixture(autouse=True)
def fixed_clock(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: 100.0)
    monkeypatch.setattr(clock, "wall", lambda: 1_000.0)


def note(record, arguments, result="secret result", values=None):
    demand = Demand(ToolCall("s", "t", arguments), None, 0, 90.0, True, Miss())
    record.call(demand, "miss", "ok", Payload(text=result), {"content": []}, 95.0, values or ValueIndex())


def lines(folder, name="a"):
    """What follows the opening line."""
    opening, *rest = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    assert opening["session"] == name and "opened" in opening
    return rest


def test_nothing_is_written_before_the_first_call(tmp_path):
    record = Recorder(tmp_path / "sessions", "derivations", "a")
    record.close(Ledger())
    assert list(tmp_path.iterdir()) == []


def test_by_default_no_value_is_kept_but_where_it_came_from(tmp_path):
    values = ValueIndex()
    before = Event(0, 0, ToolCall("s", "list", {}), "ok", Payload(document={"items": [{"id": "secret-id"}]}), 1.0)
    values.add(before)
    record = Recorder(tmp_path, "derivations", "a")
    note(record, {"id": "secret-id", "note": "secret note"}, values=values)
    record.close(Ledger(demand=1))
    call, summary = lines(tmp_path)
    assert "secret" not in (tmp_path / "a.jsonl").read_text()
    assert call["derivations"]["id"]["from"] == [{"call": 0, "in": "document", "steps": ["items", 0, "id"]}]
    assert call["derivations"]["note"]["from"] == []
    assert (call["started"], call["ended"], call["answered"]) == (990.0, 995.0, "miss")
    assert summary["summary"]["demand"] == 1


def test_member_names_that_may_be_data_are_masked(tmp_path):
    values = ValueIndex()
    values.add(Event(0, 0, ToolCall("s", "l", {}), "ok", Payload(document={"secret file.txt": ["v"]}), 1.0))
    record = Recorder(tmp_path, "derivations", "a")
    note(record, {"x": "v"}, values=values)
    assert "secret" not in (tmp_path / "a.jsonl").read_text()
    assert lines(tmp_path)[0]["derivations"]["x"]["from"][0]["steps"] == ["*", 0]


def test_equal_values_have_equal_digests_in_one_installation_and_others_in_another(tmp_path):
    digests = []
    for folder in ("one", "one", "two"):
        record = Recorder(tmp_path / folder, "derivations", f"s{len(digests)}")
        note(record, {"x": "v"})
        digests.append(lines(tmp_path / folder, f"s{len(digests)}")[0]["derivations"]["x"]["digest"])
    assert digests[0] == digests[1] != digests[2]


def test_full_records_hold_values(tmp_path):
    note(Recorder(tmp_path, "full", "a"), {"id": "secret-id"})
    call = lines(tmp_path)[0]
    assert (call["arguments"], call["result"]) == ({"id": "secret-id"}, "secret result")


def test_the_sums_are_the_last_line(tmp_path):
    record = Recorder(tmp_path, "derivations", "a")
    note(record, {})
    record.close(Ledger())
    note(record, {})
    assert [sorted(line)[-1] for line in lines(tmp_path)] == ["turn", "summary"]
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["a.jsonl"]


def test_off_writes_nothing(tmp_path):
    record = Recorder(tmp_path, "off", "a")
    note(record, {})
    record.close(Ledger())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_only_the_user_may_read_records(tmp_path):
    folder = tmp_path / "sessions"
    old = os.umask(0)
    try:
        note(Recorder(folder, "derivations", "a"), {})
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_long_session_goes_on_in_further_files(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "MAX_FILE_BYTES", 1_000)
    record = Recorder(tmp_path, "derivations", "a")
    for _ in range(20):
        note(record, {"x": 1})
    record.close(Ledger())
    files = sorted(tmp_path.glob("*.jsonl"))
    assert len(files) > 2
    assert sum(len(file.read_text().splitlines()) for file in files) == 22
    assert max(file.stat().st_size for file in files) < 2_000


def test_the_oldest_records_go_when_there_is_too_much(tmp_path):
    for age in range(5):
        path = tmp_path / f"{age}.jsonl"
        path.write_bytes(b"x" * 100)
        os.utime(path, (1_000 - age, 1_000 - age))
    prune(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.jsonl", "1.jsonl"]


def test_a_disk_that_fails_costs_the_record_and_nothing_else(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    record = Recorder(tmp_path / "file" / "sessions", "derivations", "a")
    note(record, {})
    note(record, {})
    record.close(Ledger())
    assert [message for message in caplog.messages if "recording stopped" in message] == caplog.messages
    assert len(caplog.messages) == 1


CALL = ToolCall("s", "t", {"id": "secret-id"})
KEY = call_key(CALL, "d")
GUESS = Prediction(CALL, 0.5, "a > t")


def test_a_guess_is_written_down_when_it_is_sent_and_when_it_ends_without_its_values(tmp_path):
    record = Recorder(tmp_path, "derivations", "a")
    note(record, {})
    record.note(Issued(7, KEY, GUESS), 100.0)
    record.flush()
    assert lines(tmp_path)[1] == {
        "session": "a", "guess": 7, "issued": 1000.0, "server": "s", "tool": "t", "pattern": "a > t", "probability": 0.5
    }  # fmt: skip
    record.note(Settled(7, "unused", 60.0, 62.5, 0.0, 2.5), 100.0)
    record.flush()
    end = lines(tmp_path)[2]
    assert (end["guess"], end["state"], end["began"], end["ended"], end["settled"]) == (7, "unused", 960, 962.5, 1000)
    assert end["wasted_s"] == 2.5
    assert "secret" not in (tmp_path / "a.jsonl").read_text()


def test_a_call_says_which_guess_answered_it_and_what_that_spared(tmp_path):
    record = Recorder(tmp_path, "derivations", "a")
    record.note(Settled(7, "hit", 60.0, 62.5, 2.5), 100.0)
    demand = Demand(CALL, KEY, 0, 90.0, True, Hit(7, {}), eligible=True)
    record.call(demand, "hit", "ok", Payload(), {}, 95.0, ValueIndex())
    call = lines(tmp_path)[0]
    assert (call["guess"], call["hidden_s"], call["eligible"]) == (7, 2.5, True)


def test_a_joined_guess_that_failed_helped_nobody(tmp_path):
    record = Recorder(tmp_path, "derivations", "a")
    record.call(Demand(CALL, KEY, 0, 90.0, True, Join(7)), "miss", "ok", Payload(), {}, 95.0, ValueIndex())
    assert "guess" not in lines(tmp_path)[0]


def test_what_was_foreseen_and_not_sent_is_summed_up_by_reason(tmp_path):
    record = Recorder(tmp_path, "derivations", "a")
    note(record, {})
    for _ in range(3):
        record.note(Withheld(GUESS, "not worth it"), 100.0)
    record.flush()
    assert lines(tmp_path)[1]["withheld"] == [["s", "t", "a > t", "not worth it", 3]]


def test_what_happens_before_the_first_call_is_written_with_it(tmp_path):
    record = Recorder(tmp_path / "sessions", "derivations", "a")
    record.server("s", up=True)
    record.flush()
    assert list(tmp_path.iterdir()) == []
    note(record, {})
    record.flush()
    assert lines(tmp_path / "sessions")[1] == {"session": "a", "server": "s", "up": True, "at": 1000.0}
