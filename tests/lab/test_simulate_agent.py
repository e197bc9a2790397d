"""One simulated session: exact seconds, computed by hand. Calls take 1 s and thinking 4 s, unless said otherwise."""

import pytest
from evaluate_makers import Saying, guess, lesson, read, reading, write

from paste_mcp.lab.simulate.agent import Case
from paste_mcp.lab.simulate.policies import Foretelling, ReadsOnly
from paste_mcp.lab.simulate.run import play
from paste_mcp.lab.simulate.servers import Capacity
from paste_mcp.lab.simulate.times import Fixed, Times
from paste_mcp.lab.simulate.world import Setting

READS = {("s", "read_it"): True}


def setting(think=4.0, latency=1.0, start=0.0, launch_cost=0.0, shared=False, **capacity):
    times = Times("0", Fixed(think), Fixed(latency), Fixed(start))
    return Setting(times=times, capacity=Capacity(**capacity), shared=shared, launch_cost_s=launch_cost)


def played(made, says=lambda history: [], *, opens_early=True, side_by_side=1, copies=1, **of_setting):
    forecaster = says if isinstance(says, Foretelling) else Saying(says)
    cases = [
        Case(f"{made.session}~{copy}", made, READS, ReadsOnly(forecaster, made, READS), indexed=False)
        for copy in range(copies)
    ]
    return play(cases, setting(**of_setting), side_by_side, opens_early=opens_early)


def one(*arguments, **more):
    (session,) = played(*arguments, **more)
    return session


THREE = lesson(read(1), read(2), read(3))


def next_one(history):
    return [reading(len(history) + 1)]


def test_without_guesses_thinking_and_calls_follow_each_other():
    session = one(THREE)
    assert (session.e2e_s, session.stall_s, session.latencies_s) == (15.0, 3.0, [1.0, 1.0, 1.0])


def test_a_right_guess_is_there_when_it_is_asked_for():
    session = one(THREE, next_one)
    assert (session.e2e_s, session.stall_s, session.latencies_s) == (13.0, 1.0, [1.0, 0.0, 0.0])
    assert (session.ledger.hits, session.ledger.hidden_s) == (2, 2.0)
    # The guess of a fourth call that never came, and of a fifth to follow it.
    assert (session.ledger.issued, session.ledger.wasted) == (4, 2)


def test_a_slow_tool_is_waited_for_only_as_long_as_thinking_did_not_cover():
    session = one(THREE, next_one, latency=10.0)
    assert session.latencies_s == [10.0, 6.0, 6.0]
    assert (session.ledger.late_hits, session.ledger.hidden_s) == (2, 8.0)


def test_a_turn_is_over_with_its_last_call_and_only_then_is_the_next_foreseen():
    made = lesson([read(1), read(2)], read(3))
    session = one(made, lambda history: [reading(3)] if len(history) == 2 else [])
    assert (session.e2e_s, session.latencies_s) == (9.0, [1.0, 1.0, 0.0])


def test_a_write_drops_what_was_guessed():
    made = lesson(read(1), write(), read(2))
    session = one(made, lambda history: [reading(2)] if len(history) == 1 else [])
    assert (session.e2e_s, session.ledger.stale, session.ledger.wasted_s) == (15.0, 1, 1.0)


def test_a_write_is_never_guessed():
    made = lesson(read(1), write(7), read(2), write(7))
    session = one(made, lambda history: [guess("s/change_it", {"n": 7}, 0.99)])
    assert session.ledger.issued == 0


def test_a_guess_whose_call_fails_in_the_trace_is_not_served():
    made = lesson(read(1), read(2, error=True, result="no"))
    session = one(made, lambda history: [reading(2)] if len(history) == 1 else [])
    assert (session.e2e_s, session.ledger.failed) == (10.0, 1)


WRONG = Foretelling(lesson(read(1), read(2), read(3)), wrongly=True)


@pytest.mark.parametrize(
    ("capacity", "latencies"),
    [
        ({}, [10.0, 10.0, 10.0]),
        ({"slots": 1}, [10.0, 10.0, 10.0]),
        # Two wrong guesses, then one, begin with the thinking and are worked on for 16 s and 6 s more.
        ({"slots": 1, "honours_cancel": False}, [10.0, 26.0, 16.0]),
    ],
)
def test_a_wrong_guess_is_in_the_way_only_of_a_serial_server_that_ignores_cancellation(capacity, latencies):
    session = one(THREE, WRONG, latency=10.0, **capacity)
    assert session.latencies_s == latencies
    assert (session.ledger.hits, session.ledger.late_hits, session.ledger.preempted) == (0, 0, 3)


def test_the_first_call_waits_for_the_server_to_start_unless_it_was_started_beforehand():
    assert one(THREE, start=0.5, opens_early=False).latencies_s == [1.5, 1.0, 1.0]
    assert one(THREE, start=0.5, opens_early=True).latencies_s == [1.0, 1.0, 1.0]
    assert one(THREE, start=6.0, opens_early=True).latencies_s == [3.0, 1.0, 1.0], "thinking covers 4 s of it"


def test_what_the_proxy_does_to_send_a_guess_keeps_a_call_waiting_that_comes_meanwhile():
    # Two guesses cost 3 s, of which thinking covers 1 s.
    assert one(THREE, WRONG, think=1.0, launch_cost=1.5).latencies_s == [1.0, 3.0, 1.0]


def test_the_oracle_hides_all_but_the_first_call():
    session = one(THREE, Foretelling(THREE))
    assert (session.e2e_s, session.ledger.issued, session.ledger.wasted) == (13.0, 2, 0)


@pytest.mark.parametrize(("shared", "ended"), [(False, 15.0), (True, 16.0)])
def test_sessions_side_by_side_wait_for_each_other_where_they_share_a_server_of_one_slot(shared, ended):
    sessions = played(THREE, copies=3, side_by_side=2, slots=1, shared=shared)
    assert sorted((each.began, each.ended) for each in sessions) == [(0.0, 15.0), (0.0, ended), (15.0, 30.0)]
