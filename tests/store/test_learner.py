"""A learner: what it takes in, what it has to tell the store, and what a schema allows it to keep."""

from paste_mcp.core.model import Event, Hints, Payload, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.store.learner import Learner, members_of

SCHEMA = {
    "type": "object",
    "properties": {
        "state": {"enum": ["open", "closed", None]},
        "order": {"anyOf": [{"const": "asc"}, {"type": "null"}], "default": "desc"},
        "deep": {"oneOf": [{"anyOf": [{"anyOf": [{"anyOf": [{"const": "too deep"}]}]}]}]},
        "odd": {"enum": "open", "anyOf": {"enum": ["x"]}},
        "odder": True,
    },
}
LIST = Tool("a", "list", Hints(read_only=True), SCHEMA, "11112222333344445555")
OPEN = Tool("a", "open", Hints(read_only=True), {}, "ffff")
TOOLS = {("a", "list"): LIST, ("a", "open"): OPEN}


def show(learner, tools, *calls):
    """One session of these calls, a turn each."""
    learner.meet(tools.values())
    index, history = ValueIndex(), []
    for turn, (server, tool, arguments) in enumerate(calls):
        event = Event(turn, turn, ToolCall(server, tool, arguments), "ok", Payload(document={"n": turn}), float(turn))
        learner.observe(event, history, tools, index)
        history.append(event)
        index.add(event)
    learner.ended(index)


def test_the_values_that_a_schema_lists_are_found():
    assert members_of(LIST, "id") == {
        ("id", "state", '"open"'),
        ("id", "state", '"closed"'),
        ("id", "state", "null"),
        ("id", "order", '"asc"'),
        ("id", "order", '"desc"'),
    }
    assert members_of(OPEN, "id") == set()


def test_without_the_users_word_only_those_texts_are_kept():
    learner = Learner()
    show(learner, TOOLS, ("a", "list", {"state": "open", "query": "mine"}), ("a", "open", {"id": 7}))
    delta = learner.take()
    assert {item for group, item, _ in delta.free if group[0] == "const"} == {"", '"open"', "7"}
    assert not delta.literals


def test_the_last_turn_counts_once_the_session_has_ended():
    learner = Learner()
    show(learner, TOOLS, ("a", "list", {}), ("a", "open", {"id": 7}))
    follow = {group: item for group, item, _ in learner.take().free if group[0] == "follow" and item and len(group) > 1}
    assert follow[("follow", "a\tlist\t111122223333", "ok")] == "a\topen\tffff"


def test_a_server_that_is_not_speculated_on_teaches_nothing():
    changes = []
    learner = Learner(changed=lambda: changes.append(1))
    show(learner, TOOLS, ("quiet", "list", {"x": 1}), ("quiet", "open", {"x": 2}))
    assert not learner.take()
    assert changes == []


def test_tools_are_told_once_and_again_when_their_definition_changes():
    learner = Learner()
    show(learner, TOOLS, ("a", "list", {}))
    assert learner.take_new_tools() == {"a\tlist\t": "a\tlist\t111122223333", "a\topen\t": "a\topen\tffff"}
    show(learner, dict(TOOLS), ("a", "list", {}))
    assert learner.take_new_tools() == {}
    show(learner, {**TOOLS, ("a", "open"): Tool("a", "open", definition="eeee")}, ("a", "list", {}))
    assert learner.take_new_tools() == {"a\topen\t": "a\topen\teeee"}


def test_what_was_kept_is_foreseen_by_and_is_no_news():
    teacher, learner = Learner(), Learner()
    for _ in range(4):
        show(teacher, TOOLS, ("a", "list", {}), ("a", "open", {"id": 7}))
    learner.remember(teacher.counts)
    assert not learner.take()
    index, event = ValueIndex(), Event(0, 0, ToolCall("a", "list", {}), "ok", Payload(), 0.0)
    learner.observe(event, [], TOOLS, index)
    index.add(event)
    predictions = learner.predict([event], TOOLS, index)
    assert ToolCall("a", "open", {"id": 7}) in [prediction.call for prediction in predictions]
