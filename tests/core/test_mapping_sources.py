"""Each kind of source gives the values it says, rows stay together, and the ingredients are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pattern_makers import bound, event, index_of, pattern, text_event, values

from paste_mcp.core.model import Ingredient, Tool
from paste_mcp.core.patterns import columns, mapping
from paste_mcp.core.patterns.mapping import evaluate
from paste_mcp.core.patterns.past import Past

RESULTS = {"results": [{"url": "a"}, {"url": "b"}, {"url": "a"}, {"url": "c"}]}
SEARCH = event(0, "search", {"q": "x", "limit": 5}, RESULTS)
MATCHES = {"matches": [{"path": "p", "line": 3}, {"path": "q"}, {"path": "p", "line": 9}, {"path": "r", "line": 1}]}
GREP = event(0, "grep", {"pattern": "x"}, MATCHES)
LOG = text_event(0, "git_log", {"repo_path": "/r", "max_count": 2}, "Commit: abc1234\nAuthor: a\n\nCommit: def5678\n")
ALL = {1: 0.4, 2: 0.2, 3: 0.1}
URLS = {"result": -1, "path": "$.results[*].url", "pick": ALL}


def of_pages(arguments):
    return values({"page": {"successor": {"argument": -1}}}, [event(0, "list", arguments)])


@pytest.mark.parametrize(
    ("source", "matched", "expected"),
    [
        (URLS, SEARCH, ["a", "b", "c"]),
        ({"result": -1, "path": "$.results[*].url"}, SEARCH, ["a"]),
        ({"result": -1, "path": ["$.items[*].url", "$.results[1:].url"]}, SEARCH, ["b"]),
        ({"result": -1, "path": "$.results[*].nothing"}, SEARCH, []),
        ({"result": -1, "path": "$.results[0]"}, SEARCH, [{"url": "a"}]),
        ({"result": -1, "lines": "Commit: {sha:word}", "pick": ALL}, LOG, ["abc1234", "def5678"]),
        ({"result": -1, "lines": ["Commit: '{sha}'", "Commit: {sha}"]}, LOG, ["abc1234"]),
        ({"result": -1, "extract": "ids", "pick": ALL}, LOG, ["abc1234", "def5678"]),
        ({"result": -1, "extract": "urls"}, LOG, []),
        ({"argument": -1, "name": "q"}, SEARCH, ["x"]),
        ({"argument": -1}, SEARCH, []),
        ({"argument": -1, "default": 3}, SEARCH, [3]),
        ({"argument": -1, "name": "q", "default": 3}, SEARCH, ["x"]),
        ({"const": [1]}, SEARCH, [[1]]),
        ("text", SEARCH, ["text"]),
        (None, SEARCH, [None]),
        ({"join": [{"argument": -1, "name": "q"}, URLS]}, SEARCH, ["x/a", "x/b", "x/c"]),
        ({"join": ["/srv/", "/a"]}, SEARCH, ["/srv/a"]),
        ({"join": ["/", "a", "b"]}, SEARCH, ["/a/b"]),
        ({"join": ["", "a"]}, SEARCH, ["a"]),
        ({"join": ["a", 5], "with": ""}, SEARCH, ["a5"]),
        ({"join": ["a", True]}, SEARCH, []),
        ({"template": "https://x/{id}#{n}", "values": {"id": URLS, "n": 1}}, SEARCH,
         ["https://x/a#1", "https://x/b#1", "https://x/c#1"]),
        ({"successor": {"argument": -1, "name": "limit"}}, SEARCH, [6]),
        ({"successor": {"argument": -1, "name": "limit"}, "by": {"argument": -1, "name": "limit"}}, SEARCH, [10]),
        ({"successor": {"argument": -1, "name": "q"}}, SEARCH, []),
        ({"successor": "009"}, SEARCH, ["010"]),
        ({"successor": "99"}, SEARCH, ["100"]),
        ({"successor": 1.5, "by": 2}, SEARCH, [3.5]),
        ({"successor": True}, SEARCH, []),
        ({"successor": 1e308, "by": 1e308}, SEARCH, []),
        ({"successor": "0", "by": -1}, SEARCH, []),
        ({"next": {"result": -1, "path": "$.results[*].url"}, "pick": ALL}, SEARCH, ["a", "b", "c"]),
    ],
)  # fmt: skip
def test_a_source_gives_its_values(source, matched, expected):
    assert values({"url": source}, [matched]) == [{"url": value} for value in expected]


def test_ranks_carry_their_probabilities():
    assert [found.probability for found in bound({"url": URLS}, [SEARCH])] == pytest.approx([0.2, 0.1, 0.05])


def test_a_rank_without_a_probability_is_left_out():
    assert values({"url": URLS | {"pick": {3: 0.5}}}, [SEARCH]) == [{"url": "c"}]


def test_no_arguments_means_a_call_without_any():
    (found,) = bound({}, [SEARCH])
    assert (found.arguments, found.probability, found.ingredients) == ({}, 0.5, ())


def test_path_and_line_of_one_match_stay_together():
    arguments = {
        "path": {"result": -1, "path": "$.matches[*].path", "pick": ALL},
        "start": {"result": -1, "path": "$.matches[*].line"},
    }
    # The second match has no line, so it is no row; without `start` it would be one.
    assert values(arguments, [GREP]) == [
        {"path": "p", "start": 3},
        {"path": "p", "start": 9},
        {"path": "r", "start": 1},
    ]


def test_a_list_inside_a_list_goes_with_the_entry_around_it():
    document = {"files": [{"name": "a", "hits": [1, 2]}, {"name": "b", "hits": [3]}]}
    arguments = {
        "name": {"result": -1, "path": "$.files[*].name", "pick": ALL},
        "line": {"result": -1, "path": "$.files[*].hits[*]"},
    }
    assert values(arguments, [event(0, "grep", {}, document)]) == [
        {"name": "a", "line": 1},
        {"name": "a", "line": 2},
        {"name": "b", "line": 3},
    ]


def test_fields_of_one_line_stay_together_and_unrelated_lists_go_by_rank():
    template = "{path}:{line:int}:{text}"
    arguments = {
        "path": {"result": -1, "lines": template, "pick": ALL},
        "line": {"result": -1, "lines": template},
        "url": {"result": -2, "path": "$.results[*].url"},
    }
    # The lists begin at different places of their results: only the rank is common to them.
    search = event(0, "search", {}, {"results": [{"title": "no url"}, {"title": "no url"}, *RESULTS["results"]]})
    grep = text_event(1, "grep", {}, "Found:\na/a:1:x\nb/b:2:y\n")
    assert values(arguments, [search, grep]) == [
        {"path": "a/a", "line": 1, "url": "a"},
        {"path": "b/b", "line": 2, "url": "b"},
    ]


def test_the_rest_is_copied_and_named_arguments_win():
    call = event(0, "list", {"page": 1, "q": "x", "deep": {"a": [1]}})
    found = values({"page": {"successor": {"argument": -1}}, "*": {"argument": -1}}, [call], target=Tool("s", "list"))
    assert found == [{"page": 2, "q": "x", "deep": {"a": [1]}}]


def test_another_tool_gets_only_the_rest_that_its_schema_names():
    show = Tool("s", "git_show", input_schema={"properties": {"repo_path": {}, "revision": {}}})
    arguments = {"revision": {"result": -1, "lines": "Commit: {sha}"}, "*": {"argument": -1}}
    assert values(arguments, [LOG], target=show) == [{"revision": "abc1234", "repo_path": "/r"}]


def test_the_same_tool_gets_all_of_the_rest_as_it_was_sent():
    lenient = Tool("s", "list", input_schema={"properties": {"page": {}}})
    call = event(0, "list", {"page": 1, "undeclared": 5})
    found = values({"page": {"successor": {"argument": -1}}, "*": {"argument": -1}}, [call], target=lenient)
    assert found == [{"page": 2, "undeclared": 5}]


@pytest.mark.parametrize(("arguments", "page"), [({"page": 2}, 3), ({"page": "2"}, "3")])
def test_a_page_counts_on_in_its_own_type(arguments, page):
    assert of_pages(arguments) == [{"page": page}]


@pytest.mark.parametrize("arguments", [{}, {"page": None}, {"page": "x"}, {"page": True}, {"page": [1]}])
def test_what_is_not_counted_gives_nothing(arguments):
    assert of_pages(arguments) == []


@pytest.mark.parametrize("value", [None, "", "x" * (columns.MAX_VALUE_CHARS + 1), [0] * columns.MAX_VALUE_NODES])
def test_values_that_mean_nothing_or_are_too_large_are_no_arguments(value):
    assert values({"cursor": {"result": -1, "path": "$.c"}}, [event(0, "list", {}, {"c": value}, "")]) == []


@pytest.mark.parametrize(
    "value", ["x" * columns.MAX_VALUE_CHARS, [0] * (columns.MAX_VALUE_NODES - 1), 2**columns.MAX_VALUE_BITS - 1]
)
def test_values_at_the_limit_are_arguments(value):
    assert values({"a": {"result": -1, "path": "$.c"}}, [event(0, "list", {}, {"c": value}, "")]) == [{"a": value}]


def test_an_integer_of_too_many_bits_is_no_argument():
    huge = event(0, "list", {}, {"c": 2**columns.MAX_VALUE_BITS}, "")
    assert values({"a": {"result": -1, "path": "$.c"}}, [huge]) == []


def test_a_composed_value_may_have_so_many_characters_and_no_more():
    half = mapping.MAX_COMPOSED // 2
    for extra, count in ((0, 1), (1, 0)):
        call = event(0, "search", {"a": "x" * half, "b": "y" * (half - 1 + extra)})
        joined = {"join": [{"argument": -1, "name": "a"}, {"argument": -1, "name": "b"}]}
        assert len(values({"url": joined}, [call])) == count


def test_a_digit_string_may_have_so_many_digits_and_no_more():
    assert of_pages({"page": "1" * mapping.MAX_DIGITS})
    assert not of_pages({"page": "1" * (mapping.MAX_DIGITS + 1)})


SENT, RETURNED, CONST = Ingredient("argument", "s", 0), Ingredient("result", "s", 0), Ingredient("const")


@pytest.mark.parametrize(
    ("source", "ingredients", "composed"),
    [
        (URLS, {RETURNED}, False),
        ({"next": {"result": -1, "path": "$.results[*].url"}}, {RETURNED}, False),
        ({"argument": -1, "name": "q"}, {SENT}, False),
        ({"argument": -1, "default": 1}, {CONST}, False),
        ("text", {CONST}, False),
        ({"join": [{"argument": -1, "name": "q"}, URLS]}, {SENT, RETURNED}, True),
        ({"successor": {"argument": -1, "name": "limit"}, "by": {"argument": -1, "name": "limit"}}, {SENT}, True),
        ({"template": "x{id}", "values": {"id": URLS}}, {CONST, RETURNED}, True),
    ],
)
def test_ingredients_say_where_every_piece_came_from(source, ingredients, composed):
    found = bound({"url": source}, [SEARCH])[0]
    assert (set(found.ingredients), found.composed) == (ingredients, composed)


@pytest.mark.parametrize("source", [{"result": -1, "lines": "Commit: {sha}"}, {"result": -1, "extract": "ids"}])
def test_values_out_of_text_are_composed(source):
    (found,) = bound({"url": source}, [LOG])
    assert (found.ingredients, found.composed) == ((RETURNED,), True)


def test_the_rest_is_an_ingredient_only_where_there_is_one():
    (found,) = bound({"url": "x", "*": {"argument": -1}}, [event(0, "a", {"q": 1})])
    assert set(found.ingredients) == {CONST, SENT}
    (found,) = bound({"url": "x", "*": {"argument": -1}}, [event(0, "a", {})])
    assert set(found.ingredients) == {CONST}


def test_captures_fill_argument_names():
    listed = event(0, "list_issues", {"owner": "o", "issue_state": "open"}, [{"id": 7}])
    made = pattern(
        context=["list_{thing}s"],
        target={"tool": "get_{thing}"},
        arguments={
            "{thing}_id": {"result": -1, "path": "$[*].id"},
            "state": {"argument": -1, "name": "{thing}_state"},
        },
    )
    past = Past([listed], index_of([listed]))
    (found,) = evaluate(made, (listed,), {"thing": "issue"}, Tool("s", "get_issue"), past)
    assert found.arguments == {"issue_id": 7, "state": "open"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=25,
)
MAPPINGS = st.sampled_from(
    [
        {"x": {"result": -1, "path": "$.a[*]", "pick": ALL}},
        {"x": {"result": -1, "path": ["$.*.a", "$[*][*]"]}, "y": {"result": -1, "path": "$.*.b"}},
        {"x": {"join": [{"result": -1, "path": "$[*].a"}, {"result": -1, "path": "$[*].b[*]"}]}},
        {"x": {"successor": {"result": -1, "path": "$[*]"}, "by": {"result": -1, "path": "$[*]"}}},
        {
            "x": {
                "template": "{p}-{q}",
                "values": {"p": {"result": -1, "path": "$.*"}, "q": {"argument": -1, "name": "a"}},
            }
        },
        {"x": {"next": {"result": -1, "path": "$[*]"}, "pick": ALL}, "*": {"argument": -1}},
        {"x": {"next": {"argument": -1, "name": "a"}}},
        {"x": {"result": -1, "lines": "{a}:{b}", "take": "a"}, "y": {"result": -1, "extract": "paths"}},
    ]
)


@given(JSON, JSON, MAPPINGS, st.integers(0, 60))
def test_any_result_is_evaluated_within_the_budget_and_always_alike(first, second, arguments, work):
    made = pattern(context=["a", "b"], arguments=arguments)
    history = [event(0, "a", {"a": 1}, first, "x:y"), event(1, "b", {"a": first}, second, "/a/b:c\nd:e")]
    index = index_of(history)

    def evaluated(work):
        past = Past(history, index, work)
        found = evaluate(made, tuple(history), {}, Tool("s", "visit"), past)
        assert past.budget.left >= -1
        return found

    assert repr(evaluated(work)) == repr(evaluated(work))
    found = evaluated(100_000)
    assert len(found) <= 3 and sum(each.probability for each in found) <= 0.5 + 1e-9


def test_ever_new_rows_of_equal_arguments_end_with_the_budget():
    same = event(0, "search", {}, {"results": [{"url": "a"}] * 1_000})
    past = Past([same], index_of([same]), work=1_500)
    made = pattern(arguments={"url": URLS})
    assert len(evaluate(made, (same,), {}, Tool("s", "visit"), past)) <= 1
    assert past.budget.left == -1
