"""What would come if one more call had been made: the same as if it had, and nothing is changed by asking."""

from hypothesis import given
from hypothesis import strategies as st
from test_learnt_foresight import SEARCH, Told, found, searches

from paste_mcp.core.model import Event, Payload, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.patterns.supposed import SupposedIndex
from paste_mcp.core.prediction.learnt.forecast import Foresight

VALUES = st.sampled_from(["a", "b", "c", 1, 2])
EVENTS = st.lists(st.tuples(VALUES, st.lists(VALUES, max_size=3)), min_size=1, max_size=5)


def events(described):
    return [
        Event(index, index, ToolCall("s", "t", {"x": given}), "ok", Payload(document=brought), float(index))
        for index, (given, brought) in enumerate(described)
    ]


@given(EVENTS)
def test_a_supposed_event_is_found_like_one_that_happened(described):
    *happened, supposed = events(described)
    before, after = ValueIndex(), ValueIndex()
    for event in happened:
        before.add(event)
        after.add(event)
    after.add(supposed)
    index = SupposedIndex(before, supposed)
    assert len(index) == len(after)
    for value in ("a", "b", "c", 1, 2, "never"):
        assert index.places(value) == after.places(value)
    assert list(index.used.of("s", "t", "x").items()) == list(after.used.of("s", "t", "x").items())
    assert all(place.event < supposed.index for value in ("a", "b", 1) for place in before.places(value))


def supposing(told, tool, arguments, document):
    call = ToolCall("srv", tool, arguments)
    event = Event(len(told.history), told.turn + 1, call, "ok", Payload(document=document), 0.0)
    index = SupposedIndex(told.index, event)
    return told.foresight.predict([*told.history, event], told.tools, index)


def test_what_was_learnt_foresees_from_a_supposed_call_what_it_would_from_a_real_one():
    counts = searches(3, SEARCH)
    one, twin = (Told(Foresight(counts), SEARCH).call("open", {"id": "first"}, "text") for _ in range(2))
    plain = one.predictions()
    ahead = supposing(one, "search", {"query": "another"}, found("n1", "n2"))
    assert one.predictions() == plain
    twin.predictions()
    twin.call("search", {"query": "another"}, found("n1", "n2"))
    # The real call teaches something, too, so that only the probabilities differ a little.
    assert [p.call for p in ahead] == [p.call for p in twin.predictions()]
    assert ahead[0].call.arguments == {"id": "n1"}
    assert ahead[0].ingredients == twin.predictions()[0].ingredients
    # When it comes, that is learnt from it which would have been without the question.
    one.call("search", {"query": "another"}, found("n1", "n2"))
    assert one.predictions() == twin.predictions()
    assert sorted(one.shown(), key=str) == sorted(twin.shown(), key=str)
