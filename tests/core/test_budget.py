"""Is it worth it: the formula by hand, the slots, and an allowance that narrows but never closes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.speculation.budget import UNKNOWN_SERVICE_S, Budget
from paste_mcp.core.speculation.rolling import Rolling
from paste_mcp.core.speculation.settings import Limits, Site

LAUNCH_COST_S = Limits().launch_cost_s


class Tried:
    """A budget as one session uses it, at one time."""

    def __init__(self, shared):
        self.shared = shared
        self.own = {}
        self.runs = {}

    def take(self, server, in_session=0):
        run = self.shared.take(server, "read", self.own, 0.0, in_session)
        if run is not None:
            self.runs.setdefault(server, []).append(run)
        return run is not None

    def give_back(self, server):
        self.shared.ended(self.runs[server].pop(), self.own, 0.0, ok=False, answered=False)

    def served(self, server, tool, duration_s):
        run = self.shared.forwarded(server, tool, self.own, 0.0)
        self.shared.ended(run, self.own, duration_s, ok=True, answered=True)

    def __getattr__(self, name):
        return getattr(self.shared, name)


def budget(sites=None, **limits):
    return Tried(Budget(Limits(**limits), sites))


@pytest.mark.parametrize(
    ("probability", "service_s", "leads_s", "expected"),
    [
        # p * E[min(S, L)] - (1 - p) * 0.1 * S - 0.02
        (0.5, 10.0, (4.0,), 0.5 * 4 - 0.5 * 0.1 * 10 - 0.02),
        (0.5, 4.0, (10.0,), 0.5 * 4 - 0.5 * 0.1 * 4 - 0.02),
        (0.5, 4.0, (10.0, 2.0, 3.0), 0.5 * 3 - 0.5 * 0.1 * 4 - 0.02),
        (1.0, 3.0, (5.0,), 3.0 - 0.02),
        (0.0, 3.0, (5.0,), -0.3 - 0.02),
        (0.9, 0.0, (5.0,), -0.02),
        (0.9, 5.0, (0.0,), -0.1 * 0.1 * 5 - 0.02),
    ],
)
def test_what_a_guess_is_worth_is_the_formula(probability, service_s, leads_s, expected):
    shared = budget()
    for _ in range(9):
        shared.served("a", "read", service_s)
    assert shared.worth(probability, "a", "read", thinking(*leads_s)) == pytest.approx(expected)


def thinking(first, *then):
    lead = Rolling(first)
    for seconds in then:
        lead.observe(seconds)
    return lead


def test_where_a_wrong_guess_would_hold_up_a_demand_that_is_part_of_its_price():
    shared = budget()
    for _ in range(9):
        shared.served("a", "read", 10.0)
    shared.queueing("a")._serial.score = 4.0
    # Half of the time nothing is thought: five seconds hidden on average, and five held up.
    expected = 0.6 * 5 - 0.4 * (0.1 * 10 + 5) - 0.02
    assert shared.worth(0.6, "a", "read", thinking(0.0, 20.0)) == pytest.approx(expected)


def test_a_fast_tool_is_not_worth_a_launch_however_sure_the_guess():
    assert budget().utility(0.99, LAUNCH_COST_S, LAUNCH_COST_S) < 0


def test_more_lead_than_service_time_hides_no_more():
    shared = budget()
    assert shared.worth(0.5, "a", "read", Rolling(1.0)) == shared.worth(0.5, "a", "read", Rolling(200.0))


@pytest.mark.parametrize(
    ("demands", "running", "price"),
    [
        (0, 0, 0.10),
        (2, 2, 0.10),
        (4, 1, 0.15),
        (8, 0, 0.15),
        (8, 1, 0.20),
        (16, 0, 0.20),
        (17, 0, 0.30),
        (100, 2, 0.30),
    ],
)
def test_a_wasted_second_costs_more_in_steps_under_load(demands, running, price):
    shared = budget(total=8)
    for _ in range(demands):
        shared.demand_began()
    for _ in range(running):
        assert shared.take("a", 0)
    assert shared.load_price == price


def test_the_price_falls_again_when_the_load_goes():
    shared = budget(total=2)
    shared.demand_began()
    assert shared.take("a", 0)
    shared.demand_began()
    assert shared.load_price == 0.20
    shared.demand_ended()
    shared.demand_ended()
    shared.give_back("a")
    assert shared.load_price == 0.10


def test_slots_on_one_server_are_bounded():
    shared = budget(per_server=2)
    assert [shared.take("a", 0) for _ in range(3)] == [True, True, False]
    assert shared.take("b", 0)


def test_each_session_has_slots_at_its_own_process_and_all_share_those_of_one_address():
    shared = Budget(Limits(per_server=1), {"far": Site(host="example.org"), "one": Site(shared=True)})
    first, second = Tried(shared), Tried(shared)
    assert [first.take(server) for server in ("near", "far", "one")] == [True, True, True]
    assert [second.take(server) for server in ("near", "far", "one")] == [True, False, False]


def test_slots_of_one_host_are_bounded():
    shared = budget({name: Site(host="example.org") for name in "abc"} | {"d": Site(host="other")}, per_host=2)
    assert [shared.take(server) for server in "abcd"] == [True, True, False, True]
    shared.give_back("b")
    assert shared.take("c")


def test_slots_of_all_servers_together_are_bounded():
    shared = budget(total=3, per_server=2)
    assert [shared.take(server, 0) for server in "aabbc"] == [True, True, True, False, False]


def test_slots_of_one_session_are_bounded():
    shared = budget(per_session=1)
    assert not shared.take("a", 1)
    assert shared.take("a", 0)


def test_a_refused_slot_takes_nothing():
    shared = budget(per_server=1, total=2)
    assert [shared.take("a", 0), shared.take("a", 0), shared.take("a", 0)] == [True, False, False]
    shared.give_back("a")
    assert shared.take("a", 0)
    assert shared.take("b", 0)


def test_a_slot_given_back_can_be_taken_again():
    shared = budget(total=1)
    for _ in range(5):
        assert shared.take("a", 0)
        assert not shared.take("b", 0)
        shared.give_back("a")


def test_a_trigger_has_its_full_width_at_first():
    assert budget(per_trigger=3).width() == 3


def issue(shared, times, useful=0):
    for _ in range(times):
        assert shared.take("a", 0)
        shared.give_back("a")
    for _ in range(useful):
        shared.useful()


def test_the_width_narrows_while_few_guesses_come_true():
    shared = budget(per_trigger=3)
    widths = []
    for _ in range(12):
        issue(shared, 2)
        widths.append(shared.width())
    assert widths == sorted(widths, reverse=True)
    assert (widths[0], widths[-1]) == (3, 1)


def test_the_width_never_closes_and_opens_again_with_success():
    shared = budget(per_trigger=3)
    issue(shared, 10_000)
    assert shared.width() == 1
    issue(shared, 10_000, useful=10_000)
    assert shared.width() == 3


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 8))
def test_the_width_is_always_between_one_and_the_limit(outcomes, per_trigger):
    shared = budget(per_trigger=per_trigger)
    for was_useful in outcomes:
        issue(shared, 1, useful=was_useful)
        assert 1 <= shared.width() <= per_trigger


def test_an_unknown_tool_is_taken_to_be_slow_enough_to_try():
    shared = budget()
    assert shared.service_s("a", "read") == UNKNOWN_SERVICE_S
    assert shared.worth(0.5, "a", "read", Rolling(2.0)) > 0


def test_a_tool_learnt_to_be_fast_is_not_worth_guessing():
    shared = budget()
    shared.served("a", "read", 0.005)
    shared.served("a", "read", 0.005)
    assert shared.worth(0.9, "a", "read", Rolling(2.0)) < 0
    assert shared.service_s("b", "read") == shared.service_s("a", "look") == UNKNOWN_SERVICE_S


def test_one_slow_outlier_changes_nothing():
    shared = budget()
    for duration in (0.01, 0.01, 0.01, 60.0):
        shared.served("a", "read", duration)
    assert shared.service_s("a", "read") == 0.01


def test_one_fast_call_does_not_make_a_tool_fast():
    """It may have been an error, or an answer from the server's own cache."""
    shared = budget()
    shared.served("a", "read", 0.0)
    assert shared.worth(0.5, "a", "read", Rolling(2.0)) > 0


def test_a_slow_start_is_forgotten_by_the_fourth_call():
    shared = budget()
    shared.served("a", "read", 60.0)
    assert shared.service_s("a", "read") == (60.0 + UNKNOWN_SERVICE_S) / 2
    for _ in range(3):
        shared.served("a", "read", 0.01)
    assert shared.service_s("a", "read") == 0.01


def test_a_tool_that_became_slow_is_worth_guessing_again_after_five_calls():
    shared = budget()
    for _ in range(50):
        shared.served("a", "read", 0.01)
    for _ in range(4):
        shared.served("a", "read", 5.0)
    assert shared.service_s("a", "read") == 0.01
    shared.served("a", "read", 5.0)
    assert shared.service_s("a", "read") == 5.0


def test_a_rolling_median_counts_its_default_as_the_first():
    rolling = Rolling(7.0)
    assert rolling.value == 7.0
    rolling.observe(1.0)
    assert rolling.value == 4.0
    rolling.observe(3.0)
    assert rolling.value == 3.0


def test_a_rolling_median_forgets_its_default_after_nine():
    rolling = Rolling(1000.0)
    for _ in range(9):
        rolling.observe(1.0)
    rolling.observe(2.0)
    assert rolling.value == 1.0
