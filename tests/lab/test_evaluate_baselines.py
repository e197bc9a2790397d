"""What each baseline foresees on toy sessions, and that none does better than perfect knowledge."""

import pytest
from evaluate_makers import call, guess, lesson, lessons, read, reading, recorded, session, write
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.model import Ingredient
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.lab.baselines.oracle import Oracle
from paste_mcp.lab.evaluate.folds import by_task
from paste_mcp.lab.evaluate.judging import Asked, judge
from paste_mcp.lab.evaluate.lessons import reads_of, tool_of
from paste_mcp.lab.evaluate.methods import baselines, ours
from paste_mcp.lab.evaluate.play import DEFAULT_POLICY
from paste_mcp.lab.evaluate.recording import record, replay

METHODS = {method.name: method for method in baselines()}


def foreseen(name, taught, *turns):
    """What the baseline says after the last turn, as (tool, arguments), best first."""
    return [(p.call.tool, dict(p.call.arguments)) for p in predictions(name, taught, *turns)]


def predictions(name, taught, *turns):
    method = METHODS[name]
    forecaster = method.session(method.train(lessons(*taught)))
    made = lesson(*turns)
    tools = {key: tool_of(key, reads) for key, reads in reads_of([*lessons(*taught), made]).items()}
    for position, event in enumerate(made.events):
        forecaster.observe(event, made.events[:position], tools, ValueIndex())
    return forecaster.predict(made.events, tools, ValueIndex())


def opened(number, **more):
    return call("s/open_it", {"id": number}, **more)


def listed(*ids):
    return call("s/list_them", {}, {"items": [{"id": number} for number in ids]})


# --- each in its own way ------------------------------------------------------------------------------------------


def test_repeat_last_says_each_call_of_the_last_turn_again():
    assert foreseen("repeat_last", [], read(1), [read(2), read(3)]) == [("read_it", {"n": 2}), ("read_it", {"n": 3})]


def test_repeat_last_knows_which_tools_are_repeated():
    taught = [session(*(read(0) for _ in range(9)))]
    (sure,) = predictions("repeat_last", taught, read(5))
    (unsure,) = predictions("repeat_last", [session(*(read(n) for n in range(9)))], read(5))
    assert sure.probability > 0.6 > 0.1 > unsure.probability


def test_repeat_last_counts_each_call_of_a_turn_once():
    taught = [session([read(1), read(2)], [read(1), read(2), read(3)])]
    assert predictions("repeat_last", taught, read(5))[0].probability > 0.4


def test_unigram_says_the_most_frequent_calls_whatever_happened():
    taught = [session(read(1), read(2), read(2), write(), write(), write())]
    assert foreseen("unigram", taught, read(7)) == [
        ("read_it", {"n": 2}),
        ("read_it", {"n": 1}),
        ("read_it", {"n": 7}),
    ]
    assert predictions("unigram", taught, read(7))[0].probability == pytest.approx(2 / 8)


def test_memo_says_the_sessions_earlier_reads_again():
    assert foreseen("memo", [session(read(9))], read(1), write(), read(2)) == [
        ("read_it", {"n": 2}),
        ("read_it", {"n": 1}),
    ]


def test_memo_learns_how_late_calls_come_again():
    taught = [session(read(1), read(2), read(1), read(2), read(1), read(2))]
    assert foreseen("memo", taught, read(5), read(6))[0] == ("read_it", {"n": 5})


def test_memo_takes_calls_side_by_side_for_no_repeats():
    together = [session([read(1), read(1), read(1), read(1)], id=str(n)) for n in range(5)]
    assert all(said.probability < 0.02 for said in predictions("memo", together, read(5), read(6)))


def test_specfaas_says_what_followed_exactly_this_call():
    taught = [session(opened(1), read(10)), session(opened(2), read(20)), session(opened(2), read(20))]
    assert foreseen("specfaas", taught, opened(1)) == [("read_it", {"n": 10})]


