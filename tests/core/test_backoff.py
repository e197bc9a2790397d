"""A server that turned a call away is not guessed at until a demand has succeeded and its time is over."""

import pytest

from paste_mcp.core.speculation.backoff import LONGEST_S, Backoff
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.settings import Limits


@pytest.mark.parametrize(
    ("retry_after_s", "succeeded", "now", "holds"),
    [
        (None, False, 1000.0, True),  # nobody has asked since
        (None, True, 0.5, True),
        (None, True, 1.0, False),
        (30.0, True, 29.0, True),
        (30.0, True, 30.0, False),
        (30.0, False, 31.0, True),
        (10**9, True, LONGEST_S, False),
    ],
)
def test_guesses_stay_away_for_as_long_as_was_asked_and_until_a_demand_succeeds(retry_after_s, succeeded, now, holds):
    backoff = Backoff()
    backoff.refused(retry_after_s, 0.0)
    if succeeded:
        backoff.succeeded(guess=False)
    assert backoff.holds(now) is holds


def test_the_pause_doubles_until_a_guess_succeeds():
    backoff = Backoff()
    now = 0.0
    for pause_s in (1.0, 2.0, 4.0):
        backoff.refused(None, now)
        backoff.refused(None, now)  # another one of the same burst
        backoff.succeeded(guess=False)
        assert backoff.holds(now + pause_s - 0.1)
        now += pause_s
        assert not backoff.holds(now)
    backoff.succeeded(guess=True)
    backoff.refused(None, now)
    backoff.succeeded(guess=False)
    assert not backoff.holds(now + 1.0)


def test_a_server_that_turned_a_call_away_has_no_slot_until_a_demand_there_succeeds():
    budget, own = Budget(Limits()), {}
    budget.refused("a", None, 0.0)
    assert budget.take("a", "read", own, 10.0, in_session=0) is None
    assert budget.take("b", "read", own, 10.0, in_session=0) is not None
    run = budget.forwarded("a", "read", own, 10.0)
    budget.ended(run, own, 11.0, ok=True, answered=True)
    assert budget.take("a", "read", own, 11.0, in_session=0) is not None
