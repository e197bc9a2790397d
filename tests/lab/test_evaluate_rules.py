"""The rules of scoring, each pinned: by the engine, whose figures are reported, and by the plain count beside it."""

import json
from dataclasses import dataclass, field

import pytest
from evaluate_makers import call, guess, lesson, read, reading, recorded, session, write
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.lab.evaluate.figures import after_first
from paste_mcp.lab.evaluate.play import NEVER
from paste_mcp.lab.evaluate.recording import record, replay
from paste_mcp.lab.evaluate.tally import tally


@dataclass(frozen=True)
class Case:
    """A session, what is said after which turn, and what that must bring."""

    turns: list
    said: dict
    hits: list = field(default_factory=list)
    issued: int = 1
    threshold: float = 0.5
    top: int = 3


CASES = {
    "the next call": Case([read(0), read(1)], {0: [reading(1)]}, hits=[1]),
    "another call": Case([read(0), read(1)], {0: [reading(2)]}),
    "five turns later": Case([read(n) for n in range(6)], {0: [reading(5)]}, hits=[5]),
    "six turns later": Case([read(n) for n in range(7)], {0: [reading(6)]}),
    "after a write": Case([read(0), write(), read(1)], {0: [reading(1)]}),
    "guessed after the write": Case([read(0), write(), read(1)], {1: [reading(1)]}, hits=[2]),
    "a write before it in its turn": Case([read(0), [write(), read(1)]], {0: [reading(1)]}),
    "a write after it in its turn": Case([read(0), [read(1), write()]], {0: [reading(1)]}, hits=[1]),
    "opaque code is a write": Case([read(0), call("s/run", read=None), read(1)], {0: [reading(1)]}),
    "used once": Case([read(0), read(1), read(1)], {0: [reading(1)]}, hits=[1]),
    "twice in one turn": Case([read(0), [read(1), read(1)]], {0: [reading(1)]}, hits=[1]),
    "used, and guessed again": Case(
        [read(0), read(1), read(1)], {0: [reading(1)], 1: [reading(1)]}, hits=[1, 2], issued=2
    ),
    "held, and said again": Case([read(0), read(1), read(2)], {0: [reading(2)], 1: [reading(2)]}, hits=[2], issued=1),
    "expired, and said again": Case([read(n) for n in range(8)], {0: [reading(7)], 6: [reading(7)]}, [7], issued=2),
    "in the same turn": Case([[read(0), read(1)], read(2)], {0: [reading(1)]}),
    "the session's first call": Case([read(0)], {0: [reading(0)]}),
    "two of one turn": Case([read(0), [read(1), read(2)]], {0: [reading(1), reading(2)]}, hits=[1, 2], issued=2),
    "not among the best": Case([read(0), read(2)], {0: [reading(1), reading(2)]}, top=1),
    "what is held takes no place": Case(
        [read(0), read(9), read(2)], {0: [reading(1)], 1: [reading(1), reading(2)]}, hits=[2], issued=2, top=1
    ),
    "as sure as the threshold": Case([read(0), read(1)], {0: [reading(1, 0.5)]}, issued=0),
    "surer than the threshold": Case([read(0), read(1)], {0: [reading(1, 0.51)]}, hits=[1]),
    "nothing is sure enough": Case([read(0), read(1)], {0: [reading(1, 1.0)]}, issued=0, threshold=NEVER),
    "1 is not 1.0": Case([read(0), read(1)], {0: [reading(1.0)]}),
    "1 is not its text": Case([read(0), read(1)], {0: [reading("1")]}),
    "members in another order": Case(
        [read(0), call("s/two", {"a": 1, "b": 2})], {0: [guess("s/two", {"b": 2, "a": 1})]}, hits=[1]
    ),
    "another server's tool": Case([read(0), read(1)], {0: [guess("other/read_it", {"n": 1})]}),
    "a result that is an error": Case([read(0), read(1, error=True)], {0: [reading(1)]}, hits=[1]),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_guess_is_scored_by_the_rules(case):
    recording = recorded(lesson(*case.turns), case.said)
    played = replay(recording, case.threshold, case.top)
    assert (played.hits, len(played.issued)) == (case.hits, case.issued)
    counted = tally([recording], case.threshold, case.top)
    assert (counted.hits, counted.issued) == (len(case.hits), case.issued)


def test_calls_of_the_first_turn_are_not_asked_for():
    assert after_first(lesson([read(0), read(1)], read(2), [read(3), write()])) == 3
    assert after_first(lesson()) == 0


def test_a_guess_is_noted_with_the_last_call_whose_result_was_known():
    recording = recorded(lesson([read(0), read(1)], read(2), read(3)), {0: [reading(3)], 1: [reading(9)]})
    assert [after for after, _ in replay(recording, 0.5, 3).issued] == [1, 2]


def test_a_tool_that_was_seen_to_write_is_not_guessed():
    class Says:
        def predict(self, history, tools, index):
            return [reading(1), guess("s/change_it", {"n": 1}), guess("s/unknown", {})]

        def observe(self, *_):
            pass

        guessed = hit = observe

    made = lesson(read(0), call("s/read_it", {"n": 2}, read=False), read(1))
    recording = record(made, Says(), {("s", "change_it"): False, ("s", "read_it"): True})
    assert [[each.prediction for each in turn] for turn in recording.turns] == [[reading(1)], [], []]


moves = st.lists(
    st.lists(st.one_of(st.integers(0, 3).map(read), st.just(write())), min_size=1, max_size=3), min_size=1, max_size=12
)
said = st.lists(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.2, 0.5, 0.9])), max_size=4), max_size=12)


@st.composite
def recordings(draw):
    made = lesson(*draw(moves))
    says = {
        turn: [reading(n, p) for n, p in sorted(dict(each).items(), key=lambda each: -each[1])]
        for turn, each in enumerate(draw(said))
    }
    return recorded(made, says)


@given(recordings(), st.sampled_from([0.1, 0.4, 0.8]), st.integers(1, 3))
def test_the_plain_count_agrees_with_the_engine(recording, threshold, top):
    played = replay(recording, threshold, top)
    counted = tally([recording], threshold, top)
    assert (counted.hits, counted.issued) == (len(played.hits), len(played.issued))


@given(recordings(), st.sampled_from([0.1, 0.4, 0.8]))
def test_whoever_scores_the_guesses_again_finds_the_same_hits(recording, threshold):
    played = replay(recording, threshold, top=3)
    calls = [
        (event.turn, event.call, read_only)
        for event, read_only in zip(recording.lesson.events, recording.lesson.reads, strict=True)
    ]
    assert scored(calls, [(after, call) for after, call in played.issued]) == sorted(played.hits)


def scored(calls, guesses):
    """Which calls are hits, told from the guesses alone: each looks for the first call that it could have answered."""
    free, hits = set(range(len(calls))), []
    for after, guessed in guesses:
        for position in range(after + 1, len(calls)):
            turn, made, read_only = calls[position]
            if not read_only or turn - calls[after][0] > 5:
                break
            equal = json.dumps(made.arguments, sort_keys=True) == json.dumps(guessed.arguments, sort_keys=True)
            if position in free and equal and (made.server, made.tool) == (guessed.server, guessed.tool):
                free.discard(position)
                hits.append(position)
                break
    return sorted(hits)


def test_a_session_without_calls_is_no_trouble():
    empty = lesson()
    assert session()["calls"] == []
    assert replay(recorded(empty, {}), 0.5, 3).hits == []
