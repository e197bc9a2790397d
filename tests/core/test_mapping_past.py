"""What mappings may read of a session: events by index, used values, each within its bound."""

import pytest
from pattern_makers import event, index_of, pattern, values

from paste_mcp.core.model import Tool
from paste_mcp.core.patterns import mapping, past
from paste_mcp.core.patterns.mapping import evaluate
from paste_mcp.core.patterns.past import Past


def of(history):
    return Past(history, index_of([]))


def test_events_are_found_by_index_also_after_a_gap():
    history = [event(3, "a"), event(7, "b"), event(8, "c")]
    assert [of(history).event(index) for index in (3, 7, 8)] == history
    assert [of(history).event(index) for index in (0, 4, 9)] == [None] * 3


def test_what_is_made_is_made_once():
    made = []
    remembered = of([])
    assert [remembered.once("key", lambda: made.append(1) or 5) for _ in range(2)] == [5, 5] and made == [1]


@pytest.mark.parametrize(("before", "count"), [(mapping.MAX_RELATED - 1, 1), (mapping.MAX_RELATED, 0)])
def test_only_so_many_arguments_of_a_call_are_tried_for_a_sibling(before, count):
    arguments = {f"a{n:03}": None for n in range(before)} | {"url": "a"}
    history = [event(0, "search", {}, ["a", "b"]), event(1, "visit", arguments)]
    made = pattern(context=["*"], target={"tool": "same"}, arguments={"?": {"next": {"argument": -1}}})
    found = evaluate(made, (history[1],), {}, Tool("s", "visit"), Past(history, index_of(history)))
    assert len(found) == count


def test_a_text_that_costs_more_than_is_left_is_not_read():
    log = event(0, "search", {}, None, "a:b\n" * 100)
    made = pattern(arguments={"url": {"result": -1, "lines": "{a}:{b}", "take": "a"}})
    cost = 1 + 100 + 400 // past.CHARS_PER_UNIT
    for work, count in ((cost + 100, 1), (cost - 1, 0)):
        assert len(evaluate(made, (log,), {}, Tool("s", "visit"), Past([log], index_of([]), work))) == count


def test_one_prediction_may_do_so_much_and_no_more():
    assert Past([], index_of([])).budget.left == past.MAX_WORK
    assert values({"url": "x"}, [event(0, "search")]) == [{"url": "x"}]