def test_specfaas_falls_back_to_what_followed_the_tool():
    taught = [session(opened(1), read(10)), session(opened(2), read(20)), session(opened(2), read(20))]
    assert foreseen("specfaas", taught, opened(3)) == [("read_it", {"n": 20}), ("read_it", {"n": 10})]


def test_specfaas_weighs_the_tool_with_the_arguments():
    taught = [session(opened(1), listed(1)), session(opened(1), read(1)), session(opened(1), read(1))]
    first, second = predictions("specfaas", taught, opened(1))
    assert (first.call.tool, first.probability) == ("read_it", pytest.approx(2 / 4 * 2 / 3))
    assert (second.call.tool, second.probability) == ("list_them", pytest.approx(1 / 4 * 1 / 2))


def test_bigram_copies_from_one_path_of_the_result():
    taught = [session(listed(4, 5), opened(4)), session(listed(6, 7), opened(6))]
    (found,) = predictions("bigram", taught, listed(8, 9))
    assert (found.call.server, found.call.tool, found.call.arguments) == ("s", "open_it", {"id": 8})
    assert [each.kind for each in found.ingredients] == ["result"]
    assert found.probability == pytest.approx(0.45)


def test_bigram_copies_arguments_and_keeps_constants():
    def pair(number):
        return session(opened(number), call("s/show_it", {"id": number, "all": True}))

    (found,) = predictions("bigram", [pair(1), pair(2)], opened(3))
    assert found.call.arguments == {"id": 3, "all": True}


def test_bigram_wants_two_observations_on_one_server():
    assert foreseen("bigram", [session(listed(4), opened(4))], listed(8)) == []
    other = call("other/open_it", {"id": 4})
    assert foreseen("bigram", [session(listed(4), other), session(listed(4), other)], listed(8)) == []


POISON = {
    "a value from nowhere": opened(99),
    "another form": call("s/open_it", {"id": 6, "more": 1}),
}


@pytest.mark.parametrize("last", POISON.values(), ids=POISON)
def test_bigram_is_poisoned_for_good_by_one_contradiction(last):
    good = [session(listed(n, 0), opened(n)) for n in (1, 2, 3)]
    assert foreseen("bigram", good, listed(8)) == [("open_it", {"id": 8})]
    assert foreseen("bigram", [*good, session(listed(6), last), *good, *good], listed(8)) == []


def test_bigram_stays_silent_where_its_source_is_missing():
    taught = [session(listed(4, 5), opened(4)), session(listed(6, 7), opened(6))]
    assert foreseen("bigram", taught, listed()) == []


def test_bigram_is_sure_up_to_a_limit():
    taught = [session(listed(n, 0), opened(n)) for n in range(1, 10)]
    assert predictions("bigram", taught, listed(20))[0].probability == 0.55


# --- all alike ----------------------------------------------------------------------------------------------------

LOOP = [[listed(n, 50 + n), opened(n), read(n), write(), read(n), listed(n)] for n in range(1, 8)]


@pytest.mark.parametrize("name", [*METHODS, "ours"])
def test_cutting_a_session_short_does_not_change_what_was_said_before(name):
    method = METHODS.get(name) or ours()
    taught = lessons(*(session(*turns, id=str(n)) for n, turns in enumerate(LOOP[1:])))
    forecaster = method.train(taught)
    tools = reads_of(taught[:2])
    turns = [*LOOP[0], [opened(51), opened(3)], call("new/tool_it", {"a": "x"}), read(51), read(51), listed(3)]
    whole = record(lesson(*turns), method.session(forecaster), tools, indexed=method.indexed)
    assert any(whole.turns), "something must be said"
    for length in range(1, len(turns)):
        cut = record(lesson(*turns[:length]), method.session(forecaster), tools, indexed=method.indexed)
        assert said(cut) == said(whole)[:length]
        for rules in ({}, {"rules": DEFAULT_POLICY}):
            before = [each for each in replay(whole, 0.1, 3, **rules).issued if each[0] < len(cut.lesson.events)]
            assert replay(cut, 0.1, 3, **rules).issued == before


