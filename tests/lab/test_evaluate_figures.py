"""What is counted: shares, top-k, Brier score, reliability, ceilings, and why calls were missed."""

import json
from dataclasses import replace
from io import StringIO

import pytest
from evaluate_makers import call, guess, lesson, lessons, read, reading, recorded, session, write

from paste_mcp.lab.evaluate.ceilings import ceilings, derivable
from paste_mcp.lab.evaluate.figures import Sizes, best_guesses, figures_of, reliability
from paste_mcp.lab.evaluate.folds import Plan
from paste_mcp.lab.evaluate.judging import Judged
from paste_mcp.lab.evaluate.misses import ROWS, misses
from paste_mcp.lab.evaluate.play import DEFAULT_POLICY
from paste_mcp.lab.evaluate.recording import replay
from paste_mcp.lab.evaluate.report import dump

NOWHERE = Plan("x", (), (), ())


def judged(*recordings, threshold=0.5, top=3):
    return Judged(
        NOWHERE,
        threshold,
        list(recordings),
        [replay(each, threshold, top) for each in recordings],
        [replay(each, threshold, top, DEFAULT_POLICY) for each in recordings],
    )


def test_shares_are_of_all_calls_after_the_first_turn():
    one = recorded(lesson([read(0), read(1)], read(2), write(), read(3)), {0: [reading(2), reading(8)]})
    two = recorded(lesson(read(0), read(1), read(2)), {1: [reading(2)]})
    figures = figures_of([judged(one), judged(two)], top=3)
    assert Sizes.of([one.lesson, two.lesson]) == Sizes(calls=8, read_only=7, demand_after_first=5)
    assert (figures.hits, figures.issued, figures.hit_pct) == (2, 3, 40.0)
    assert (figures.wasted_per_hit, figures.accuracy) == (0.5, pytest.approx(2 / 3))


def test_without_hits_there_is_no_ratio():
    figures = figures_of([judged(recorded(lesson(read(0), read(1)), {0: [reading(9)]}))], top=3)
    assert (figures.hits, figures.issued, figures.wasted_per_hit, figures.accuracy) == (0, 1, None, 0.0)
    silent = figures_of([judged(recorded(lesson(read(0)), {}))], top=3)
    assert (silent.hit_pct, silent.accuracy, silent.brier, silent.decision_us_p99) == (0.0, None, None, None)


def test_top_k_looks_at_the_best_guesses_after_the_turn_before_however_unsure():
    said = {0: [reading(5, 0.01), reading(1, 0.01)], 1: [reading(2, 0.01)]}
    figures = figures_of([judged(recorded(lesson(read(0), read(1), [read(2), read(5)]), said))], top=3)
    assert (figures.hits, figures.top1_pct, figures.top3_pct) == (0, pytest.approx(100 / 3), pytest.approx(200 / 3))


def test_top_k_is_of_read_only_calls():
    made = lesson(read(0), call("s/read_it", {"n": 1}, read=False))
    assert figures_of([judged(recorded(made, {0: [reading(1)]}))], top=3).top1_pct == 0


def test_brier_is_of_the_best_guesses_beside_that_of_their_base_rate():
    said = {0: [reading(1, 0.8), reading(2, 0.6), reading(9, 0.4)]}
    figures = figures_of([judged(recorded(lesson(read(0), read(1), write(), read(2)), said))], top=2)
    assert figures.brier == pytest.approx((0.2**2 + 0.6**2) / 2)
    assert figures.brier_base == pytest.approx(0.25)


def test_reliability_holds_what_came_against_what_was_promised():
    said = {0: [reading(1, 1.0), reading(2, 0.85), reading(8, 0.85), reading(9, 0.01)]}
    bins = reliability(best_guesses([recorded(lesson(read(0), read(1), read(2)), said)], top=4))
    assert [(each.below, each.guesses, each.promised, each.came) for each in bins] == [
        (0.02, 1, 0.01, 0.0),
        (0.9, 2, 0.85, 0.5),
        (1.0, 1, 1.0, 1.0),
    ]


def test_times_are_the_quantiles_of_all_decisions():
    recording = recorded(lesson(read(0)), {})
    recording.predict_ns = [1000 * n for n in range(1, 101)]
    recording.index_ns = [5000]
    figures = figures_of([judged(recording)], top=3)
    assert (figures.decision_us_p50, figures.decision_us_p99, figures.index_us_p50) == (51.0, 100.0, 5.0)


