"""The index says where a value was seen, latest first, and never grows beyond its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pattern_makers import event, index_of, text_event

from paste_mcp.core.patterns import extract
from paste_mcp.core.patterns.extract import Place, ValueIndex


def seen(index, value):
    return [(place.event, place.source, place.path) for place in index.places(value)]


def test_values_of_arguments_and_results_are_found_with_their_paths():
    index = index_of([event(0, "search", {"q": "x"}, {"results": [{"url": "a", "n": 7}, {"url": "b"}]})])
    assert seen(index, "x") == [(0, "argument", "$.q")]
    assert seen(index, "b") == [(0, "document", "$.results[1].url")]
    assert seen(index, 7) == [(0, "document", "$.results[0].n")]
    assert index.places("b") == [Place(0, "s", "document", ("results", 1, "url"))]
    assert index.places("never") == []


def test_the_latest_event_comes_first_and_within_it_the_first_place():
    index = index_of([event(0, "a", {}, ["v"]), event(1, "b", {}, ["v", "v"])])
    assert seen(index, "v") == [(1, "document", "$[0]"), (1, "document", "$[1]"), (0, "document", "$[0]")]


def test_lines_identifiers_and_addresses_of_plain_text_are_found():
    index = index_of([text_event(0, "log", {}, "Commit: abc1234\nsee https://e.org/a.\n/srv/a b\n")])
    assert seen(index, "/srv/a b") == [(0, "line", "line[2]")]
    assert seen(index, "abc1234") == [(0, "id", "id[0]")]
    assert seen(index, "https://e.org/a") == [(0, "url", "url[0]")]


def test_text_that_only_repeats_the_document_is_not_indexed_again():
    index = index_of([event(0, "a", {}, {"u": "https://e.org/a"})])
    assert seen(index, "https://e.org/a") == [(0, "document", "$.u")]


def test_a_list_of_names_in_brackets_is_plain_text():
    files = "[FILE] a.txt\n[DIR] b"
    made = event(0, "list", {}, {"content": files}, files)
    assert seen(index_of([made]), "[DIR] b") == [(0, "line", "line[1]")]


@pytest.mark.parametrize("value", [True, None, 1.5, "", "x" * 513, [1], {}, 2**65])
def test_values_that_say_nothing_are_not_indexed(value):
    assert index_of([event(0, "a", {"v": value}, [value], "")]).places(value) == []


def test_one_is_not_true_nor_a_digit():
    index = index_of([event(0, "a", {"n": 1}, None)])
    assert index.places(1) and not index.places(True) and not index.places("1") and not index.places(1.0)


def test_strange_member_names_are_quoted_in_a_path():
    assert seen(index_of([event(0, "a", {}, {"odd key": "v"})]), "v") == [(0, "document", '$."odd key"')]


@pytest.mark.parametrize("extra", [0, 1])
def test_one_event_gives_at_most_so_many_entries(extra):
    index = index_of([event(0, "a", {}, [str(n) for n in range(extract.MAX_INDEXED_PER_EVENT + extra)])])
    assert len(index) == extract.MAX_INDEXED_PER_EVENT


def test_the_oldest_entries_go_first(monkeypatch):
    monkeypatch.setattr(extract, "MAX_INDEXED", 3)
    index = index_of([event(0, "a", {}, ["a", "b", "v"])])
    assert len(index) == 3 and index.places("a")
    index.add(event(1, "a", {}, ["v"]))
    assert len(index) == 3 and not index.places("a") and index.places("b")
    assert seen(index, "v") == [(1, "document", "$[0]"), (0, "document", "$[2]")]


def test_a_look_up_reports_at_most_so_many_places():
    for count in (extract.MAX_PLACES, extract.MAX_PLACES + 1):
        assert len(index_of([event(0, "a", {}, ["v"] * count)]).places("v")) == extract.MAX_PLACES


def test_only_so_many_levels_are_looked_into():
    def nested(levels):
        return "v" if levels == 0 else [nested(levels - 1)]

    assert index_of([event(0, "a", {}, nested(extract.MAX_DEPTH), "")]).places("v")
    assert not index_of([event(0, "a", {}, nested(extract.MAX_DEPTH + 1), "")]).places("v")


def test_a_session_of_large_results_stays_within_the_bound():
    index = ValueIndex()
    for number in range(15):
        index.add(event(number, "a", {}, [f"{number}-{n}" for n in range(extract.MAX_INDEXED_PER_EVENT)], ""))
    assert len(index) == extract.MAX_INDEXED
    assert not index.places("4-1999") and index.places("5-0")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=5))
def test_every_reported_place_holds_the_value(documents):
    events = [event(number, "a", {}, document, "") for number, document in enumerate(documents)]
    index = index_of(events)
    for value in set(index._places):
        for place in index.places(value):
            node = events[place.event].payload.document
            for step in place.steps:
                node = node[step]
            assert node == value and type(node) is type(value)


def test_strings_and_texts_are_indexed_up_to_their_limits():
    longest = "x" * extract.MAX_INDEXED_VALUE
    assert index_of([event(0, "a", {}, [longest], "")]).places(longest)
    padding = "\n" * (extract.MAX_INDEXED_TEXT - 4)
    assert index_of([event(0, "a", {}, None, padding + "last")]).places("last")
    assert not index_of([event(0, "a", {}, None, padding + "\nlast")]).places("last")
