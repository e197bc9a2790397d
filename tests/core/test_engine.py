"""The life of a call, told as playbooks: events in, expected answers and commands out. Times are literal seconds."""

from types import SimpleNamespace

import pytest

from paste_mcp.core.commands import Cancel, Hit, Join, Launch, Miss, Outcome, Promote
from paste_mcp.core.engine import Engine
from paste_mcp.core.model import Hints, Ingredient, Payload, Prediction, Tool, ToolCall
from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.evidence import Counts
from paste_mcp.core.prediction.foreseen import MAX_FORESEEN
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.cache import MAX_LIVE
from paste_mcp.core.speculation.lifecycle import State
from paste_mcp.core.speculation.settings import Limits, ServerPolicy, Site

READ = Hints(read_only=True, open_world=False)
WRITE = Hints(read_only=False)
TOOLS = [Tool("a", "search", READ), Tool("a", "read", READ), Tool("a", "write", WRITE)]
TRUSTED = {"a": ServerPolicy("annotated"), "b": ServerPolicy("annotated")}


class Scripted(Predictor):
    """A predictor that foresees what the test says, once."""

    def __init__(self, *foreseen):
        self.foreseen = list(foreseen)
        self.asked = []
        super().__init__(Pool())

    def predict(self, history, tools, index):
        self.asked.append([event.call.tool for event in history])
        foreseen, self.foreseen = self.foreseen, []
        return foreseen


def search(query="q"):
    return ToolCall("a", "search", {"query": query})


def read(path="x"):
    return ToolCall("a", "read", {"path": path})


def look(path="x"):
    return ToolCall("b", "look", {"path": path})


WRITING = ToolCall("a", "write", {"path": "x"})


def guess(call, probability=0.8, **more):
    return Prediction(call, probability, more.pop("pattern", "p"), **more)


def session(*foreseen, policies=TRUSTED, budget=None, **limits):
    """One session with servers a and b, and a predictor that foresees these calls at the first occasion."""
    shared = budget or Budget(Limits(**limits))
    predictor = Scripted(*(entry if isinstance(entry, Prediction) else guess(entry) for entry in foreseen))
    engine = Engine(predictor, shared, policies)
    engine.set_tools("a", TOOLS, 0.0)
    engine.set_tools("b", [Tool("b", "look", READ)], 0.0)
    return SimpleNamespace(engine=engine, predictor=predictor, budget=shared, ledger=engine.ledger)


def finish(engine, demand, now, status="ok"):
    """The call has its answer: what follows from it, up to the launches."""
    cancels = engine.returned(demand, status, now)
    assert cancels == []
    engine.observe(demand, status, Payload(), now)
    engine.think(now)
    return engine.launch(now)


def searched(s, now=10.0):
    """A search that began at 0 returns at `now`; what is launched then."""
    demand, cancels = s.engine.demanded(search(), 0.0)
    assert (demand.answer, cancels) == (Miss(), [])
    return finish(s.engine, demand, now)


def done(result="r", status="ok", size_bytes=1, servable=True):
    return Outcome(result, status, size_bytes, servable)


def ready(s, call=None, at=12.0):
    """A guess for `call`, launched at 10, whose result is there at `at`."""
    s.predictor.foreseen = [guess(call or read())]
    [launch] = searched(s)
    assert s.engine.ended(launch.id, done(f"result of {launch.id}"), at) is State.READY
    return launch.id


def took(s, seconds, tool="read"):
    """A call of this tool of server a took so long, in some other session."""
    elsewhere = {}
    s.budget.ended(s.budget.forwarded("a", tool, elsewhere, 0.0), elsewhere, seconds, ok=True, answered=True)


def slots_left(s, server="a"):
    """How many more guesses may run there."""
    places = s.engine._flights.places
    return sum(s.budget.take(server, "read", places, 50.0, in_session=0) is not None for _ in range(10))


def conserved(ledger):
    ends = ledger.hits + ledger.late_hits + ledger.unused + ledger.preempted + ledger.stale + ledger.failed
    return ledger.issued == ends + ledger.live


# --- hit, late hit, promoted, miss -----------------------------------------------------------------------------------


def test_ten_second_tool_and_four_seconds_of_thinking_join_and_hide_four():
    s = session(read())
    assert searched(s, now=10.0) == [Launch(1, read())]
    demand, cancels = s.engine.demanded(read(), 14.0)
    assert (demand.answer, cancels) == (Join(1), [])
    assert s.engine.ended(1, done("r"), 20.0) is State.LATE_HIT
    assert s.engine.returned(demand, "ok", 20.0) == []
    assert (s.ledger.late_hits, s.ledger.hits, s.ledger.misses, s.ledger.hidden_s) == (1, 0, 1, 4.0)


def test_ten_second_tool_and_twelve_seconds_of_thinking_hit_and_hide_ten():
    s = session(read())
    assert searched(s, now=10.0) == [Launch(1, read())]
    assert s.engine.ended(1, done("r"), 20.0) is State.READY
    demand, cancels = s.engine.demanded(read(), 22.0)
    assert (demand.answer, cancels) == (Hit(1, "r"), [])
    assert (s.ledger.hits, s.ledger.misses, s.ledger.hidden_s) == (1, 1, 10.0)


def test_a_late_hit_without_thinking_time_is_worth_nothing():
    s = session(read())
    searched(s)
    s.engine.demanded(read(), 10.0)
    s.engine.ended(1, done(), 20.0)
    assert (s.ledger.late_hits, s.ledger.hidden_s) == (1, 0.0)


