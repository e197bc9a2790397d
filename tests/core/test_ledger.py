"""Every outcome is counted once, and the ratios are what design section 4 says they are."""

from collections import Counter
from dataclasses import fields

import pytest

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Prediction, ToolCall
from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.core.speculation.lifecycle import Cause, Speculation, State

LAUNCH, DEMAND, COMPLETE, FAIL = Cause.LAUNCH, Cause.DEMAND, Cause.COMPLETE, Cause.FAIL


def settled(*story):
    """The ledger after one guess queued at 0 went through these (cause, time)."""
    guess = Speculation(1, CallKey("a", "read", "", b"{}"), Prediction(ToolCall("a", "read", {}), 0.5, "p"), 0.0, 1.0)
    for cause, now in story:
        guess.move(cause, now)
    ledger = Ledger()
    ledger.settle(guess, story[-1][1])
    return ledger


def counts(ledger):
    names = ("hits", "late_hits", "promoted", "squashed", "unused", "preempted", "stale", "failed")
    return {name: getattr(ledger, name) for name in names if getattr(ledger, name)}


@pytest.mark.parametrize(
    ("story", "counter", "hidden_s", "wasted_s"),
    [
        ([(LAUNCH, 1), (COMPLETE, 5), (DEMAND, 9)], "hits", 4.0, 0.0),
        ([(LAUNCH, 1), (DEMAND, 4), (COMPLETE, 9)], "late_hits", 3.0, 0.0),
        ([(LAUNCH, 1), (DEMAND, 1), (COMPLETE, 9)], "late_hits", 0.0, 0.0),
        ([(DEMAND, 4)], "promoted", 0.0, 0.0),
        ([(Cause.WRITE, 4)], "squashed", 0.0, 0.0),
        ([(Cause.EXPIRE, 40)], "squashed", 0.0, 0.0),
        ([(LAUNCH, 1), (COMPLETE, 5), (Cause.EXPIRE, 40)], "unused", 0.0, 4.0),
        ([(LAUNCH, 1), (COMPLETE, 5), (Cause.WRITE, 9)], "stale", 0.0, 4.0),
        ([(LAUNCH, 1), (Cause.WRITE, 3)], "stale", 0.0, 2.0),
        ([(LAUNCH, 1), (Cause.PREEMPT, 3)], "preempted", 0.0, 2.0),
        ([(LAUNCH, 1), (FAIL, 8)], "failed", 0.0, 7.0),
        ([(LAUNCH, 1), (DEMAND, 2), (FAIL, 8)], "failed", 0.0, 7.0),
        ([(LAUNCH, 1), (DEMAND, 2), (Cause.ABANDON, 5)], "unused", 0.0, 4.0),
        ([(LAUNCH, 1), (DEMAND, 2), (Cause.CLOSE, 5)], "unused", 0.0, 4.0),
    ],
)
def test_an_end_is_counted_once_with_its_seconds(story, counter, hidden_s, wasted_s):
    ledger = settled(*story)
    assert counts(ledger) == {counter: 1}
    assert (ledger.hidden_s, ledger.wasted_s) == (hidden_s, wasted_s)


def test_every_end_has_a_counter():
    for state in State:
        prediction = Prediction(ToolCall("a", "r", {}), 0.5, "p")
        guess = Speculation(1, CallKey("a", "r", "", b""), prediction, 0.0, 1.0, state=state)
        ledger = Ledger()
        if state in (State.QUEUED, State.RUNNING, State.JOINED, State.READY):
            with pytest.raises(KeyError):
                ledger.settle(guess, 1.0)
        else:
            ledger.settle(guess, 1.0)
            assert sum(counts(ledger).values()) == 1


FULL = Ledger(
    demand=40,
    misses=20,
    eligible_misses=9,
    predicted=60,
    queued=30,
    issued=25,
    hits=6,
    late_hits=4,
    promoted=1,
    squashed=3,
    unused=5,
    preempted=3,
    stale=2,
    failed=1,
)


def test_useful_is_hits_and_late_hits_but_not_promoted():
    assert FULL.useful == 10


def test_live_is_what_was_issued_and_has_not_ended():
    assert FULL.settled == 21
    assert FULL.live == 4


def test_waste_is_issued_without_useful_and_live():
    assert FULL.wasted == 25 - 10 - 4 == FULL.unused + FULL.preempted + FULL.stale + FULL.failed


def test_accuracy_is_useful_over_issued():
    assert FULL.accuracy == 10 / 25


def test_coverage_counts_promoted_as_helped_over_eligible_demands():
    assert FULL.coverage == (10 + 1) / (10 + 1 + 9)


def test_timeliness_is_hits_over_useful():
    assert FULL.timeliness == 6 / 10


def test_amplification_is_all_calls_over_demands():
    assert FULL.amplification == (40 + 25) / 40


def test_ratios_of_nothing_are_none():
    empty = Ledger()
    assert (empty.accuracy, empty.coverage, empty.timeliness, empty.amplification) == (None, None, None, None)
    assert (empty.live, empty.wasted, empty.useful) == (0, 0, 0)


def test_the_sum_of_two_ledgers_adds_every_counter():
    one, other = Ledger(), Ledger()
    for number, entry in enumerate(fields(Ledger), start=1):
        is_counter = isinstance(getattr(one, entry.name), Counter)
        setattr(one, entry.name, Counter(x=number) if is_counter else number)
        setattr(other, entry.name, Counter(x=1, y=number) if is_counter else number * 1000)
    total = one + other
    for number, entry in enumerate(fields(Ledger), start=1):
        expected = Counter(x=number + 1, y=number) if entry.name in ("refused", "rejected") else number * 1001
        assert getattr(total, entry.name) == expected, entry.name


def test_adding_changes_neither_ledger():
    one, other = Ledger(demand=1, refused=Counter(off=1)), Ledger(demand=2, refused=Counter(off=2))
    total = one + other
    total.refused["off"] += 10
    assert (one.demand, one.refused["off"], other.demand, other.refused["off"]) == (1, 1, 2, 2)
