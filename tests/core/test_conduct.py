"""How tools behave when they are called early, and whether a served result is what the server says a second time."""

import pytest

from paste_mcp.core.keys import call_key
from paste_mcp.core.model import ToolCall
from paste_mcp.core.speculation.conduct import Conduct
from paste_mcp.core.speculation.verify import ALWAYS, MAX_WAITING, Check, Checks, same

TOOL = ("a", "read")


@pytest.mark.parametrize(
    ("failed", "guesses", "told"),
    [(9, 9, None), (2, 10, None), (3, 10, "3 of 10 early calls of it failed"), (20, 100, None), (21, 100, "21 of 100")],
)
def test_a_tool_whose_guesses_fail_too_often_is_told(failed, guesses, told):
    conduct = Conduct()
    for n in range(guesses):
        conduct.guessed(TOOL, failed=n < failed)
    assert (conduct.failing(TOOL) or "").startswith(told or "\0") is (told is not None)
    assert conduct.failing(("a", "other")) is None


@pytest.mark.parametrize(
    ("differing", "checked", "bad"), [(1, 1, False), (1, 3, False), (2, 3, True), (2, 100, False), (3, 100, True)]
)
def test_a_tool_that_does_not_repeat_itself_is_told(differing, checked, bad):
    conduct = Conduct()
    for n in range(checked):
        conduct.checked(TOOL, same=n >= differing)
    assert (conduct.unlike_itself(TOOL) is not None) is bad


def text(said, **more):
    return {"content": [{"type": "text", "text": said}], **more}


@pytest.mark.parametrize(
    ("first", "second", "ignore", "alike"),
    [
        (text("a"), text("a"), (), True),
        (text("a"), text("b"), (), False),
        (text("a", isError=False), text("a", resultType="complete"), (), True),
        (text("a"), text("a", isError=True), (), False),
        (text("a", _meta={"t": 1}), text("a", _meta={"t": 2}), (), True),
        ({"structuredContent": {"x": 1}}, {"structuredContent": {"x": True}}, (), False),
        # what may differ
        ({"structuredContent": {"x": 1, "ms": 3}}, {"structuredContent": {"x": 1, "ms": 4}}, ("$.ms",), True),
        ({"structuredContent": {"x": 1, "ms": 3}}, {"structuredContent": {"x": 2, "ms": 4}}, ("$.ms",), False),
        ({"structuredContent": {"x": 1, "ms": 3}}, {"structuredContent": {"x": 1}}, ("$.ms",), True),
        (text('{"x": 1, "ms": 3}'), text('{"ms":4,"x":1}'), ("$.ms",), True),
        (text('{"x": 1, "ms": 3}'), text('{"x": 1, "ms": 4}'), (), False),
        (text('[{"at": 1, "n": 1}, {"at": 2}]'), text('[{"at": 5, "n": 1}, {"at": 6}]'), ("$[*].at",), True),
        (text('[1, 2, 3]'), text('[1, 9, 3]'), ("$[1]",), True),
        (text('[1, 2, 3]'), text('[1, 9, 3]'), ("$[1:2]",), True),
        (text('[1, 2, 3]'), text('[1, 9, 3]'), ("$[7]",), False),
        (text('{"a": {"b": 1}}'), text('{"a": {"b": 2}}'), ("$.a.b", "$.none.b"), True),
        (text("took 3 ms"), text("took 4 ms"), ("$.ms",), False),
        (text("x"), text("y"), ("$",), False),
        ({"structuredContent": 1}, {"structuredContent": 2}, ("$",), True),
        (text("[NaN]"), text("[NaN]"), ("$.x",), True),
    ],
)  # fmt: skip
def test_two_results_are_compared_without_what_may_differ(first, second, ignore, alike):
    assert same(first, second, ignore) is alike
    assert same(second, first, ignore) is alike


def check(n):
    call = ToolCall("a", "read", {"n": n})
    return Check(call_key(call, ""), call, "p", text(str(n)))


def test_the_first_results_of_a_tool_are_checked_and_then_a_share_of_them():
    chosen = []
    checks = Checks()
    for n in range(2_000):
        checks.served(check(n), 0.05)
        if (found := checks.next()) is not None:
            chosen.append(found.call.arguments["n"])
            checks.start(n)
            checks.end(n)
    assert chosen[:ALWAYS] == [0, 1, 2]
    assert 60 <= len(chosen) <= 140


def test_the_same_results_are_chosen_again():
    def chosen():
        checks, found = Checks(), []
        for n in range(300):
            checks.served(check(n), 0.1)
            if checks.next() is not None:
                found.append(n)
                checks.start(n)
        return found

    assert chosen() == chosen()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_more_wait_than_there_is_room_for_and_none_without_the_users_word(share):
    checks = Checks()
    for n in range(MAX_WAITING + 5):
        checks.served(check(n), share)
    assert len(checks) == (MAX_WAITING if share else 0)


def test_a_dropped_check_means_nothing_any_more():
    checks = Checks()
    for n in range(2):
        checks.served(check(n), 1.0)
    checks.start(7)
    assert checks.drop(lambda key: key.server == "b") == []
    assert checks.drop(lambda key: key.server == "a") == [7]
    assert checks.next() is None
    assert checks.runs(7)
    assert checks.end(7) is None