def test_a_guess_still_queued_when_demanded_becomes_the_real_call():
    s = session(read("x"), read("y"), per_server=1)
    assert searched(s) == [Launch(1, read("x"))]
    demand, _ = s.engine.demanded(read("y"), 11.0)
    assert demand.answer == Promote(2)
    assert (s.ledger.promoted, s.ledger.issued, s.ledger.misses) == (1, 1, 1)


def test_a_promoted_call_waits_for_no_guess_on_its_server():
    s = session(read("x"), read("y"), per_server=1)
    searched(s)
    _, cancels = s.engine.demanded(read("y"), 11.0)
    assert cancels == [Cancel(1)]
    assert s.ledger.preempted == 1


def test_a_result_is_served_once():
    s = session()
    id = ready(s)
    first, _ = s.engine.demanded(read(), 13.0)
    second, _ = s.engine.demanded(read(), 13.0)
    assert (first.answer, second.answer) == (Hit(id, f"result of {id}"), Miss())


def test_a_running_guess_is_joined_once():
    s = session(read())
    searched(s)
    first, _ = s.engine.demanded(read(), 11.0)
    second, cancels = s.engine.demanded(read(), 11.0)
    assert (first.answer, second.answer, cancels) == (Join(1), Miss(), [])
    assert s.engine.ended(1, done(), 12.0) is State.LATE_HIT


@pytest.mark.parametrize(
    "other", [read("y"), ToolCall("a", "read", {"path": "x", "limit": None}), ToolCall("b", "look", {"path": "x"})]
)
def test_only_exactly_the_same_call_hits(other):
    s = session()
    ready(s)
    demand, _ = s.engine.demanded(other, 13.0)
    assert demand.answer == Miss()


def test_true_one_and_one_point_nought_are_different_calls():
    s = session()
    ready(s, ToolCall("a", "read", {"line": 1}))
    answers = [
        s.engine.demanded(ToolCall("a", "read", {"line": line}), 13.0)[0].answer for line in (True, 1.0, "1", None)
    ]
    assert answers == [Miss()] * 4
    assert isinstance(s.engine.demanded(ToolCall("a", "read", {"line": 1}), 13.0)[0].answer, Hit)


def test_a_call_without_a_key_is_passed_through():
    s = session()
    demand, _ = s.engine.demanded(ToolCall("a", "read", {"x": float("nan")}), 1.0)
    assert demand.answer == Miss()
    assert demand.key is None
    assert finish(s.engine, demand, 2.0) == []


def test_a_call_that_carries_more_than_arguments_is_never_matched_and_counts_as_a_write():
    s = session()
    ready(s)
    demand, _ = s.engine.demanded(read(), 13.0, plain=False)
    assert demand.answer == Miss()
    assert (s.ledger.stale, s.ledger.eligible_misses) == (1, 1)


# --- time to live ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("demanded_at", "answer"), [(12.0, Hit), (41.999, Hit), (42.0, Hit), (42.001, Miss), (1000.0, Miss)]
)
def test_a_result_is_served_up_to_its_time_to_live_and_not_past_it(demanded_at, answer):
    s = session(ttl_s=30.0)
    ready(s, at=12.0)
    demand, cancels = s.engine.demanded(read(), demanded_at)
    assert (type(demand.answer), cancels) == (answer, [])
    assert (s.ledger.hits, s.ledger.unused) == ((1, 0) if answer is Hit else (0, 1))


@pytest.mark.parametrize(("asked_at", "answer"), [(40.0, Promote), (40.001, Miss)])
def test_a_queued_guess_is_promoted_within_its_time_to_live_only(asked_at, answer):
    s = session(read("x"), read("y"), per_server=1, ttl_s=30.0)
    searched(s, now=10.0)
    demand, _ = s.engine.demanded(read("y"), asked_at)
    assert isinstance(demand.answer, answer)


@pytest.mark.parametrize(("free_at", "launched"), [(40.0, [Launch(2, read("y"))]), (40.001, [])])
def test_a_guess_that_waited_too_long_for_a_slot_is_not_sent(free_at, launched):
    s = session(read("x"), read("y"), per_server=1, ttl_s=30.0)
    searched(s, now=10.0)
    s.engine.ended(1, done(), free_at)
    assert s.engine.launch(free_at) == launched
    assert s.ledger.squashed == (not launched)


def test_a_running_guess_can_be_joined_however_long_it_runs():
    s = session(read(), ttl_s=1.0)
    searched(s)
    demand, _ = s.engine.demanded(read(), 500.0)
    assert demand.answer == Join(1)


# --- writes ----------------------------------------------------------------------------------------------------------


def test_a_write_drops_what_is_ready_running_and_queued():
    s = session(read("x"), read("y"), read("z"), per_server=2)
    assert [launch.id for launch in searched(s)] == [1, 2]
    s.engine.ended(1, done(), 11.0)
    demand, cancels = s.engine.demanded(WRITING, 12.0)
    assert (demand.answer, cancels) == (Miss(), [Cancel(2)])
    assert (s.ledger.stale, s.ledger.squashed, s.ledger.preempted) == (2, 1, 0)


def test_a_write_on_one_server_drops_what_another_server_said():
    s = session()
    ready(s, look())
    s.engine.demanded(WRITING, 13.0)
    assert s.ledger.stale == 1


def test_nothing_is_foreseen_or_launched_while_a_write_is_under_way():
    s = session(read("x"), read("y"), per_server=1)
    searched(s)
    writing, _ = s.engine.demanded(WRITING, 12.0)
    s.engine.ended(1, None, 12.0)
    reading, _ = s.engine.demanded(search(), 13.0)
    s.predictor.foreseen = [guess(read("z"))]
    assert finish(s.engine, reading, 14.0) == []
    assert len(s.predictor.asked) == 1
    assert finish(s.engine, writing, 15.0) == [Launch(3, read("z"))]


