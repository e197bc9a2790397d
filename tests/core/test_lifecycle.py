"""Each edge of the life of a guess, and each edge that is not there."""

import pytest

from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Prediction, ToolCall
from paste_mcp.core.speculation.lifecycle import (
    EXECUTING,
    LIVE,
    TRANSITIONS,
    Cause,
    ImpossibleTransition,
    Speculation,
    State,
)

EDGES = """
queued   launch    running
queued   demand    promoted
queued   write     squashed
queued   preempt   squashed
queued   expire    squashed
queued   close     squashed
running  complete  ready
running  fail      failed
running  demand    joined
running  write     stale
running  preempt   preempted
running  close     unused
joined   complete  late_hit
joined   fail      failed
joined   abandon   unused
joined   close     unused
ready    demand    hit
ready    write     stale
ready    preempt   unused
ready    expire    unused
ready    close     unused
"""
"""Written out once more on purpose: a change of the table must be meant twice."""
EXPECTED = {
    (State[state.upper()], Cause[cause.upper()]): State[after.upper()]
    for state, cause, after in (line.split() for line in EDGES.strip().splitlines())
}
ENDS = set(State) - LIVE


def speculation(state):
    call = ToolCall("a", "read", {})
    return Speculation(1, CallKey("a", "read", "", b"{}"), Prediction(call, 0.5, "p"), 10.0, 1.0, state=state)


@pytest.mark.parametrize("cause", Cause, ids=lambda cause: cause.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_an_edge_leads_where_the_table_says_and_a_missing_one_raises(state, cause):
    guess = speculation(state)
    expected = EXPECTED.get((state, cause))
    assert guess.can(cause) is (expected is not None)
    if expected is None:
        with pytest.raises(ImpossibleTransition):
            guess.move(cause, 11.0)
        assert guess.state is state
        assert (guess.launched_at, guess.joined_at, guess.completed_at) == (None, None, None)
    else:
        assert guess.move(cause, 11.0) is expected
        assert guess.state is expected


def test_the_table_has_no_other_edges():
    assert TRANSITIONS == EXPECTED


def test_what_has_ended_has_ended():
    assert not [edge for edge in TRANSITIONS if edge[0] in ENDS]


def test_whatever_lives_ends_at_close():
    assert all(TRANSITIONS[state, Cause.CLOSE] in ENDS for state in LIVE)


def test_every_end_can_be_reached():
    assert set(TRANSITIONS.values()) >= ENDS


def test_no_write_and_no_preemption_takes_a_joined_call_from_the_agent():
    befalls = {cause for state, cause in TRANSITIONS if state is State.JOINED}
    assert not befalls & {Cause.WRITE, Cause.PREEMPT, Cause.EXPIRE}


def test_only_what_executes_can_complete_or_fail():
    assert {state for state, cause in TRANSITIONS if cause in (Cause.COMPLETE, Cause.FAIL)} == EXECUTING


def test_times_are_kept_where_they_happen():
    guess = speculation(State.QUEUED)
    guess.move(Cause.LAUNCH, 11.0)
    guess.move(Cause.DEMAND, 12.0)
    guess.move(Cause.COMPLETE, 15.0)
    assert (guess.queued_at, guess.launched_at, guess.joined_at, guess.completed_at) == (10.0, 11.0, 12.0, 15.0)


def test_a_hit_keeps_the_time_its_result_came():
    guess = speculation(State.QUEUED)
    guess.move(Cause.LAUNCH, 11.0)
    guess.move(Cause.COMPLETE, 15.0)
    guess.move(Cause.DEMAND, 20.0)
    assert (guess.joined_at, guess.completed_at) == (None, 15.0)


def test_the_message_names_state_and_cause():
    with pytest.raises(ImpossibleTransition, match="hit: something changed"):
        speculation(State.HIT).move(Cause.WRITE, 1.0)
