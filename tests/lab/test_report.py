"""Looking back: what records tell, what was saved, what could have been, and what that would come to."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
from typer.testing import CliRunner

from paste_mcp.cli import app
from paste_mcp.core.speculation.settings import Limits
from paste_mcp.lab.report.arms import compare
from paste_mcp.lab.report.gather import gather
from paste_mcp.lab.report.page import page
from paste_mcp.lab.report.rows import rows_by, total
from paste_mcp.lab.report.savings import Assumptions, Day, estimate
from paste_mcp.lab.report.timeline import timeline
from paste_mcp.lab.report.waiting import oracle_helps_s, turns_of, waiting_of
from paste_mcp.store.sessions import Call, Session, SessionStore, read_session

T0 = 1_790_000_000.0


def call_line(n, began, ended, answered="miss", tool="get", **more):
    return {"session": "a", "n": n, "turn": n, "server": "s", "tool": tool, "started": T0 + began, "ended": T0 + ended,
            "answered": answered, "read_only": True, "eligible": True, "status": "ok", **more}  # fmt: skip


def issued(id, at, tool="get", **more):
    return {"session": "a", "guess": id, "issued": T0 + at, "server": "s", "tool": tool, "pattern": f"then-{tool}",
            "probability": 0.5, **more}  # fmt: skip


def settled(id, state, began, ended, **more):
    return {"session": "a", "guess": id, "state": state, "began": T0 + began, "ended": T0 + ended,
            "settled": T0 + ended, **more}  # fmt: skip


OPENED = {"session": "a", "opened": T0, "modes": {"s": "annotated"}, "limits": {"per_server": 1, "per_trigger": 3}}
SENT = [
    OPENED,
    call_line(0, 1, 3, tool="list"),
    issued(1, 3),
    issued(2, 3, tool="look"),
    {"session": "a", "withheld": [["s", "get", "then-get", "not worth it", 2]]},
    settled(1, "hit", 3, 7, hidden_s=4.0),
    call_line(1, 8, 8, "hit", guess=1, hidden_s=4.0),
    settled(2, "unused", 3, 6, wasted_s=3.0),
    {"session": "a", "closed": T0 + 9, "summary": {}},
]
SHADOW = [
    {**OPENED, "modes": {"s": "shadow"}},
    call_line(0, 1, 3, tool="list"),
    issued(1, 3, shadow=True),
    settled(1, "hit", 3, 3, hidden_s=1.0, shadow=True),
    call_line(1, 8, 12, guess=1, hidden_s=1.0),
]


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"

    def write(lines, name="a", cut=""):
        (folder / "sessions").mkdir(parents=True, exist_ok=True)
        path = folder / "sessions" / f"{name}.jsonl"
        path.write_text("".join(json.dumps({**line, "session": name}) + "\n" for line in lines) + cut)
        return path

    write.folder = folder
    return write


def run(state, *arguments, code=0):
    done = CliRunner().invoke(app, [*arguments], env={"PASTE_MCP_STATE_DIR": str(state.folder), "COLUMNS": "120"})
    assert done.exit_code == code, done.output
    return done


def test_a_record_that_was_cut_off_tells_all_but_its_last_line(state):
    session = read_session(state(SENT[:6], cut='{"session": "a", "gue'))
    assert [guess.state for guess in session.guesses] == ["hit", "live"]
    assert session.closed is None and not session.live(T0 + 86_400)


def test_an_older_record_is_told_by_its_sums(state):
    old = [{**call_line(0, 1, 3, "hit"), "eligible": None}, {"session": "a", "summary": {"issued": 3, "hidden_s": 5.0,
           "unused": 2, "refused": {"write": 4}}}]  # fmt: skip
    sums = total([read_session(state(old))])
    assert (sums.calls, sums.issued, sums.saved_s, sums.unused, sums.why_not) == (1, 3, 5.0, 2, {"write": 4})


def test_rows_tell_what_was_saved_and_what_was_for_nothing(state):
    session = read_session(state(SENT))
    by_tool = {row.name: row for row in rows_by([session], "tool")}
    assert (by_tool["s/get"].hits, by_tool["s/get"].saved_s, by_tool["s/get"].why_not) == (1, 4.0, {"not worth it": 2})
    assert (by_tool["s/look"].issued, by_tool["s/look"].wasted, by_tool["s/look"].wasted_s) == (1, 1, 3.0)
    assert {row.name: row.accuracy for row in rows_by([session], "pattern")} == {"then-get": 1.0, "then-look": 0.0}
    assert [row.calls for row in rows_by([session], "session")] == [2]


def test_waiting_is_what_it_was_would_have_been_and_could_be(state):
    waiting = waiting_of(read_session(state(SENT)))
    assert (waiting.think_s, waiting.without_s, waiting.saved_s) == (5.0, 6.0, 4.0)
    assert (waiting.oracle_s, waiting.oracle_hits, waiting.would_save_s) == (4.0, 1, 0.0)


def test_in_shadow_the_call_itself_shows_what_would_have_been_saved(state):
    session = read_session(state(SHADOW))
    assert session.shadow
    assert waiting_of(session).would_save_s == 4.0
    (row,) = [row for row in rows_by([session], "tool") if row.shadow_issued]
    assert (row.saved_s, row.would_save_s, row.shadow_hits) == (0.0, 4.0, 1)


def side_by_side(*calls, think_s=2.0):
    first = Call(0, 0, "s", "list", 0.0, 1.0, "miss")
    rest = [Call(n, 1, "s", "get", 1 + think_s, 1 + think_s + s, "miss", read_only=reads, eligible=reads)
            for n, (s, reads) in enumerate(calls, start=1)]  # fmt: skip
    return list(turns_of(Session("a", 0.0, (first, *rest))))[1]


def test_the_oracle_keeps_to_policy_and_budget():
    turn = side_by_side((1.0, True), (5.0, True))
    assert oracle_helps_s(turn, Limits()) == [1.0, 2.0]
    assert oracle_helps_s(turn, Limits(per_server=1)) == [1.0, 1.0]
    assert oracle_helps_s(turn, Limits(per_trigger=1)) == [1.0, 0.0]
    assert oracle_helps_s(side_by_side((1.0, True), (1.0, False), (1.0, True)), Limits()) == [1.0, 0.0, 0.0]


def test_of_parallel_calls_only_the_slowest_counts():
    turn = side_by_side((1.0, True), (5.0, True))
    assert turn.without_s - turn.wait_s([1.0, 0.0]) == 0.0
    assert turn.without_s - turn.wait_s([1.0, 2.0]) == 2.0


def test_a_year_is_days_times_people_and_says_how_sure_it_is():
    days = [Day(f"2026-01-0{n}", 100.0, 30.0 + n, 0.0, 50.0, 2) for n in range(1, 8)]
    told = estimate(days, Assumptions(team=10, cost_per_hour=100, days=200, attended=0.5, cost_per_call=0.01))
    assert told.hours == pytest.approx(34 * 200 * 10 * 0.5 / 3600)
    assert told.money == pytest.approx(told.hours * 100 - 2 * 200 * 10 * 0.01)
    assert told.hours_low < told.hours < told.hours_high
    assert estimate(days[:2], Assumptions()).hours_low is None


def arm(name, count, wait_s):
    return [Session(f"{name}{n}", 0.0, (Call(0, 0, "s", "t", 0.0, wait_s + n % 5 / 10, "miss"),), arm=name)
            for n in range(count)]  # fmt: skip


def test_arms_are_compared_by_session_and_too_few_are_not():
    told = compare([*arm("on", 20, 1.0), *arm("control", 20, 3.0)])
    assert told.measures[0].difference == pytest.approx(-2.0)
    assert -2.2 < told.measures[0].low < -2.0 < told.measures[0].high < -1.8
    assert "wait per call: quicker with speculation" in told.words
    assert "Too few sessions" in compare([*arm("on", 20, 1.0), *arm("control", 3, 3.0)]).words
    same = compare([*arm("on", 20, 1.01), *arm("control", 20, 1.0)])
    assert same.measures[0].verdict == "no difference shown" and same.measures[0].needed > 20


def test_the_picture_is_a_drawing_that_asks_for_nothing(state):
    drawn = timeline(read_session(state(SENT)))
    ET.fromstring(drawn)  # noqa: S314 - our own
    assert "7.6 s instead of 11.6 s" in drawn  # with 0.6 s of thinking before the first call
    assert "prefers-color-scheme" in drawn
    assert not re.findall(r"(?:href|src)=|url\(h", drawn)


def test_names_from_servers_are_text_in_page_and_picture(state):
    evil = [{**line, "tool": "<script>x"} if "tool" in line else line for line in SENT]
    session = read_session(state(evil))
    text = page(gather([session], Assumptions()), session) + timeline(session)
    assert "<script>x" not in text and "&lt;script&gt;x" in text


def test_stats_and_report_as_a_user_meets_them(state, tmp_path):
    assert "Nothing was recorded" in run(state, "stats").stdout
    state(SENT)
    told = json.loads(run(state, "stats", "--by", "server", "--json").stdout.splitlines()[-1])
    assert told["total"]["saved_s"] == 4.0 and [row["name"] for row in told["rows"]] == ["s"]
    html, svg = tmp_path / "r.html", tmp_path / "t.svg"
    told = json.loads(
        run(state, "report", "--html", str(html), "--svg", str(svg), "--team", "3", "--json").stdout.splitlines()[-1]
    )
    assert told["estimate"]["assumptions"]["team"] == 3 and told["waiting"]["oracle_s"] == 4.0
    assert "4.0 s" in html.read_text() and "{{" not in html.read_text() and svg.read_text().startswith("<svg")
    assert not re.findall(r"(?:href|src)=|@import", html.read_text())
    assert json.loads(run(state, "stats", "--since", "1h", "--json").stdout.splitlines()[-1])["rows"] == []
    assert "not a time" in run(state, "stats", "--since", "soon", code=2).stderr
    assert "no such session" in run(state, "report", "--session", "zz", "--svg", str(svg), code=2).stderr
    assert "serve --ab 50" in run(state, "report", "--ab").stdout


def test_a_store_reads_again_only_what_has_grown(state):
    path = state(SENT[:4])
    store = SessionStore(path.parent)
    (first,), mark = store.sessions(), store.mark()
    assert store.sessions()[0] is first
    state(SENT)
    assert store.mark() != mark
    assert store.sessions()[0].closed == T0 + 9
