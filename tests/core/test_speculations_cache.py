"""The prefetch buffer of one session: found by id and key, let go of in one place, everything settled."""

import pytest

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Prediction, ToolCall
from paste_mcp.core.speculation.cache import Speculations
from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.core.speculation.lifecycle import Cause, ImpossibleTransition, Speculation, State


def key(name):
    return CallKey("a", "read", "", name.encode())


def guess(id, name=None, *, at=0.0, utility=1.0):
    call = ToolCall("a", "read", {})
    return Speculation(id, key(name or f"k{id}"), Prediction(call, 0.5, "p"), at, utility)


@pytest.fixture
def live():
    return Speculations(Ledger())


def ledger(live):
    return live._ledger


def ready(live, id, *, at=0.0, size_bytes=10, result="r"):
    made = guess(id)
    live.add(made)
    live.move(made, Cause.LAUNCH, at)
    live.complete(made, result, size_bytes, at)
    return made


def test_a_guess_is_found_by_id_and_by_key(live):
    made = guess(1)
    live.add(made)
    assert live.get(1) is live.find(key("k1")) is made
    assert live.holds(key("k1"))
    assert live.get(2) is None and live.find(key("k2")) is None and not live.holds(key("k2"))


def test_no_two_live_guesses_share_a_key(live):
    live.add(guess(1, "same"))
    with pytest.raises(ValueError, match="live"):
        live.add(guess(2, "same"))
    assert len(live) == 1
    assert ledger(live).queued == 1


def test_a_key_is_free_again_when_its_guess_has_ended(live):
    first = guess(1, "same")
    live.add(first)
    live.move(first, Cause.DEMAND, 1.0)
    live.add(guess(2, "same"))
    assert live.find(key("same")).id == 2


def test_a_joined_guess_keeps_its_key_but_answers_nobody_else(live):
    made = guess(1)
    live.add(made)
    live.move(made, Cause.LAUNCH, 0.0)
    live.move(made, Cause.DEMAND, 1.0)
    assert live.find(made.key) is None
    assert live.holds(made.key)
    assert live.get(1) is made


def test_the_most_useful_queued_guess_comes_first_then_the_older(live):
    for id, utility in [(1, 1.0), (2, 3.0), (3, 1.0), (4, 2.0)]:
        live.add(guess(id, utility=utility))
    live.move(live.get(4), Cause.LAUNCH, 0.0)
    assert [made.id for made in live.queued()] == [2, 1, 3]


def test_ready_bytes_are_the_sum_of_the_ready(live):
    ready(live, 1, size_bytes=10)
    two = ready(live, 2, size_bytes=5)
    live.add(guess(3))
    assert live.ready_bytes == 15
    live.move(two, Cause.DEMAND, 1.0)
    assert live.ready_bytes == 10
    live.sweep(Cause.WRITE, 2.0)
    assert live.ready_bytes == 0


def test_a_late_hit_never_counts_as_ready(live):
    made = guess(1)
    live.add(made)
    live.move(made, Cause.LAUNCH, 0.0)
    live.move(made, Cause.DEMAND, 1.0)
    live.complete(made, "r", 99, 2.0)
    assert live.ready_bytes == 0
    assert ledger(live).late_hits == 1


def test_an_impossible_move_changes_nothing(live):
    made = ready(live, 1)
    with pytest.raises(ImpossibleTransition):
        live.move(made, Cause.LAUNCH, 1.0)
    assert (live.ready_bytes, len(live), ledger(live).issued) == (10, 1, 1)


def test_a_sweep_returns_only_what_was_executing(live):
    live.add(guess(1))
    running = guess(2)
    live.add(running)
    live.move(running, Cause.LAUNCH, 0.0)
    ready(live, 3)
    assert live.sweep(Cause.WRITE, 1.0) == [running]
    assert len(live) == 0
    assert (ledger(live).squashed, ledger(live).stale) == (1, 2)


def test_a_sweep_passes_over_what_its_cause_cannot_befall(live):
    joined = guess(1)
    live.add(joined)
    live.move(joined, Cause.LAUNCH, 0.0)
    live.move(joined, Cause.DEMAND, 1.0)
    assert live.sweep(Cause.WRITE, 2.0) == []
    assert live.get(1) is joined
    assert live.sweep(Cause.CLOSE, 3.0) == [joined]


def test_a_sweep_among_some_leaves_the_others(live):
    one, two = ready(live, 1), ready(live, 2)
    live.sweep(Cause.WRITE, 1.0, [one])
    assert list(live) == [two]


def test_iterating_survives_what_ends_meanwhile(live):
    for id in (1, 2, 3):
        live.add(guess(id))
    for made in live:
        live.move(made, Cause.WRITE, 1.0)
    assert len(live) == 0


@pytest.mark.parametrize(("now", "kept"), [(30.0, True), (30.001, False)])
def test_a_result_is_kept_for_its_time_to_live_from_when_it_came(live, now, kept):
    made = guess(1, at=-100.0)
    live.add(made)
    live.move(made, Cause.LAUNCH, -50.0)
    live.complete(made, "r", 1, 0.0)
    live.expire(lambda key: 30.0, now)
    assert (live.get(1) is made) is kept
    assert ledger(live).unused == (not kept)


@pytest.mark.parametrize(("now", "kept"), [(30.0, True), (30.001, False)])
def test_a_queued_guess_waits_that_long_from_when_it_was_queued(live, now, kept):
    live.add(guess(1, at=0.0))
    live.expire(lambda key: 30.0, now)
    assert live.holds(key("k1")) is kept
    assert ledger(live).squashed == (not kept)


def test_what_executes_does_not_expire(live):
    running, joined = guess(1), guess(2)
    for made in (running, joined):
        live.add(made)
        live.move(made, Cause.LAUNCH, 0.0)
    live.move(joined, Cause.DEMAND, 0.0)
    live.expire(lambda key: 30.0, 1_000.0)
    assert (running.state, joined.state) == (State.RUNNING, State.JOINED)


def test_everything_that_was_queued_is_counted_somewhere(live):
    ready(live, 1)
    live.add(guess(2))
    three = guess(3)
    live.add(three)
    live.move(three, Cause.DEMAND, 1.0)
    counted = ledger(live)
    assert (counted.queued, counted.issued, counted.promoted) == (3, 1, 1)
    live.sweep(Cause.CLOSE, 2.0)
    assert counted.queued == counted.issued + counted.promoted + counted.squashed
    assert counted.live == 0