def test_a_dumped_guess_names_its_tool_as_the_trace_does_known_before_or_not():
    known, made = lessons(session(call("mcp__s__old_it")), session(read(0), call("s/new_it"), id="two"))
    recording = recorded(made, {1: [guess("s/new_it", {"n": 1}), guess("s/old_it")]})
    part = replace(judged(recording), plan=Plan("x", (0,), (), (1,)))
    file = StringIO()
    dump(file, [part], [known, made])
    assert [json.loads(line) for line in file.getvalue().splitlines()] == [
        {"session": "two", "after_call": 1, "tool": "s/new_it", "arguments": {"n": 1}},
        {"session": "two", "after_call": 1, "tool": "mcp__s__old_it", "arguments": {}},
    ]


# --- ceilings -----------------------------------------------------------------------------------------------------

SEEN = [
    ("abc", "text abc", True),
    ("abc", "xabcx", True),
    ("abc", "ab c", False),
    (12, "page 12 of", True),
    (12, "page 123", False),
    ("", "", True),
    (True, "it is true", True),
    ({"a": ["abc", 1]}, "abc 1", True),
    ({"a": ["abc", 1]}, "abc 2", False),
]


@pytest.mark.parametrize(("value", "text", "could"), SEEN)
def test_a_call_could_be_foreseen_where_every_value_was_seen(value, text, could):
    made = lesson(call("s/list_it", result=text), call("s/read_it", {"v": value}))
    assert derivable(made)[1] == (could, could)


def test_earlier_arguments_count_and_the_own_turn_does_not():
    made = lesson(read(7), [read(7), call("s/read_it", {"n": 8}, "9")], call("s/a_b", {"n": [7, 8, 9]}), read(9))
    assert [copied for copied, _ in derivable(made)] == [False, True, False, True, True]


def test_a_path_may_be_joined_of_its_folder_and_its_name():
    made = lesson(call("s/list_it", {"folder": "/a"}, "b.txt"), call("s/read_it", {"path": "/a/b.txt"}))
    assert derivable(made)[1] == (False, True)


def test_what_is_not_read_only_could_not():
    assert derivable(lesson(write(), write()))[1] == (False, False)


def test_the_ceiling_wants_a_tool_that_is_likely_by_training():
    made = lessons(
        session(read(1), read(1)),
        session(call("s/a_b"), call("s/read_it", {}), id="two"),
        session(call("s/c_d"), call("s/e_f", {}), id="three"),
    )
    assert ceilings([Plan("x", (0,), (), (1, 2))], made).copied == 1, "`read_it` is usual, `e_f` unheard of"
    assert ceilings([Plan("x", (0, 2), (), (1, 2))], made).copied == 2


# --- misses -------------------------------------------------------------------------------------------------------

LIST = call("s/list_it", {}, {"ids": ["k-1"], "note": "see /a/file.txt and q-2 there"})
LAST = {"v": "k-1"}
WHY = {
    "hit": ([LIST, call("s/read_it", LAST)], {0: [guess("s/read_it", LAST)]}),
    "not read-only": ([LIST, write()], {}),
    "foreseen, dropped by a write or used before": (
        [LIST, [write(), call("s/read_it", LAST)]],
        {0: [guess("s/read_it", LAST)]},
    ),
    "foreseen, but not sure enough": ([LIST, call("s/read_it", LAST)], {0: [guess("s/read_it", LAST, 0.1)]}),
    "foreseen, but outranked": ([LIST, call("s/read_it", LAST)], {0: [*map(reading, "abc"), guess("s/read_it", LAST)]}),
    "values all extracted, tool not proposed": ([LIST, call("s/read_it", LAST)], {}),
    "values all extracted, call not composed": ([LIST, call("s/read_it", LAST)], {0: [reading("a")]}),
    "value only inside text, not extracted": ([LIST, call("s/read_it", {"v": "q-2"})], {}),
    "value absent, short": ([LIST, call("s/read_it", {"v": "2024-01-01"})], {}),
    "value absent, free text": ([LIST, call("s/read_it", {"v": "what is the weather like"})], {}),
}


@pytest.mark.parametrize(("why", "case"), WHY.items(), ids=WHY)
def test_a_miss_is_told_by_its_first_reason(why, case):
    turns, said = case
    counts = misses([judged(recorded(lesson(*turns), said))], top=3)
    demand = sum(len(turn) if isinstance(turn, list) else 1 for turn in turns[1:])
    assert counts[why] == 1 and counts.total() == demand


def test_every_reason_has_its_test():
    assert tuple(WHY) == ROWS


def test_an_older_guess_counts_while_it_would_be_good():
    late = [LIST, read(1), read(1), call("s/read_it", LAST)]
    said = {0: [guess("s/read_it", LAST, 0.1)]}
    assert misses([judged(recorded(lesson(*late), said))], top=3)["foreseen, but not sure enough"] == 1
    stale = [LIST, read(1), write(), call("s/read_it", LAST)]
    assert misses([judged(recorded(lesson(*stale), said))], top=3)["foreseen, but not sure enough"] == 0
