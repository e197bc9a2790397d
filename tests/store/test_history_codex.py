"""Codex's session logs, read."""

import json

import pytest
from history_samples import Codex, said

from paste_mcp.store.history.codex import is_codex, read_codex

OK = {"Ok": {"content": [said("found")], "structuredContent": {"id": 7}, "isError": False}}


def read(log):
    return list(read_codex(log.lines))


def seen(past):
    return [(call.server, call.tool, dict(call.arguments), call.turn, call.status) for call in past.session.calls]


def test_what_the_server_said_wins_over_what_the_model_was_shown():
    log = Codex().calls("call_00000001", "search_it", namespace="mcp__my_notes", q="tea")
    log.told("call_00000001", "my-notes", "search.it", OK, q="tea")
    (past,) = read(log.gets("call_00000001", "Wall time: 0.1 seconds\nOutput:\n[]"))
    assert seen(past) == [("my-notes", "search.it", {"q": "tea"}, 0, "ok")]
    assert past.session.calls[0].result.document == {"id": 7}
    assert (past.session.model, past.day, past.of_host) == ("gpt-x", 20_514, True)


@pytest.mark.parametrize(
    ("name", "namespace", "expected"),
    [
        ("search", "mcp__notes", ("notes", "search")),
        ("search", "mcp__notes__", ("notes", "search")),
        ("mcp__notes__search", None, ("notes", "search")),
        ("notes__search", None, ("notes", "search")),
        ("exec_command", None, ("", "exec_command")),
    ],
)
def test_names_of_all_releases_are_understood(name, namespace, expected):
    (past,) = read(Codex().calls("c1", name, namespace=namespace).gets("c1", "out"))
    assert (past.session.calls[0].server, past.session.calls[0].tool) == expected


@pytest.mark.parametrize(
    ("output", "document", "text"),
    [
        (json.dumps([said('{"id": 7}')]), {"id": 7}, '{"id": 7}'),
        ("Wall time: 0.5 seconds\nOutput:\n" + json.dumps([said("plain")]), None, "plain"),
        (json.dumps({"id": 7}), {"id": 7}, ""),
        ("plain", None, "plain"),
        ([{"type": "input_text", "text": "plain"}], None, "plain"),
        ({"content": "plain", "success": True}, None, "plain"),
    ],
)
def test_the_shown_result_is_taken_apart_where_there_is_no_other(output, document, text):
    (past,) = read(Codex().calls("c1", "mcp__a__b").gets("c1", output))
    assert (past.session.calls[0].result.document, past.session.calls[0].result.text) == (document, text)


def test_calls_before_an_answer_share_a_turn():
    log = Codex().calls("c1", "mcp__a__b").calls("c2", "mcp__a__b").gets("c1", "x").gets("c2", "y")
    (past,) = read(log.calls("c3", "mcp__a__b").gets("c3", "z"))
    assert [call.turn for call in past.session.calls] == [0, 0, 1]


def test_calls_that_a_script_of_the_models_made_are_read():
    log = Codex().told("x1", "notes", "search", OK, q="tea").told("x2", "notes", "open", OK, page=7)
    (past,) = read(log)
    assert [(call.tool, call.turn) for call in past.session.calls] == [("search", 0), ("open", 1)]


def test_items_of_newer_releases_are_read():
    item = {"type": "McpToolCall", "id": "c1", "server": "notes", "tool": "open", "arguments": {"id": 7}}
    log = Codex().line("event_msg", {"type": "item_completed", "item": item | {"result": {"content": [said("x")]}}})
    failed = item | {"id": "c2", "error": {"message": "server gone"}}
    log.line("event_msg", {"type": "item_completed", "item": failed})
    (past,) = read(log)
    assert [call.status for call in past.session.calls] == ["ok", "error"]


def test_a_call_that_the_user_declined_never_was():
    log = Codex().calls("c1", "mcp__a__b").told("c1", "a", "b", {"Err": "user rejected MCP tool call"})
    assert read(log.gets("c1", "err")) == []


def test_the_oldest_form_has_its_items_alone_on_their_lines():
    lines = [
        {"id": "0199", "timestamp": "2025-06-01T10:00:00Z", "instructions": None},
        {"record_type": "state"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]},
        {"type": "function_call", "name": "notes__search", "arguments": '{"q":"tea"}', "call_id": "c1"},
        {"type": "function_call_output", "call_id": "c1", "output": "out"},
    ]
    (past,) = read_codex(lines)
    assert seen(past) == [("notes", "search", {"q": "tea"}, 0, "ok")]
    assert past.session.id == "0199"
    assert is_codex(lines[0])


def test_lines_out_of_the_ordinary_are_passed_over():
    log = Codex()
    for payload in ({}, {"type": "function_call"}, {"type": "function_call_output"}, {"type": "mcp_tool_call_end"}):
        log.line("response_item", payload).line("event_msg", payload)
    log.line("event_msg", {"type": "mcp_tool_call_end", "call_id": "z", "invocation": {}, "result": 7})
    log.line("event_msg", {"type": "item_completed", "item": None})
    log.calls("c1", "mcp__a__b").gets("c1", None)
    log.line("response_item", {"type": "function_call", "name": "mcp__a__c", "arguments": "{", "call_id": "c2"})
    (past,) = read(log.gets("c2", "x"))
    assert [call.tool for call in past.session.calls] == ["b", "c"]