def test_a_write_drops_guesses_again_at_its_end():
    """Belt and braces: should a guess be alive when a write ends, however it came to be, it is dropped."""
    s = session(read())
    searched(s)
    s.engine.demanded(read(), 10.5)
    s.engine.ended(1, done(), 11.0)
    writing, _ = s.engine.demanded(WRITING, 12.0)
    s.engine._consider(guess(read("y")), 13.0, 1)
    assert s.engine.returned(writing, "error", 14.0) == []
    assert s.ledger.squashed == 1


@pytest.mark.parametrize("end", ["returned", "abandoned"])
def test_a_result_from_before_a_write_is_not_served_after_it_however_the_write_ended(end):
    s = session()
    ready(s)
    writing, _ = s.engine.demanded(WRITING, 13.0)
    if end == "returned":
        s.engine.returned(writing, "error", 14.0)
    else:
        s.engine.abandoned(writing, 14.0)
    demand, _ = s.engine.demanded(read(), 15.0)
    assert demand.answer == Miss()


def test_a_guess_cancelled_by_a_write_may_answer_but_is_not_kept():
    s = session(read())
    searched(s)
    writing, cancels = s.engine.demanded(WRITING, 12.0)
    assert cancels == [Cancel(1)]
    assert s.engine.ended(1, done(), 13.0) is None
    s.engine.returned(writing, "ok", 14.0)
    demand, _ = s.engine.demanded(read(), 15.0)
    assert demand.answer == Miss()
    assert (s.ledger.issued, s.ledger.stale, s.ledger.live) == (1, 1, 0)


def test_a_write_leaves_a_joined_call_to_the_agent():
    s = session(read())
    searched(s)
    s.engine.demanded(read(), 11.0)
    _, cancels = s.engine.demanded(WRITING, 12.0)
    assert cancels == []
    assert s.engine.ended(1, done(), 13.0) is State.LATE_HIT


def test_a_tool_nobody_lists_counts_as_a_write():
    s = session()
    ready(s)
    s.engine.demanded(ToolCall("a", "unheard", {}), 13.0)
    assert s.ledger.stale == 1


def test_on_a_server_in_shadow_every_call_counts_as_a_write():
    s = session(policies={"a": ServerPolicy("annotated"), "b": ServerPolicy("shadow")})
    ready(s)
    s.engine.demanded(look(), 13.0)
    assert s.ledger.stale == 1


# --- what is never served --------------------------------------------------------------------------------------------

UNSERVABLE = [
    None,
    done(status="error"),
    done(status="empty"),
    done(servable=False),
    done(status="error", servable=False),
    done(size_bytes=101),
]


@pytest.mark.parametrize("outcome", UNSERVABLE)
def test_a_guess_that_brought_nothing_servable_is_invisible(outcome):
    s = session(read(), result_bytes=100)
    searched(s)
    assert s.engine.ended(1, outcome, 12.0) is State.FAILED
    demand, _ = s.engine.demanded(read(), 13.0)
    assert demand.answer == Miss()
    assert (s.ledger.failed, s.ledger.misses) == (1, 2)


@pytest.mark.parametrize("outcome", UNSERVABLE)
def test_a_joined_guess_that_brings_nothing_servable_is_a_miss(outcome):
    s = session(read(), result_bytes=100)
    searched(s)
    demand, _ = s.engine.demanded(read(), 12.0)
    assert (demand.answer, s.ledger.misses) == (Join(1), 1)
    assert s.engine.ended(1, outcome, 13.0) is State.FAILED
    assert s.engine.returned(demand, "ok", 20.0) == []
    assert (s.ledger.failed, s.ledger.late_hits, s.ledger.misses, s.ledger.eligible_misses) == (1, 0, 2, 2)
    assert s.ledger.coverage == 0.0


def test_a_result_as_large_as_allowed_is_kept():
    s = session(read(), result_bytes=100)
    searched(s)
    assert s.engine.ended(1, done(size_bytes=100), 12.0) is State.READY


def test_what_does_not_fit_beside_the_kept_results_is_dropped():
    s = session(read("x"), read("y"), buffer_bytes=100)
    assert len(searched(s)) == 2
    assert s.engine.ended(1, done(size_bytes=60), 11.0) is State.READY
    assert s.engine.ended(2, done(size_bytes=41), 11.0) is State.FAILED


def test_a_joined_result_needs_no_room_in_the_buffer():
    s = session(read("x"), read("y"), buffer_bytes=100)
    searched(s)
    s.engine.ended(1, done(size_bytes=60), 11.0)
    s.engine.demanded(read("y"), 11.5)
    assert s.engine.ended(2, done(size_bytes=90), 12.0) is State.LATE_HIT


# --- a demand abandoned ----------------------------------------------------------------------------------------------


def test_an_abandoned_demand_that_had_joined_cancels_the_guess():
    s = session(read())
    searched(s)
    demand, _ = s.engine.demanded(read(), 11.0)
    assert s.engine.abandoned(demand, 12.0) == [Cancel(1)]
    assert s.engine.ended(1, None, 12.5) is None
    assert (s.ledger.unused, s.ledger.late_hits, s.ledger.live) == (1, 0, 0)


def test_abandoning_twice_or_after_the_guess_ended_does_nothing_more():
    s = session(read())
    searched(s)
    demand, _ = s.engine.demanded(read(), 11.0)
    s.engine.ended(1, None, 11.5)
    assert s.engine.abandoned(demand, 12.0) == []
    assert s.engine.abandoned(demand, 12.0) == []
    assert s.budget.load_price == 0.10
    assert conserved(s.ledger)