def said(recording):
    return [[guess.prediction for guess in turn] for turn in recording.turns]


@pytest.mark.parametrize("name", METHODS)
def test_a_session_leaves_nothing_behind(name):
    method = METHODS[name]
    forecaster = method.train(lessons(session(*LOOP[1])))
    before = [said(record(lesson(*LOOP[0]), method.session(forecaster), {})) for _ in range(2)]
    record(lesson(*LOOP[2]), method.session(forecaster), {})
    assert said(record(lesson(*LOOP[0]), method.session(forecaster), {})) == before[0] == before[1]


def test_the_oracle_answers_every_later_read_that_a_guess_could():
    made = lesson(read(0), [read(1), read(2)], write(), read(3), [write(), read(4)], *(read(n) for n in range(9)))
    played = replay(Oracle().foretell(made), 0.0, 3)
    assert len(played.hits) == len(played.issued)
    first, writes, after_a_write_in_its_turn = {0}, {3, 5}, {6}
    assert set(played.hits) == set(range(len(made.events))) - first - writes - after_a_write_in_its_turn


def test_the_oracle_makes_room_early_for_a_turn_of_many_calls():
    made = lesson(read(0), read(1), [read(n) for n in range(2, 8)])
    assert len(replay(Oracle().foretell(made), 0.0, 3).hits) == 6, "one before the last turn, two held since the first"
    assert len(replay(Oracle().foretell(made), 0.0, 1).hits) == 2


moves = st.lists(
    st.lists(st.one_of(st.integers(0, 4).map(read), st.just(write())), min_size=1, max_size=4), min_size=1, max_size=10
)


@given(moves, st.lists(st.lists(st.integers(0, 4), max_size=4, unique=True), max_size=10), st.integers(1, 3))
def test_nobody_foresees_more_than_the_oracle(turns, said, top):
    made = lesson(*turns)
    other = recorded(made, {turn: [reading(n) for n in numbers] for turn, numbers in enumerate(said)})
    assert len(replay(other, 0.1, top).hits) <= len(replay(Oracle().foretell(made), 0.0, top).hits)


def test_each_method_can_be_judged_on_a_plan():
    made = lessons(*(session(*turns, id=str(n)) for n, turns in enumerate(LOOP)))
    numbers = tuple(range(len(made)))
    (plan, *_) = by_task("x", made, numbers, numbers, numbers, 5)
    for method in [*METHODS.values(), ours(), Oracle()]:
        part = judge(plan, method, made, Asked())
        assert len(part.played) == len(plan.test), method.name


def test_values_of_other_servers_count_for_prediction_and_not_under_the_policy():
    made = lesson(read(0), read(1), call("t/read_it", {"n": 1}))
    foreign = guess("s/read_it", {"n": 1}, ingredients=(Ingredient("result", "t", 0),))
    recording = recorded(made, {0: [foreign]})
    assert replay(recording, 0.5, 3).hits == [1]
    assert replay(recording, 0.5, 3, DEFAULT_POLICY).hits == []
    assert replay(recorded(made, {0: [reading(1)]}), 0.5, 3, DEFAULT_POLICY).hits == [1]


def test_tools_that_the_policy_suspects_are_not_issued_under_it_and_make_guesses_stale():
    suspect = call("s/run_it", {"n": 1})
    made = lesson(read(0), suspect, read(2))
    recording = recorded(made, {0: [guess("s/run_it", {"n": 1}), reading(2)]})
    assert replay(recording, 0.5, 3).hits == [1, 2]
    under_policy = replay(recording, 0.5, 3, DEFAULT_POLICY)
    assert (under_policy.hits, len(under_policy.issued)) == ([], 1)
