"""Values at recognisable places in text, pieces of values, and calls named by signature rather than by context."""

import pytest
from pattern_makers import bound, event, pattern, text_event, values

from paste_mcp.core.model import Ingredient
from paste_mcp.core.patterns import mapping, places
from paste_mcp.core.prediction.predictor import _flows

ALL = {1: 0.3, 2: 0.3, 3: 0.3}
LISTING = "[DIR] docs\n[FILE] a b.txt\n[FILE] c.txt\n\nTotal: 2 files"
ORDERS = """\
Orders found: 2
1. Order ID: W-17, status: open
   https://shop/W-17
2. Order ID: "W-9", status: `shipped at last`
| sku | left |
| s1  | 4    |
see 'the manual'
"""


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        (LISTING, "tag:file", ["a b.txt", "c.txt"]),
        (LISTING, "tag:DIR", ["docs"]),
        (LISTING, "label:total", ["2"]),
        (LISTING, "rest:total", ["2 files"]),
        (LISTING, "label:files", []),
        (ORDERS, "label:Order ID", ["W-17", "W-9"]),
        (ORDERS, "label:status", ["open", "shipped at last"]),
        (ORDERS, "cell:1", ["left", "4"]),
        (ORDERS, "urls", ["https://shop/W-17"]),
        (ORDERS, "item", ["Order ID: W-17, status: open", 'Order ID: "W-9", status: `shipped at last`']),
        (ORDERS, "quoted", ["W-9", "shipped at last", "the manual"]),
        ("/a/b\n\n /c \n/a/b", "line", ["/a/b", "/c"]),
    ],
)
def test_each_place_in_text_gives_what_stands_there(text, place, expected):
    source = {"result": -1, "extract": place, "pick": ALL}
    assert values({"x": source}, [text_event(0, "look", {}, text)]) == [{"x": value} for value in expected]


def test_places_are_looked_for_in_the_texts_of_a_document_too():
    pages = event(0, "pages", {}, {"pages": [{"id": 1, "body": "id: a\nid: b"}, {"id": 2, "body": "id: c"}, {"id": 3}]})
    source = {"result": -1, "path": "$.pages[*].body", "extract": "label:id", "pick": ALL}
    assert values({"x": source}, [pages]) == [{"x": "a"}, {"x": "b"}, {"x": "c"}]
    rows = values({"x": source, "page": {"result": -1, "path": "$.pages[*].id"}}, [pages])
    assert rows == [{"x": "a", "page": 1}, {"x": "b", "page": 1}, {"x": "c", "page": 2}]


def test_what_was_taken_out_of_a_text_counts_as_composed():
    (found,) = bound({"x": {"result": -1, "extract": "tag:dir"}}, [text_event(0, "look", {}, LISTING)])
    assert found.composed and found.ingredients == (Ingredient("result", "s", 0),)


def test_no_more_values_than_a_walk_may_find_are_taken_out_of_many_texts(monkeypatch):
    many = event(0, "pages", {}, {"texts": ["id: a\nid: b", "id: c"]})
    source = {"result": -1, "path": "$.texts[*]", "extract": "label:id", "pick": ALL}
    assert len(values({"x": source}, [many])) == 3
    monkeypatch.setattr(mapping, "MAX_MATCHES", 2)
    assert len(values({"x": source}, [many])) == 2


@pytest.mark.parametrize("name", ["urls", "line", "label:a b", "cell:0", "rest:x", "tag:file"])
def test_a_place_has_one_way_to_be_written(name):
    assert places.place_of(name) == name


def test_any_label_in_any_case_is_a_place_up_to_its_length():
    assert places.place_of(f"label:{'X' * places.MAX_LABEL}") == f"label:{'x' * places.MAX_LABEL}"
    assert places.place_of(f"label:{'X' * (places.MAX_LABEL + 1)}") is None


# --- pieces -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "piece", "expected"),
    [
        ("a/b/c.txt", "folder", ["a/b"]),
        ("a/b/c.txt", "name", ["c.txt"]),
        ("owner/repo/", "name", ["repo"]),
        ("/top", "name", []),
        ("plain", "folder", []),
        ("2024-05-01T10:00:00Z", "day", ["2024-05-01"]),
        ("2024-05-01", "day", []),
        (5, "day", []),
    ],
)
def test_a_piece_of_a_value_is_taken(value, piece, expected):
    found = values({"x": {"argument": -1, "part": piece}}, [event(0, "look", {"x": value})])
    assert found == [{"x": one} for one in expected]


def test_a_list_of_pieces_is_walked_on_from_the_last_one_used():
    listed = event(0, "list", {}, {"repos": [{"full": "o/a"}, {"full": "o/b"}, {"full": "p/c"}]})
    read = event(1, "visit", {"repo": "a"})
    source = {"next": {"result": -2, "path": "$.repos[*].full", "part": "name"}, "pick": ALL}
    assert values({"repo": source}, [listed, read]) == [{"repo": "b"}, {"repo": "c"}]


# --- calls by signature -----------------------------------------------------------------------------------------------

LIST = event(0, "list", {"path": "/r"}, {"names": ["a", "b"]})
READ_A = event(1, "read", {"path": "/r/a"}, "text")
BROKEN = event(2, "list", {"path": "/q"}, text="no such folder", status="error")
HISTORY = [LIST, READ_A, BROKEN]
JOINED = {
    "join": [{"argument": {"tool": "list"}, "name": "path"}, {"result": {"server": "s", "tool": "list"},
                                                           "path": "$.names[*]"}],
    "pick": ALL,
}  # fmt: skip


def test_the_latest_call_with_a_signature_gives_values_wherever_it_stands():
    assert values({"path": JOINED}, [READ_A], history=HISTORY) == [{"path": "/r/a"}, {"path": "/r/b"}]


def test_how_a_call_ended_belongs_to_its_signature():
    path = {"argument": {"tool": "list", "status": "any"}}
    assert values({"path": path}, [READ_A], history=HISTORY) == [{"path": "/q"}]
    assert values({"path": path | {"default": "/"}}, [READ_A], history=[READ_A]) == [{"path": "/"}]


def test_nothing_is_foreseen_while_no_call_has_the_signature():
    assert values({"path": JOINED}, [READ_A], history=[READ_A]) == []


def test_siblings_of_an_argument_of_a_named_call_are_found():
    named = {"next": {"argument": {"tool": "look"}, "name": "it"}}
    history = [LIST, event(1, "look", {"it": "a"}), event(2, "other", {})]
    assert values({"x": named}, history[-1:], history=history) == [{"x": "b"}]


def test_a_pattern_names_both_ends_of_a_flow_where_a_source_names_the_other_server():
    context = [{"server": "b", "tool": "x"}]
    target = {"server": "b", "tool": "visit"}
    url = {"result": {"server": "a", "tool": "search"}, "path": "$.url"}
    assert _flows(pattern(context=context, target=target, arguments={"url": url})) == {("a", "b")}
    anyone = {"template": "{x}", "values": {"x": url | {"result": {"tool": "search"}}}}
    assert _flows(pattern(context=context, target=target, arguments={"url": anyone})) == frozenset()