def test_thinking_goes_on_after_an_abandoned_demand():
    s = session()
    first, _ = s.engine.demanded(search(), 0.0)
    second, _ = s.engine.demanded(read("y"), 0.0)
    assert finish(s.engine, first, 1.0) == []
    s.engine.abandoned(second, 2.0)
    s.predictor.foreseen = [guess(read())]
    s.engine.think(2.0)
    assert s.engine.launch(2.0) == [Launch(1, read())]


# --- yielding --------------------------------------------------------------------------------------------------------


def test_a_demand_preempts_running_guesses_on_its_server_and_nowhere_else():
    s = session(read("x"), look("x"), read("y"), per_server=1)
    assert searched(s) == [Launch(1, read("x")), Launch(2, look("x"))]
    _, cancels = s.engine.demanded(search("other"), 11.0)
    assert cancels == [Cancel(1)]
    assert (s.ledger.preempted, s.ledger.squashed) == (1, 0)
    assert s.engine.ended(2, done(), 12.0) is State.READY


def test_a_demand_takes_no_ready_result_away():
    s = session()
    ready(s)
    s.engine.demanded(search("other"), 13.0)
    assert isinstance(s.engine.demanded(read(), 13.0)[0].answer, Hit)


def test_a_hit_needs_no_server_and_preempts_nothing():
    s = session(read("x"), read("y"))
    searched(s)
    s.engine.ended(1, done(), 11.0)
    demand, cancels = s.engine.demanded(read("x"), 12.0)
    assert (type(demand.answer), cancels) == (Hit, [])


def test_the_queue_waits_while_a_demand_is_under_way_and_goes_on_after():
    s = session(read("x"), read("y"), per_server=1)
    searched(s)
    s.engine.ended(1, done(), 11.0)
    demand, _ = s.engine.demanded(look("q"), 11.5)
    assert s.engine.launch(11.5) == []
    assert finish(s.engine, demand, 12.0) == [Launch(2, read("y"))]


# --- slots -----------------------------------------------------------------------------------------------------------


def test_a_cancelled_guess_keeps_its_slot_until_it_has_really_ended():
    s = session(read("x"), per_server=1)
    searched(s)
    demand, cancels = s.engine.demanded(search("other"), 11.0)
    assert cancels == [Cancel(1)]
    s.predictor.foreseen = [guess(read("y"))]
    assert finish(s.engine, demand, 12.0) == []
    assert s.engine.ended(1, None, 13.0) is None
    assert s.engine.launch(13.0) == [Launch(2, read("y"))]


def test_a_slot_is_given_back_exactly_once():
    s = session(read("x"), per_server=1)
    searched(s)
    s.engine.demanded(search("other"), 11.0)
    s.engine.ended(1, None, 12.0)
    with pytest.raises(KeyError):
        s.engine.ended(1, None, 12.0)
    assert slots_left(s) == 1


def test_slots_are_shared_by_sessions_but_results_are_not():
    shared = Budget(Limits(per_server=1), {"a": Site(shared=True)})
    one, other = session(read(), budget=shared), session(read(), budget=shared)
    assert searched(one) == [Launch(1, read())]
    assert searched(other) == []
    one.engine.ended(1, done("of one"), 11.0)
    assert other.engine.launch(11.0) == [Launch(1, read())]
    other.engine.ended(1, done("of other"), 12.0)
    assert other.engine.demanded(read(), 13.0)[0].answer == Hit(1, "of other")
    assert one.engine.demanded(read(), 13.0)[0].answer == Hit(1, "of one")


def test_one_session_cannot_take_every_slot():
    s = session(read("x"), look("x"), read("y"), look("y"), per_session=3, per_trigger=4)
    assert len(searched(s)) == 3


def test_the_best_guess_is_launched_first():
    s = session(guess(read("x"), 0.3), guess(read("y"), 0.9), guess(read("z"), 0.6), per_server=2)
    assert [launch.call for launch in searched(s)] == [read("y"), read("z")]


# --- changes of what a server offers ---------------------------------------------------------------------------------


def test_a_changed_definition_drops_and_bars_the_tool():
    s = session()
    ready(s)
    changed = [Tool("a", "read", READ, definition="new"), *(tool for tool in TOOLS if tool.name != "read")]
    assert s.engine.set_tools("a", changed, 13.0) == []
    assert s.ledger.stale == 1
    s.predictor.foreseen = [guess(read("y")), guess(search("y"))]
    demand, _ = s.engine.demanded(read(), 14.0)
    assert demand.answer == Miss()
    assert finish(s.engine, demand, 15.0) == [Launch(2, search("y"))]
    assert s.ledger.refused == {"barred": 1}


def test_a_changed_definition_cancels_what_runs_of_that_tool_only():
    s = session(read(), look())
    searched(s)
    changed = [Tool("a", "read", Hints(read_only=True, open_world=False, idempotent=True))]
    assert s.engine.set_tools("a", changed, 11.0) == [Cancel(1)]


def test_a_definition_that_is_the_same_again_changes_nothing():
    s = session()
    ready(s)
    assert s.engine.set_tools("a", list(TOOLS), 13.0) == []
    assert isinstance(s.engine.demanded(read(), 14.0)[0].answer, Hit)


def test_a_removed_tool_loses_its_guesses():
    s = session()
    ready(s)
    s.engine.set_tools("a", [TOOLS[0]], 13.0)
    assert s.ledger.stale == 1
    assert s.engine.demanded(read(), 14.0)[0].answer == Miss()


def test_a_tool_that_leaves_and_comes_back_as_another_is_barred():
    s = session()
    changed = Tool("a", "read", READ, definition="new")
    s.engine.set_tools("a", [], 1.0)
    s.engine.set_tools("a", [changed], 2.0)
    assert s.engine.standing.decide_tool(changed).row == "barred"


