"""Claude Code's session logs, read."""

import pytest
from history_samples import SESSION, Claude, claude_session, said, use

from paste_mcp.store.history.claude import is_claude, read_claude


def read(lines):
    return list(read_claude(line for line in lines if isinstance(line, dict)))


def seen(past):
    return [(call.server, call.tool, dict(call.arguments), call.turn, call.status) for call in past.session.calls]


def test_calls_are_read_with_their_turns_and_results():
    (past,) = read(claude_session())
    assert seen(past) == [
        ("research", "search", {"query": "tea"}, 0, "ok"),
        ("", "Read", {"file_path": "/home/ada/notes.md"}, 1, "ok"),
        ("research", "visit", {"url": "https://tea.example/0"}, 2, "ok"),
        ("research", "visit", {"url": "https://tea.example/1"}, 2, "ok"),
    ]
    search, _, first, second = past.session.calls
    assert search.result.document["results"][1]["url"] == "https://tea.example/1"
    assert (first.result.text, second.result.text) == ("the first page", "the second page")
    assert (past.session.id, past.session.model, past.of_host) == (SESSION, "claude-x", True)
    assert search.started < search.ended < first.started
    assert past.day == 20_513


def test_structured_content_is_found_beside_the_message():
    talk = Claude().says("m", use("t1", "mcp__a__b"))
    talk.hears("t1", [said("short")], mcpMeta={"structuredContent": {"id": 7}})
    (past,) = read(talk.lines)
    assert past.session.calls[0].result.document == {"id": 7}


@pytest.mark.parametrize("content", ["plain text", [said("plain text")]])
def test_a_result_is_text_or_blocks(content):
    (past,) = read(Claude().says("m", use("t1", "mcp__a__b")).hears("t1", content).lines)
    assert past.session.calls[0].result.text == "plain text"


def test_errors_are_errors():
    (past,) = read(Claude().says("m", use("t1", "mcp__a__b")).hears("t1", "no such file", error=True).lines)
    assert past.session.calls[0].status == "error"


@pytest.mark.parametrize(
    "content",
    [
        "The user doesn't want to proceed with this tool use. The tool use was rejected.",
        "Claude requested permissions to use mcp__a__b, but you haven't granted it yet.",
        "<tool_use_error>Error: No such tool available</tool_use_error>",
    ],
)
def test_calls_that_never_reached_the_server_are_left_out(content):
    talk = Claude().says("m", use("t1", "mcp__a__b")).hears("t1", content, error=True)
    talk.says("m2", use("t2", "mcp__a__c")).hears("t2", "fine")
    (past,) = read(talk.lines)
    assert [call.tool for call in past.session.calls] == ["c"]


def test_a_call_without_an_answer_is_left_out():
    assert read(Claude().says("m", use("t1", "mcp__a__b")).lines) == []


def test_a_message_that_is_logged_twice_counts_once():
    lines = Claude().says("m", use("t1", "mcp__a__b")).hears("t1", "x").lines
    (past,) = read(lines + lines)
    assert len(past.session.calls) == 1


def test_a_sub_agents_conversation_is_one_of_its_own():
    main = Claude().says("m1", use("toolu_main_00000001", "mcp__a__b")).hears("toolu_main_00000001", "x").lines
    side = (
        Claude(agent="a1").says("m2", use("toolu_side_00000001", "mcp__a__c")).hears("toolu_side_00000001", "y").lines
    )
    pasts = read([main[0], side[0], main[1], side[1]])
    assert [[call.tool for call in past.session.calls] for past in pasts] == [["b"], ["c"]]
    assert pasts[0].key != pasts[1].key


def test_a_conversation_resumed_under_another_id_is_still_the_same_one():
    (first,), (resumed,) = read(claude_session()), read(claude_session(session="another"))
    assert first.key == resumed.key
    (other,) = read(claude_session(prefix="toolu_01BBBBBBBBBB"))
    assert other.key != first.key


def test_lines_out_of_the_ordinary_are_passed_over():
    odd = [
        {"type": "assistant"},
        {"type": "assistant", "message": None},
        {"type": "assistant", "message": {"content": "text"}},
        {"type": "assistant", "message": {"content": [None, 1, {"type": "tool_use"}, {"type": "tool_use", "id": "x"}]}},
        {
            "type": "user",
            "message": {"content": [{"type": "tool_result"}, {"type": "tool_result", "tool_use_id": "x"}]},
        },
        {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": 7, "content": 7}]}},
        {"type": "queue-operation", "operation": "enqueue"},
    ]
    (past,) = read([*odd, *claude_session(), *odd])
    assert len(past.session.calls) == 4


def test_the_format_is_told_by_its_lines():
    lines = claude_session()
    assert [is_claude(line) for line in lines[:3]] == [True, False, True]
    assert not is_claude({"type": "user", "text": "hello"})
