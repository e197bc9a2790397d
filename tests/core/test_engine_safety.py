"""What the engine does so that speculation may be left on: freshness by server, serving what is still allowed, checks
of what was served, and tools that lose the right to run early. Times are literal seconds.

What has no test because it does not arise: a server cannot answer guesses otherwise than real calls, as nothing marks
them; a result fetched early has no power that the server's own answer has not, as it is that answer, byte for byte; and
whether somebody else asked before cannot be told by how fast an answer comes, as sessions share no results. Writes that
no proxy sees, in an editor or another session, are bounded by the time to live alone.
"""

from dataclasses import replace

import pytest
from test_engine import READ, TRUSTED, WRITING, done, finish, guess, look, read, ready, searched, session

from paste_mcp.core.commands import Barred, Cancel, Hit, Launch, Miss
from paste_mcp.core.model import Hints, Ingredient, Review, Tool
from paste_mcp.core.speculation.conduct import FEWEST_GUESSES
from paste_mcp.core.speculation.settings import ServerPolicy

NARROW = {"a": ServerPolicy("annotated", invalidates=()), "b": ServerPolicy("annotated", invalidates=("a",))}
VERIFIED = {alias: replace(said, verify=1.0) for alias, said in TRUSTED.items()}


def demand(s, call, now):
    made, cancels = s.engine.demanded(call, now)
    return made.answer, cancels


# --- freshness; writers that the proxy cannot see are bounded by the time to live alone -------------------------------


@pytest.mark.parametrize(("policies", "answered"), [(TRUSTED, Miss), (NARROW, Hit)])
def test_a_write_makes_other_servers_results_stale_unless_the_user_says_what_it_touches(policies, answered):
    s = session(policies=policies)
    ready(s, look())
    writing, _ = s.engine.demanded(WRITING, 13.0)
    finish(s.engine, writing, 14.0)
    answer, _ = demand(s, look(), 15.0)
    assert isinstance(answer, answered)


def test_a_write_on_a_server_that_touches_nothing_else_makes_its_own_results_stale():
    s = session(policies=NARROW)
    ready(s, read())
    writing, _ = s.engine.demanded(WRITING, 13.0)
    finish(s.engine, writing, 14.0)
    assert demand(s, read(), 15.0)[0] == Miss()


def test_a_write_makes_the_results_of_the_servers_it_is_said_to_touch_stale():
    s = session(policies=NARROW)
    s.engine.set_tools("b", [Tool("b", "look", READ), Tool("b", "store", Hints(read_only=False))], 0.0)
    ready(s, read())
    writing, _ = s.engine.demanded(replace(look(), tool="store"), 13.0)
    finish(s.engine, writing, 14.0)
    assert demand(s, read(), 15.0)[0] == Miss()


@pytest.mark.parametrize(
    ("ttl_s", "review", "at", "answered"),
    [
        (None, None, 41.9, Hit),
        (None, None, 42.1, Miss),
        (5.0, None, 16.9, Hit),
        (5.0, None, 17.1, Miss),
        (0.0, None, 12.1, Miss),
        (None, Review("volatile"), 13.9, Hit),
        (None, Review("volatile"), 14.1, Miss),
        (1.0, Review("volatile"), 13.1, Miss),
    ],
)
def test_a_result_is_served_within_its_servers_time_and_one_that_changes_by_itself_within_two_seconds(
    ttl_s, review, at, answered
):
    s = session(policies={**TRUSTED, "b": ServerPolicy("annotated", allow=("watch",), ttl_s=ttl_s)})
    s.engine.set_tools("b", [Tool("b", "watch", READ, review=review)], 0.0)
    watch = replace(look(), tool="watch")
    ready(s, watch)
    assert isinstance(demand(s, watch, at)[0], answered)


# --- what was allowed when it was sent must be so when it is served ---------------------------------------------------


@pytest.mark.parametrize("state", ["ready", "running"])
def test_what_is_no_longer_allowed_is_not_served(state):
    policies = dict(TRUSTED)
    s = session(policies=policies)
    if state == "ready":
        ready(s, read())
        expected = []
    else:
        s.predictor.foreseen = [guess(read())]
        [launch] = searched(s)
        expected = [Cancel(launch.id)]
    policies["a"] = ServerPolicy("annotated", deny=("read",))
    assert demand(s, read(), 13.0) == (Miss(), expected)
    assert s.ledger.stale == 1


def test_a_value_of_another_server_is_refused_and_counted_by_its_row():
    foreign = guess(read(), ingredients=(Ingredient("result", "b", 0),))
    s = session(foreign, look())
    assert searched(s) == [Launch(1, look())]
    assert s.ledger.refused == {"foreign value": 1}