def test_a_tool_that_leaves_and_comes_back_the_same_is_not_barred():
    s = session()
    s.engine.set_tools("a", [], 1.0)
    s.engine.set_tools("a", TOOLS, 2.0)
    assert s.engine.standing.decide_tool(TOOLS[1]).eligible


def test_invalidating_a_server_drops_what_it_said_and_nothing_else():
    s = session(read(), look(), read("y"), per_server=1)
    searched(s)
    s.engine.ended(2, done("seen"), 11.0)
    assert s.engine.invalidate("a", 12.0) == [Cancel(1)]
    assert (s.ledger.stale, s.ledger.squashed) == (1, 1)
    assert s.engine.demanded(look(), 13.0)[0].answer == Hit(2, "seen")


def test_a_barred_tool_is_dropped_and_never_guessed_again():
    s = session(read(), search("y"))
    searched(s)
    assert s.engine.bar("a", "read", "it asked the user something", 11.0) == [Cancel(1)]
    s.predictor.foreseen = [guess(read())]
    s.engine.think(12.0)
    assert s.engine.launch(12.0) == []
    assert s.ledger.refused == {"barred": 1}
    assert s.engine.ended(2, done(), 13.0) is State.READY


# --- modes -----------------------------------------------------------------------------------------------------------

SHADOW = {"a": ServerPolicy("shadow"), "b": ServerPolicy("shadow")}


def test_shadow_sends_nothing_and_counts_what_would_have_hit():
    s = session(read(), policies=SHADOW)
    assert searched(s, now=10.0) == []
    demand, _ = s.engine.demanded(read(), 14.0)
    assert demand.answer == Miss()
    assert (s.ledger.queued, s.ledger.issued, s.ledger.shadow_issued, s.ledger.shadow_hits) == (0, 0, 1, 1)
    assert s.ledger.shadow_hidden_s == 1.0  # of a tool never seen, which is taken to need one second


def test_shadow_counts_no_more_seconds_than_the_agent_thought():
    s = session(read(), policies=SHADOW)
    took(s, 8.0)
    searched(s, now=10.0)
    s.engine.demanded(read(), 13.0)
    assert s.ledger.shadow_hidden_s == 3.0


def test_a_session_that_sends_nothing_decides_as_if_it_did():
    s = session(read())
    told = []
    s.engine = Engine(s.predictor, s.budget, TRUSTED, journal=lambda note, now: told.append((note, now)), sends=False)
    s.engine.set_tools("a", TOOLS, 0.0)
    assert searched(s, now=10.0) == []
    demand, _ = s.engine.demanded(read(), 14.0)
    assert (demand.answer, demand.read, demand.eligible, demand.shadow) == (Miss(), True, True, 1)
    (issued, at), (settled, until) = told
    assert (issued.id, issued.shadow, at) == (1, True, 10.0)
    assert (settled.id, settled.state, settled.began, settled.hidden_s, until) == (1, "hit", 10.0, 1.0, 14.0)
    assert s.engine.ledger.issued == 0


def test_shadow_counts_a_would_be_result_once():
    s = session(read(), policies=SHADOW)
    searched(s)
    s.engine.demanded(read(), 11.0)
    s.engine.demanded(read(), 12.0)
    assert s.ledger.shadow_hits == 1


@pytest.mark.parametrize(("asked_at", "hits"), [(40.0, 1), (40.001, 0)])
def test_shadow_counts_no_hit_past_the_time_to_live(asked_at, hits):
    s = session(read(), policies=SHADOW, ttl_s=30.0)
    searched(s, now=10.0)
    s.engine.demanded(read(), asked_at)
    assert s.ledger.shadow_hits == hits


@pytest.mark.parametrize("plain", [True, False])
def test_shadow_counts_no_hit_after_a_write(plain):
    s = session(read(), policies=SHADOW)
    searched(s)
    s.engine.demanded(WRITING if plain else search("y"), 11.0, plain=plain)
    s.engine.demanded(read(), 12.0)
    assert s.ledger.shadow_hits == 0


def test_shadow_counts_no_hit_of_a_call_that_is_never_matched():
    s = session(read(), policies=SHADOW)
    searched(s)
    s.engine.demanded(read(), 11.0, plain=False)
    assert s.ledger.shadow_hits == 0


@pytest.mark.parametrize("change", ["invalidate", "bar", "set_tools"])
def test_shadow_counts_no_hit_of_what_would_have_been_dropped(change):
    s = session(read(), policies=SHADOW)
    searched(s)
    if change == "invalidate":
        s.engine.invalidate("a", 11.0)
    elif change == "bar":
        s.engine.bar("a", "read", "why", 11.0)
    else:
        s.engine.set_tools("a", [], 11.0)
        s.engine.set_tools("a", TOOLS, 11.0)
    s.engine.demanded(read(), 12.0)
    assert s.ledger.shadow_hits == 0


def test_shadow_counts_a_guess_it_still_holds_only_once():
    s = session(read(), policies=SHADOW, ttl_s=30.0)
    searched(s, now=10.0)
    for now, issued in [(20.0, 1), (40.0, 1), (41.0, 2)]:
        s.predictor.foreseen = [guess(read())]
        s.engine.think(now)
        assert s.ledger.shadow_issued == issued


def test_off_does_not_even_predict():
    s = session(read(), policies={"a": ServerPolicy("off"), "b": ServerPolicy("off")})
    assert searched(s) == []
    assert s.engine.demanded(read(), 11.0)[0].answer == Miss()
    assert (s.ledger.predicted, dict(s.ledger.refused)) == (0, {})
    assert (s.ledger.queued, s.ledger.shadow_issued, s.ledger.shadow_hits, s.ledger.eligible_misses) == (0, 0, 0, 0)


