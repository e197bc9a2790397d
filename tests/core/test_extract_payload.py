"""What a raw result holds: its document and text in every wrapping that servers use, and how the call ended."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.model import Payload
from paste_mcp.core.patterns import extract
from paste_mcp.core.patterns.extract import payload_of, status_of


def text(value):
    return {"type": "text", "text": value}


def result(*texts, **more):
    return {"content": [text(value) for value in texts], **more}


@pytest.mark.parametrize(
    ("raw", "document", "written"),
    [
        (result("hello"), None, "hello"),
        (result("a", "b"), None, "a\nb"),
        (result('{"a": 1}'), {"a": 1}, '{"a": 1}'),
        (result('{"a": 1}', structuredContent={"b": 2}), {"b": 2}, '{"a": 1}'),
        (result("x", structuredContent={"result": '[{"n": 1}]'}), [{"n": 1}], "x"),
        (result("x", structuredContent={"result": "plain"}), {"result": "plain"}, "x"),
        (result("x", structuredContent={"result": "{broken"}), {"result": "{broken"}, "x"),
        (result("x", structuredContent={"result": "[1]", "more": 1}), {"result": "[1]", "more": 1}, "x"),
        (result(json.dumps('{"a": 1}')), {"a": 1}, json.dumps('{"a": 1}')),
        (result('{"a": 1}', '{"a": 2}'), [{"a": 1}, {"a": 2}], '{"a": 1}\n{"a": 2}'),
        (result('{"a": 1, "a": 2}'), None, '{"a": 1, "a": 2}'),
        (result("[{'name': 'x'}]"), [{"name": "x"}], "[{'name': 'x'}]"),
        (result("{'a': None, 'b': (1,)}"), None, "{'a': None, 'b': (1,)}"),
        (result("{'a': 1, 'a': 2}"), None, "{'a': 1, 'a': 2}"),
        (result("{1: 'a'}"), None, "{1: 'a'}"),
        (result("[print('x')]"), None, "[print('x')]"),
        (result(r"['\d']"), [r"\d"], r"['\d']"),
        ({"content": [{"type": "resource", "resource": {"uri": "u", "text": "in it"}}]}, None, "in it"),
        ({"content": [{"type": "image", "data": "AA=="}, text("t")]}, None, "t"),
        ({}, None, ""),
        ({"content": None}, None, ""),
        ({"content": "text"}, None, ""),
        ({"content": [None, 5, {"type": "text"}, {"type": "text", "text": 5}, {"type": "resource"}]}, None, ""),
    ],
)
def test_a_payload_is_read_out_of_every_wrapping(raw, document, written):
    assert payload_of(raw) == Payload(document=document, text=written)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (result("x", isError=True), "error"),
        (result("", isError=True), "error"),
        (result("x"), "ok"),
        (result("x", isError="yes"), "ok"),
        ({}, "empty"),
        ({"content": []}, "empty"),
        (result(""), "empty"),
        (result(" \n", ""), "empty"),
        (result("[]"), "empty"),
        (result('{"result": []}'), "empty"),
        (result('{"result": {}}'), "empty"),
        (result("", structuredContent={"result": []}), "empty"),
        (result("x", structuredContent={"matches": [], "count": 0, "truncated": False}), "empty"),
        (result("x", structuredContent={"result": "[]"}), "empty"),
        (result("x", structuredContent={"result": ""}), "empty"),
        (result("x", structuredContent={}), "empty"),
        (result("", structuredContent={"count": 0}), "ok"),
        (result("", structuredContent={"exists": False}), "ok"),
        (result("", structuredContent={"matches": [], "query": "q"}), "ok"),
        (result("0"), "ok"),
        (result("false"), "ok"),
        ({"content": [{"type": "image", "data": "AA=="}]}, "ok"),
        ({"content": [text(""), {"type": "resource_link", "uri": "u"}]}, "ok"),
    ],
)
def test_the_status_tells_nothing_found_from_something(raw, status):
    assert status_of(raw) == status


def test_a_text_is_cut_at_its_limit_and_not_before():
    whole = payload_of(result("x" * extract.MAX_TEXT))
    assert len(whole.text) == extract.MAX_TEXT and not whole.cut
    for cut in (payload_of(result("x" * (extract.MAX_TEXT + 1))), payload_of(result("x" * extract.MAX_TEXT, "y"))):
        assert len(cut.text) <= extract.MAX_TEXT + 1 and cut.cut and cut.document is None


def test_the_beginning_of_a_cut_text_is_no_document():
    whole = "[1]" + " " * (extract.MAX_TEXT - 3)
    assert payload_of(result(whole)).document == [1]
    assert payload_of(result(whole, "more")).document is None


def test_a_document_is_kept_up_to_its_limit_and_not_beyond():
    at_limit = {"a": [0] * (extract.MAX_NODES - 2)}
    assert payload_of({"structuredContent": at_limit}) == Payload(document=at_limit)
    assert payload_of({"structuredContent": {"a": [0] * (extract.MAX_NODES - 1)}}) == Payload(cut=True)


def test_a_deeply_nested_result_is_no_trouble():
    assert payload_of(result("[" * 50_000 + "]" * 50_000)).document is None
    deep = current = []
    for _ in range(5_000):
        current.append([])
        current = current[0]
    assert status_of({"structuredContent": deep}) == "ok"
    payload_of({"structuredContent": deep})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["content", "type", "text", "result", "resource", "a"]), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["content", "structuredContent", "isError"]), JSON))
def test_any_result_gives_a_payload_and_a_status(raw):
    assert payload_of(raw) == payload_of(raw) or "nan" in repr(raw)
    assert status_of(raw) in ("ok", "error", "empty")


@given(JSON)
def test_any_json_text_gives_a_payload(value):
    found = payload_of(result(json.dumps(value)))
    assert found.text == json.dumps(value)


def test_a_long_text_is_not_searched_for_nothing_found():
    for extra, status in ((0, "empty"), (1, "ok")):
        nothing = "[" + " " * (extract.MAX_SHORT_TEXT - 2 + extra) + "]"
        assert status_of(result(nothing)) == status