def test_a_launch_says_which_pattern_and_which_row_it_goes_back_to():
    s = session(guess(read(), pattern="mine"))
    [launch] = searched(s)
    assert (launch.pattern, launch.row) == ("mine", "annotated")


# --- tools whose guesses fail, and answers that do not repeat ---------------------------------------------------------


def guessed(s, number, outcome, at=20.0):
    """One guess of `read`, and how it ended."""
    s.predictor.foreseen = [guess(read(f"f{number}"))]
    made, _ = s.engine.demanded(look(f"l{number}"), at)
    launches = finish(s.engine, made, at + 10)
    for launch in launches:
        s.engine.ended(launch.id, outcome, at + 11)
    return launches


def test_a_tool_whose_guesses_fail_too_often_is_left_alone_and_the_reason_told():
    s = session()
    for n in range(FEWEST_GUESSES):
        assert guessed(s, n, done(status="error", servable=False), at=20.0 * n)
    assert list(s.engine.standing.newly_barred) == [
        Barred("a", "read", "10 of 10 early calls of it failed", lasting=False)
    ]
    assert guessed(s, 99, done()) == []
    assert s.ledger.refused == {"barred": 1}


def served(s, n, at):
    """A result of `read` is served from a guess; what is launched when its demand has returned."""
    s.predictor.foreseen = [guess(read(f"f{n}"))]
    first, _ = s.engine.demanded(look(f"l{n}"), at)
    [launch] = finish(s.engine, first, at + 10)
    s.engine.ended(launch.id, done({"content": [{"type": "text", "text": "a"}]}), at + 11)
    second, _ = s.engine.demanded(read(f"f{n}"), at + 12)
    assert isinstance(second.answer, Hit)
    return finish(s.engine, second, at + 13)


SAME, OTHER = ({"content": [{"type": "text", "text": text}]} for text in "ab")


def test_a_served_result_is_fetched_once_more_after_it_was_served_and_compared():
    s = session(policies=VERIFIED)
    [again] = served(s, 1, 0.0)
    assert (again.call, again.row) == (read("f1"), "verify")
    assert s.engine.ended(again.id, done(SAME), 14.0) is None
    assert (s.ledger.verified, s.ledger.differing, s.ledger.issued, s.ledger.hits) == (1, 0, 1, 1)
    assert served(session(), 1, 0.0) == []


def test_a_tool_that_answers_otherwise_when_asked_again_is_never_guessed_again():
    s = session(policies=VERIFIED)
    for n in range(2):
        [again] = served(s, n, 100.0 * n)
        s.engine.ended(again.id, done(OTHER), 100.0 * n + 14)
    assert list(s.engine.standing.newly_barred) == [
        Barred("a", "read", "2 of 2 answers of it differed when asked for again", lasting=True)
    ]
    assert guessed(s, 9, done(), at=300.0) == []


def test_a_check_holds_no_demand_up_and_counts_for_nothing_after_a_write():
    s = session(policies=VERIFIED)
    [again] = served(s, 1, 0.0)
    writing, cancels = s.engine.demanded(WRITING, 13.5)
    assert cancels == [Cancel(again.id)]
    assert s.engine.ended(again.id, done(OTHER), 14.0) is None
    assert s.ledger.verified == 0
    assert writing.answer == Miss()


def test_a_check_that_waits_counts_for_nothing_after_a_write():
    s = session(policies=VERIFIED)
    s.predictor.foreseen = [guess(read("f1"))]
    first, _ = s.engine.demanded(look("l1"), 0.0)
    [launch] = finish(s.engine, first, 10.0)
    s.engine.ended(launch.id, done(SAME), 11.0)
    second, _ = s.engine.demanded(read("f1"), 12.0)
    writing, _ = s.engine.demanded(WRITING, 12.5)
    finish(s.engine, second, 13.0)
    assert finish(s.engine, writing, 14.0) == []


def test_a_check_yields_to_a_demand_on_its_server():
    s = session(policies=VERIFIED)
    [again] = served(s, 1, 0.0)
    _, cancels = s.engine.demanded(read("other"), 13.5)
    assert cancels == [Cancel(again.id)]


def test_a_check_takes_a_slot_like_any_guess():
    s = session(policies=VERIFIED, total=1)
    [again] = served(s, 1, 0.0)
    assert s.budget.take("b", "look", {}, 0.0, in_session=0) is None
    s.engine.ended(again.id, None, 14.0)
    assert s.budget.take("b", "look", {}, 14.0, in_session=0) is not None


def test_checks_end_with_the_session():
    s = session(policies=VERIFIED)
    [again] = served(s, 1, 0.0)
    assert s.engine.close(14.0) == [Cancel(again.id)]