# --- what is foreseen but not sent -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prediction", "row"),
    [
        (guess(WRITING), "write"),
        (guess(read(), ingredients=(Ingredient("result", "b", 0),)), "foreign value"),
    ],
)
def test_what_is_not_safe_is_refused_by_its_row(prediction, row):
    s = session(prediction)
    assert searched(s) == []
    assert s.ledger.refused == {row: 1}
    assert (s.ledger.predicted, s.ledger.queued) == (1, 0)


def test_what_is_not_worth_it_is_rejected():
    s = session(read())
    took(s, 0.001)
    took(s, 0.001)
    assert searched(s) == []
    assert s.ledger.rejected == {"not worth it": 1}


def test_a_tool_learnt_to_be_fast_from_the_agents_own_calls_is_left_alone():
    s = session()
    for began in (0.0, 5.0):
        demand, _ = s.engine.demanded(read(), began)
        s.predictor.foreseen = [guess(read("y"))] if began else []
        assert finish(s.engine, demand, began + 0.005) == []
    assert s.ledger.rejected == {"not worth it": 1}


def test_an_agent_that_does_not_think_leaves_no_time_to_hide():
    s = session()
    for began in range(10):
        demand, _ = s.engine.demanded(search(), float(began))
        s.predictor.foreseen = [guess(read())] if began == 9 else []
        assert finish(s.engine, demand, began + 1.0) == []
    assert s.ledger.rejected == {"not worth it": 1}


def test_a_trigger_makes_no_more_guesses_than_its_width():
    s = session(*(read(str(n)) for n in range(5)), per_trigger=2, per_server=8)
    assert len(searched(s)) == 2
    assert s.ledger.rejected == {"too many for one trigger": 3}


def test_refused_guesses_take_no_place_from_good_ones():
    s = session(WRITING, WRITING, read("x"), read("y"), per_trigger=2)
    assert [launch.call for launch in searched(s)] == [read("x"), read("y")]


def test_a_call_foreseen_again_while_its_guess_lives_is_not_guessed_twice():
    s = session(read(), read())
    assert len(searched(s)) == 1
    for now in (11.0, 12.0):
        s.predictor.foreseen = [guess(read())]
        s.engine.think(now)
        assert s.engine.launch(now) == []
    assert s.ledger.queued == 1


def test_a_prediction_for_a_tool_that_is_gone_is_passed_over():
    s = session(ToolCall("a", "gone", {}))
    assert searched(s) == []
    assert not s.ledger.refused


def test_a_session_holds_a_bounded_number_of_guesses():
    s = session(per_trigger=100, per_server=1)
    s.predictor.foreseen = [guess(read(str(n))) for n in range(MAX_LIVE + 5)]
    searched(s)
    assert (s.ledger.queued, s.ledger.rejected["too many live"]) == (MAX_LIVE, 5)


def test_a_session_in_shadow_holds_a_bounded_number_of_guesses():
    s = session(per_trigger=100, policies=SHADOW)
    s.predictor.foreseen = [guess(read(str(n))) for n in range(MAX_LIVE + 5)]
    searched(s)
    assert (s.ledger.shadow_issued, s.ledger.rejected["too many live"]) == (MAX_LIVE, 5)


# --- credit and blame ------------------------------------------------------------------------------------------------


def test_a_pattern_is_credited_when_its_call_comes_and_blamed_once_per_guess():
    s = session(guess(read(), 0.8), guess(read("y"), 0.4))
    searched(s)
    s.engine.demanded(read(), 11.0)
    s.engine.demanded(read(), 12.0)
    assert s.predictor.evidence.counts()["p"].hits == 1


def test_what_was_refused_still_teaches_whether_the_pattern_is_right():
    s = session(guess(read(), 0.5, ingredients=(Ingredient("result", "b", 0),)))
    searched(s)
    s.engine.demanded(read(), 11.0)
    assert s.predictor.evidence.counts() == {"p": Counts(0.5, 1)}


def test_only_the_latest_guesses_are_remembered_for_credit():
    s = session(*(guess(read(str(n)), pattern=str(n)) for n in range(MAX_FORESEEN + 1)))
    searched(s)
    s.engine.demanded(read("0"), 11.0)
    s.engine.demanded(read(str(MAX_FORESEEN)), 11.0)
    counts = s.predictor.evidence.counts()
    assert (counts["0"].hits, counts[str(MAX_FORESEEN)].hits) == (0, 1)


# --- turns -----------------------------------------------------------------------------------------------------------


def test_thinking_waits_for_the_last_parallel_demand_and_for_all_to_be_observed():
    s = session(read())
    first, _ = s.engine.demanded(search("1"), 0.0)
    second, _ = s.engine.demanded(search("2"), 0.0)
    s.engine.returned(first, "ok", 1.0)
    s.engine.returned(second, "ok", 2.0)
    s.engine.think(2.0)
    s.engine.observe(second, "ok", Payload(), 2.0)
    s.engine.think(2.0)
    assert s.predictor.asked == []
    s.engine.observe(first, "ok", Payload(), 2.0)
    s.engine.think(2.0)
    assert s.predictor.asked == [["search", "search"]]
    assert s.engine.launch(2.0) == [Launch(1, read())]


