"""The audit log's file: who may read it, what it holds, its bounds, and what happens where it cannot be written."""

import json
import stat

import pytest

from paste_mcp.core.commands import Launch
from paste_mcp.core.model import ToolCall
from paste_mcp.core.speculation.journal import Settled
from paste_mcp.store import audit
from paste_mcp.store.audit import AuditLog

SECRET = ToolCall("w", "visit", {"token": "s3cret-value", "url": "https://example.com"})


def log(state, wall=lambda: 1_000.0):
    return AuditLog(state / "audit", state / "sessions" / "key", wall)


def lines(state):
    return [json.loads(line) for path in sorted((state / "audit").glob("*")) for line in path.read_text().splitlines()]


def test_lines_tell_kinds_apart_and_no_values(tmp_path):
    made = log(tmp_path)
    session = made.session("s1")
    session.demand(SECRET, "ok")
    assert session.speculation(Launch(1, SECRET, "mine", "annotated"))
    session.served(1, SECRET, "hit")
    session.heard(Settled(2, "stale", 0.0, None))
    session.heard(Settled(3, "hit", 0.0, None))
    session.heard(Settled(4, "unused", 0.0, None, shadow=True))
    made.close()
    demand, speculation, served, settled = lines(tmp_path)
    common = {"at": 1000.0, "session": "s1"}
    digest = demand["arguments"]
    call = common | {"server": "w", "tool": "visit", "arguments": digest}
    assert len(digest) == 16
    assert demand == call | {"kind": "demand", "n": 1, "outcome": "ok"}
    assert speculation == call | {"kind": "speculation", "guess": 1, "pattern": "mine", "row": "annotated", "after": 1}
    assert served == call | {"kind": "served", "guess": 1, "outcome": "hit"}
    assert settled == common | {"kind": "settled", "guess": 2, "outcome": "stale"}
    text = "".join(path.read_text() for path in (tmp_path / "audit").iterdir())
    assert "s3cret" not in text and "example.com" not in text


def test_only_the_user_may_read_it(tmp_path):
    made = log(tmp_path)
    made.session("s").demand(SECRET, "ok")
    made.close()
    [path] = (tmp_path / "audit").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700


def test_an_early_call_is_written_before_it_is_made_and_what_came_before_it_too(tmp_path):
    made = log(tmp_path)
    session = made.session("s")
    session.demand(SECRET, "ok")
    assert not (tmp_path / "audit").exists()
    session.speculation(Launch(1, SECRET))
    assert [line["kind"] for line in lines(tmp_path)] == ["demand", "speculation"]


def test_where_nothing_can_be_written_no_early_call_is_made(tmp_path, caplog):
    (tmp_path / "audit").write_text("a file where the folder should be")
    made = log(tmp_path)
    session = made.session("s")
    for n in range(3):
        assert session.speculation(Launch(n, SECRET)) is False
    assert len(caplog.records) == 1
    (tmp_path / "audit").unlink()
    assert session.speculation(Launch(9, SECRET)) is True
    assert len(lines(tmp_path)) == 4


def test_switched_off_it_writes_nothing_and_holds_nothing_up(tmp_path):
    made = log(tmp_path, None)
    session = made.session("s")
    session.demand(SECRET, "ok")
    assert session.speculation(Launch(1, SECRET)) is True
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_files_are_bounded_and_the_oldest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(audit, "MAX_FILE_BYTES", 1_000)
    monkeypatch.setattr(audit, "MAX_TOTAL_BYTES", 3_000)
    now = iter(range(1_000, 10_000))
    made = log(tmp_path, lambda: float(next(now)))
    session = made.session("s")
    for n in range(100):
        session.speculation(Launch(n, SECRET))
    made.close()
    sizes = [path.stat().st_size for path in (tmp_path / "audit").iterdir()]
    assert len(sizes) > 1
    assert max(sizes) < 1_300
    assert sum(sizes) < 3_000 + 1_300
    kept = [line["guess"] for line in lines(tmp_path)]
    assert kept == list(range(kept[0], 100))


def test_no_more_waits_than_there_is_room_for(tmp_path):
    made = log(tmp_path)
    session = made.session("s")
    for _ in range(audit.MAX_WAITING + 1):
        session.demand(SECRET, "ok")
    assert len(lines(tmp_path)) == audit.MAX_WAITING + 1


@pytest.mark.parametrize("value", [float("nan"), {1: 2}])
def test_arguments_without_one_reading_have_no_digest(tmp_path, value):
    made = log(tmp_path)
    made.session("s").demand(ToolCall("w", "visit", {"x": value}), "ok")
    made.close()
    assert lines(tmp_path)[0]["arguments"] is None
