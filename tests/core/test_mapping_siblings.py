"""The next in line: what is left of a list, and the list from which an argument was taken."""

import pytest
from pattern_makers import bound, event, index_of, pattern, text_event, values

from paste_mcp.core.model import Ingredient, Tool
from paste_mcp.core.patterns.mapping import evaluate
from paste_mcp.core.patterns.past import Past

RESULTS = {"results": [{"url": "a", "n": 1}, {"url": "b", "n": 2}, {"url": "c", "n": 3}, {"url": "d", "n": 4}]}
SEARCH = event(0, "search", {"q": "x"}, RESULTS)
ALL = {1: 0.4, 2: 0.2, 3: 0.1}
NEXT = {"url": {"next": {"result": -1, "path": "$.results[*].url"}, "pick": ALL}}
WHICHEVER = {"?": {"next": {"argument": -1}, "pick": ALL}}


def visit(index, url, **more):
    return event(index, "visit", {"url": url}, {"text": "page"}, "", **more)


def after(*urls, server="s"):
    """What is next of the search's list after visits to these."""
    history = [SEARCH, *(visit(number, url, server=server) for number, url in enumerate(urls, 1))]
    return [found["url"] for found in values(NEXT, [SEARCH], history=history)]


def moved_on(history, remembered=None):
    """The last call moved on to its siblings, with a history that may have forgotten something."""
    last = history[-1]
    made = pattern(context=["*"], target={"tool": "same"}, arguments=WHICHEVER)
    past = Past(history if remembered is None else remembered, index_of(history))
    return evaluate(made, (last,), {}, Tool(last.call.server, last.call.tool), past)


def repeated(history):
    return [found.arguments for found in moved_on(history)]


@pytest.mark.parametrize(
    ("used", "left"),
    [
        ((), ["a", "b", "c"]),
        (("a",), ["b", "c", "d"]),
        (("a", "b"), ["c", "d"]),
        (("c", "a"), ["b", "d"]),
        (("b",), ["c", "d"]),
        (("d",), []),
        (("elsewhere",), ["a", "b", "c"]),
        (("a", "elsewhere"), ["b", "c", "d"]),
    ],
)
def test_next_goes_on_after_the_last_one_used(used, left):
    assert after(*used) == left


def test_calls_to_another_server_use_nothing_up():
    assert after("a", server="other") == ["a", "b", "c"]


def test_next_is_the_argument_of_the_target_tool_only():
    history = [SEARCH, event(1, "other", {"url": "a"}), event(2, "visit", {"link": "a"})]
    assert [found["url"] for found in values(NEXT, [SEARCH], history=history)] == ["a", "b", "c"]


def test_a_one_is_not_used_up_by_a_true_or_a_digit():
    numbers = event(0, "search", {}, {"results": [{"url": 1}, {"url": 2}]})
    history = [numbers, visit(1, True), visit(2, "1"), visit(3, 1.0)]
    assert values(NEXT, [numbers], history=history)[0] == {"url": 1}


def test_siblings_follow_in_the_list_the_value_was_taken_from():
    history = [SEARCH, visit(1, "b")]
    sibling = {"url": {"next": {"argument": -1}, "pick": ALL}}
    (first, second) = bound(sibling, [history[1]], history=history)
    assert (first.arguments, second.arguments) == ({"url": "c"}, {"url": "d"})
    assert first.ingredients == (Ingredient("result", "s", 0),) and not first.composed


def test_siblings_already_used_are_passed_over():
    assert repeated([SEARCH, visit(1, "c"), visit(2, "b")]) == [{"url": "d"}]


def test_the_most_recent_list_counts():
    newer = event(1, "search", {}, {"results": [{"url": "b"}, {"url": "z"}]})
    assert repeated([SEARCH, newer, visit(2, "b")]) == [{"url": "z"}]


def test_an_older_list_counts_where_the_newer_one_ends():
    newer = event(1, "search", {}, {"results": [{"url": "z"}, {"url": "b"}]})
    assert repeated([SEARCH, newer, visit(2, "b")]) == [{"url": "c"}, {"url": "d"}]


def test_lists_of_other_servers_and_of_the_call_itself_do_not_count():
    own = event(1, "visit", {"url": "b"}, {"see": ["b", "y"]}, "")
    assert repeated([event(0, "search", {}, RESULTS, server="other"), own]) == []


def test_the_innermost_list_goes_before_the_one_around_it():
    nested = event(0, "search", {}, {"groups": [{"ids": ["a", "b"]}, {"ids": ["c"]}]})
    assert repeated([nested, visit(1, "a")]) == [{"url": "b"}]
    assert repeated([nested, visit(1, "a"), visit(2, "b")]) == []  # the second group has no second entry
    single = event(0, "search", {}, {"groups": [{"ids": ["a"]}, {"ids": ["c"]}]})
    assert repeated([single, visit(1, "a")]) == [{"url": "c"}]


def test_exactly_one_argument_moves_on_and_the_others_are_copied():
    call = event(1, "visit", {"limit": 2, "url": "b", "deep": True})
    (first, _) = moved_on([SEARCH, call])
    assert first.arguments == {"limit": 2, "url": "c", "deep": True}
    assert set(first.ingredients) == {Ingredient("result", "s", 0), Ingredient("argument", "s", 1)}


def test_a_text_moves_on_before_a_number():
    call = event(1, "visit", {"n": 2, "url": "b"})
    assert repeated([SEARCH, call])[0] == {"n": 2, "url": "c"}
    assert repeated([SEARCH, event(1, "visit", {"n": 2, "url": "elsewhere"})])[0] == {"n": 3, "url": "elsewhere"}


def test_siblings_in_plain_text_are_the_following_lines_or_identifiers():
    found = text_event(0, "search_files", {}, "/a/b c\n\n/a/d\n")
    (sibling,) = moved_on([found, event(1, "read", {"path": "/a/b c"})])
    assert (sibling.arguments, sibling.composed) == ({"path": "/a/d"}, True)
    log = text_event(0, "git_log", {}, "Commit: abc1234\nCommit: def5678\n")
    (sibling,) = moved_on([log, event(1, "git_show", {"revision": "abc1234", "repo": "r"})])
    assert sibling.arguments == {"revision": "def5678", "repo": "r"}
    page = text_event(0, "fetch", {}, "[a](https://e.org/a) [b](https://e.org/b)")
    (sibling,) = moved_on([page, event(1, "fetch", {"url": "https://e.org/a"})])
    assert sibling.arguments == {"url": "https://e.org/b"}


def test_a_call_without_arguments_has_no_sibling():
    assert moved_on([SEARCH, event(1, "visit", {})]) == []


def test_an_origin_that_is_no_longer_remembered_gives_nothing():
    history = [SEARCH, visit(1, "b")]
    assert moved_on(history) and moved_on(history, remembered=history[1:]) == []