def test_side_by_side_calls_share_a_turn_and_the_next_call_begins_one():
    s = session()
    first, _ = s.engine.demanded(search("1"), 0.0)
    second, _ = s.engine.demanded(search("2"), 0.5)
    finish(s.engine, first, 1.0)
    third, _ = s.engine.demanded(search("3"), 1.5)
    finish(s.engine, second, 2.0)
    finish(s.engine, third, 2.0)
    fourth, _ = s.engine.demanded(search("4"), 3.0)
    assert [demand.turn for demand in (first, second, third, fourth)] == [0, 0, 0, 1]


def test_nothing_is_foreseen_before_the_first_call():
    s = session(read())
    s.engine.think(0.0)
    assert s.engine.launch(0.0) == []
    assert s.predictor.asked == []


# --- the end ---------------------------------------------------------------------------------------------------------


def test_close_settles_everything():
    s = session(read("x"), read("y"), look("x"), read("z"), per_trigger=4, per_server=2)
    assert [launch.id for launch in searched(s)] == [1, 2, 3]
    s.engine.ended(1, done(), 11.0)
    demand, _ = s.engine.demanded(look("x"), 12.0)
    assert demand.answer == Join(3)
    cancels = s.engine.close(13.0)
    assert sorted(cancel.id for cancel in cancels) == [2, 3]
    assert (s.ledger.unused, s.ledger.squashed, s.ledger.live) == (3, 1, 0)
    assert conserved(s.ledger)
    assert [s.engine.ended(id, None, 14.0) for id in (2, 3)] == [None, None]
    assert s.engine.abandoned(demand, 14.0) == []
    assert slots_left(s) == 2
    assert s.budget.load_price == 0.10


def test_a_closed_session_foresees_and_launches_nothing():
    s = session()
    searched(s)
    s.engine.close(11.0)
    s.predictor.foreseen = [guess(read())]
    s.engine.think(12.0)
    assert s.engine.launch(12.0) == []
    assert s.predictor.foreseen


def test_closing_twice_is_the_same_as_once():
    s = session(read())
    searched(s)
    assert s.engine.close(11.0) == [Cancel(1)]
    assert s.engine.close(12.0) == []
    assert (s.ledger.unused, s.ledger.live) == (1, 0)


# --- with the real predictor -----------------------------------------------------------------------------------------


def test_a_written_pattern_leads_from_a_search_to_the_first_result_read_in_time():
    written = {
        "name": "search-then-read",
        "context": [{"server": "a", "tool": "search", "status": "ok"}],
        "target": {"server": "same", "tool": "read"},
        "arguments": {"path": {"result": -1, "path": "$.results[*].path", "pick": {1: 0.6, 2: 0.2}}},
        "probability": 0.9,
    }
    pool = Pool(parse_pool({"version": 1, "patterns": [written]}, users_own=True))
    engine = Engine(Predictor(pool), Budget(Limits()), TRUSTED)
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    engine.set_tools("a", [Tool("a", "search", READ), Tool("a", "read", READ, schema)], 0.0)

    demand, _ = engine.demanded(search(), 0.0)
    engine.returned(demand, "ok", 10.0)
    found = Payload(document={"results": [{"path": "one.py"}, {"path": "two.py"}]})
    engine.observe(demand, "ok", found, 10.0)
    engine.think(10.0)
    assert engine.launch(10.0) == [Launch(1, read("one.py")), Launch(2, read("two.py"))]

    assert engine.ended(1, done("text of one"), 14.0) is State.READY
    demand, _ = engine.demanded(read("one.py"), 15.0)
    assert demand.answer == Hit(1, "text of one")


# --- servers that work on one call at a time -------------------------------------------------------------------------


def serial(s, server="a", deaf=0.0):
    """What calls that overlapped have shown of this server."""
    s.budget.queueing(server)._serial.score = 4.0
    s.budget.queueing(server)._deaf.score = deaf


def test_a_serial_server_runs_one_guess_at_a_time_and_the_next_when_it_has_ended():
    s = session(read("x"), read("y"), look("x"))
    serial(s)
    assert [launch.call for launch in searched(s)] == [read("x"), look("x")]
    s.engine.ended(1, done(), 12.0)
    assert [launch.call for launch in s.engine.launch(12.0)] == [read("y")]


def test_on_a_serial_server_that_is_shared_no_guess_runs_while_anybodys_demand_is_in_flight_there():
    shared = Budget(Limits(), {"a": Site(shared=True)})
    one, other = session(read(), budget=shared), session(budget=shared)
    serial(one)
    demand, _ = other.engine.demanded(search("other"), 5.0)
    assert searched(one) == []
    other.engine.returned(demand, "ok", 11.0)
    assert one.engine.launch(11.0) == [Launch(1, read())]


def test_a_call_that_joins_waits_for_no_other_guess_that_is_ahead_of_it():
    s = session(read("x"), read("y"), read("z"), look("x"), per_server=3, per_trigger=4)
    s.budget.queueing("a")._serial.score = 1.0
    assert [launch.id for launch in searched(s)] == [1, 2, 3, 4]
    demand, cancels = s.engine.demanded(read("y"), 11.0)
    assert (demand.answer, cancels) == (Join(2), [Cancel(1)])
    assert s.ledger.preempted == 1


def test_a_call_that_joins_stops_nobody_where_calls_run_side_by_side():
    s = session(read("x"), read("y"))
    searched(s)
    demand, cancels = s.engine.demanded(read("y"), 11.0)
    assert (demand.answer, cancels) == (Join(2), [])


def test_a_server_that_works_on_regardless_is_not_told_to_stop_and_the_late_result_is_served():
    s = session(read())
    serial(s, deaf=4.0)
    took(s, 1.0)
    assert searched(s) == [Launch(1, read())]
    demand, cancels = s.engine.demanded(search("other"), 10.5)
    assert (demand.answer, cancels) == (Miss(), [])
    assert s.engine.ended(1, done("late"), 11.0) is State.READY
    s.engine.returned(demand, "ok", 12.0)
    assert s.engine.demanded(read(), 13.0)[0].answer == Hit(1, "late")


