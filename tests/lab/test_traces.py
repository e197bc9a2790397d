"""Trace files: what is read, how names are split, and one line for whatever is broken."""

import gzip
import json

import pytest
from evaluate_makers import call, session, trace_file

from paste_mcp.store import traces
from paste_mcp.store.traces import TraceError, read_traces, split_name, trace_name


def test_a_session_is_read_with_its_calls_and_turns(tmp_path):
    first = call("git/show_log", {"n": 1}, {"commits": ["a"]}, started=1, ended=2.5)
    made = session([first, call("b", read=None)], call("c", error=True), id="x", task="t", model="m")
    (found,) = read_traces(trace_file(tmp_path / "f.jsonl", made))
    assert (found.id, found.task, found.model, found.source) == ("x", "t", "m", "made")
    assert [(c.server, c.tool, c.turn, c.read_only, c.status) for c in found.calls] == [
        ("git", "show_log", 0, True, "ok"),
        ("", "b", 0, None, "ok"),
        ("", "c", 1, True, "error"),
    ]
    assert found.calls[0].result.document == {"commits": ["a"]}
    assert (found.calls[0].started, found.calls[0].ended, found.calls[0].name) == (1.0, 2.5, "git/show_log")


def test_gzip_is_known_by_its_content(tmp_path):
    path = tmp_path / "f.anything"
    path.write_bytes(gzip.compress(json.dumps(session(call("a"))).encode()))
    assert [each.id for each in read_traces(path)] == ["one"]


def test_what_may_be_left_out_has_a_default(tmp_path):
    path = trace_file(tmp_path / "f.jsonl", {"calls": [{"tool": "a"}, {"tool": "a", "turn": 5}, {"tool": "b"}]})
    (found,) = read_traces(path)
    assert (found.id, found.task, found.model) == ("f:1", "f:1", "")
    assert [(c.turn, c.status, c.read_only, c.result.text, dict(c.arguments)) for c in found.calls] == [
        (0, "empty", None, "", {}),
        (5, "empty", None, "", {}),
        (6, "empty", None, "", {}),
    ]


def test_sessions_before_a_broken_line_are_still_read(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps(session(call("a"))) + "\n\n{broken")
    reading = read_traces(path)
    assert next(reading).id == "one"
    with pytest.raises(TraceError, match=r"f\.jsonl:3: not JSON"):
        next(reading)


BROKEN = {
    "not JSON": ("{", ":1: not JSON"),
    "a list": ("[]", ":1: no session"),
    "no calls": ("{}", ":1: no session"),
    "no tool": ('{"calls": [{"tool": "a"}, {}]}', ":1: calls[1]: no tool"),
    "arguments": ('{"calls": [{"tool": "a", "arguments": []}]}', ":1: calls[0]: arguments are no object"),
    "turn": ('{"calls": [{"tool": "a", "turn": 1}, {"tool": "a", "turn": 0}]}', ":1: calls[1]: the turn"),
    "a turn that is true": ('{"calls": [{"tool": "a", "turn": true}]}', ":1: calls[0]: the turn"),
    "nesting": ("[" * 100_000, ":1: not JSON"),
}


@pytest.mark.parametrize(("text", "told"), BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_told_in_one_line(tmp_path, text, told):
    path = tmp_path / "f.jsonl"
    path.write_text(text)
    with pytest.raises(TraceError) as caught:
        list(read_traces(path))
    assert f"{path}{told}" in str(caught.value)
    assert "\n" not in str(caught.value) and "; " in str(caught.value)


def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path):
    with pytest.raises(TraceError, match=r"nowhere\.jsonl: cannot be read: No such file"):
        list(read_traces(tmp_path / "nowhere.jsonl"))
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(json.dumps(session(call("a"))).encode())[:-12])
    with pytest.raises(TraceError, match="damaged gzip"):
        list(read_traces(path))


def test_lines_calls_and_sessions_are_bounded(tmp_path, monkeypatch):
    path = trace_file(tmp_path / "f.jsonl", session(call("a"), call("a")), session(call("a")))
    for name, limit, told in (("MAX_LINE", 50, ":1: longer"), ("MAX_CALLS", 1, ":1: more"), ("MAX_SESSIONS", 1, ":2:")):
        with monkeypatch.context() as patch:
            patch.setattr(traces, name, limit)
            with pytest.raises(TraceError, match=told):
                list(read_traces(path))


NAMES = {
    "mcp__git__show_log": ("git", "show_log"),
    "mcp__my_server__a__b": ("my_server", "a__b"),
    "git/show": ("git", "show"),
    "scope/git/show": ("scope/git", "show"),
    "cloud-big_query_run": ("cloud", "big_query_run"),
    "my-cloud-run_it": ("my-cloud", "run_it"),
    "run-it": ("", "run-it"),
    "run_it": ("", "run_it"),
    "/run": ("", "/run"),
    "run/": ("", "run/"),
}


@pytest.mark.parametrize(("name", "parts"), NAMES.items())
def test_a_name_is_split_into_server_and_tool(name, parts):
    assert split_name(name) == parts


def test_a_server_that_is_named_apart_leaves_the_tool_whole(tmp_path):
    path = trace_file(tmp_path / "f.jsonl", {"calls": [{"server": "a", "tool": "b/c"}]})
    ((found,),) = (each.calls for each in read_traces(path))
    assert (found.server, found.tool, found.name) == ("a", "b/c", "b/c")


def test_a_trace_is_called_by_its_stem(tmp_path):
    assert [trace_name(tmp_path / name) for name in ("a.jsonl.gz", "b.jsonl", "c")] == ["a", "b", "c"]