def test_after_a_write_nothing_starts_where_the_server_still_works_on_what_was_given_up():
    s = session(read("x"), look("x"))
    serial(s, deaf=4.0)
    took(s, 1.0)
    assert [launch.id for launch in searched(s)] == [1, 2]
    demand, cancels = s.engine.demanded(ToolCall("b", "unknown", {}), 10.1)
    assert sorted(cancel.id for cancel in cancels) == [1, 2]
    for cancel in cancels:
        s.engine.ended(cancel.id, None, 10.1)
    s.predictor.foreseen = [guess(read("y"))]
    assert finish(s.engine, demand, 10.2) == []
    assert s.engine.launch(10.9) == []
    assert [launch.call for launch in s.engine.launch(11.1)] == [read("y")]


def test_a_guess_that_might_hold_up_a_demand_is_worth_less():
    s = session(guess(read(), 0.8), guess(look(), 0.8))
    serial(s)
    for _ in range(3):
        took(s, 20.0)
    # Two seconds of thinking hide two of twenty; a wrong guess would hold the next call up for eighteen.
    assert [launch.call for launch in searched(s)] == [look()]
    assert s.ledger.rejected == {"not worth it": 1}


def test_a_session_begins_with_what_others_showed_of_how_long_agents_think():
    shared = Budget(Limits())
    one = session(budget=shared)
    for turn in range(4):
        demand, _ = one.engine.demanded(search(str(turn)), turn * 100.0)
        one.engine.returned(demand, "ok", turn * 100.0 + 50.0)
    other = session(guess(read(), 0.5), budget=shared)
    took(other, 40.0)
    took(other, 40.0)
    assert searched(other) == [Launch(1, read())]
    [queued] = list(other.engine._speculations)
    hidden_s = (2.0 + 3 * 40.0) / 4  # by what is assumed at first, and by three times 50 s
    assert queued.utility == pytest.approx(0.5 * hidden_s - 0.5 * 0.1 * 40 - 0.02)


# --- chains ----------------------------------------------------------------------------------------------------------


def chained(s, *followers, at=12.0):
    """A guess for `read` is ready at `at`, and these calls are foreseen to follow it."""
    id = ready(s, at=at)
    s.predictor.foreseen = [entry if isinstance(entry, Prediction) else guess(entry) for entry in followers]
    s.engine.think_ahead(at, lambda result: Payload(text=result))
    return id


def test_what_follows_a_guess_is_as_likely_as_both_together():
    s = session()
    chained(s, guess(look(), 0.5))
    [follower] = [speculation for speculation in s.engine._speculations if speculation.chained]
    assert follower.prediction.probability == pytest.approx(0.8 * 0.5)
    assert s.predictor.asked[-1] == ["search", "read"]
    assert s.engine.launch(12.0) == [Launch(2, look())]


def test_what_follows_a_guess_has_the_rest_of_this_thinking_and_all_of_the_next():
    s = session()
    for _ in range(9):
        took(s, 20.0, tool="search")
    chained(s, guess(search("more"), 0.5), at=10.5)
    [follower] = [speculation for speculation in s.engine._speculations if speculation.chained]
    # Two seconds of thinking are usual, and half a second of these is over.
    assert follower.utility == pytest.approx(0.4 * (1.5 + 2.0) - 0.6 * 0.1 * 20 - 0.02)


def test_nothing_follows_what_follows_a_guess():
    s = session()
    chained(s, look())
    [launch] = s.engine.launch(12.0)
    s.engine.ended(launch.id, done("looked"), 13.0)
    s.predictor.foreseen = [guess(read("more"))]
    s.engine.think_ahead(13.0, lambda result: Payload())
    assert s.engine.launch(13.0) == []


def test_nothing_follows_a_guess_that_was_asked_for_or_dropped_or_while_a_demand_is_under_way():
    for event in ("hit", "stale", "demand"):
        s = session()
        ready(s, at=12.0)
        s.predictor.foreseen = [guess(look())]
        demand, _ = s.engine.demanded({"hit": read(), "stale": WRITING, "demand": search("more")}[event], 12.0)
        s.engine.think_ahead(12.0, lambda result: Payload())
        assert s.engine.launch(12.0) == []
        assert s.ledger.queued == 1
        s.engine.returned(demand, "ok", 13.0)


def test_asking_what_follows_changes_nothing_that_the_session_remembers():
    s = session()
    chained(s, look())
    assert [event.call.tool for event in s.engine._history] == ["search"]
    assert s.engine.values.places("x") == []


def test_what_a_guess_brought_is_not_told_to_another_server():
    s = session()
    brought = Ingredient("result", "a", 1)  # the search was event 0
    chained(s, guess(look("r"), ingredients=(brought,), flows=frozenset({("a", "b")})))
    assert s.engine.launch(12.0) == []
    assert s.ledger.refused == {"unconfirmed value": 1}


def test_guesses_that_are_always_wrong_are_all_but_given_up_and_the_ledger_says_why():
    s = session()
    for turn in range(100):
        at = turn * 100.0
        s.predictor.foreseen = [guess(read(f"wrong {turn}"), 1.0)]
        demand, _ = s.engine.demanded(search(str(turn)), at)
        for launch in finish(s.engine, demand, at + 1.0):
            s.engine.ended(launch.id, done(), at + 2.0)
    assert 12 <= s.ledger.issued <= 12 + 1 + 88 // 16
    assert s.ledger.rejected["guesses of this server cost more than they bring"] >= 80
