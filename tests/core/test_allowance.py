"""Guessing that does not pay is all but switched off, and comes back when it pays again."""

from paste_mcp.core.speculation.allowance import FEWEST, PROBE_EVERY, RECENT, Allowance
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.settings import Limits


def after(*nets_s):
    allowance = Allowance()
    for net_s in nets_s:
        allowance.ended(net_s)
    return allowance


def test_few_losses_decide_nothing():
    assert not any(after(*[-1.0] * (FEWEST - 1)).holds_back() for _ in range(50))


def test_losses_switch_off_all_but_a_probe_now_and_then():
    allowance = after(*[-0.04] * FEWEST)
    held = [allowance.holds_back() for _ in range(3 * PROBE_EVERY)]
    assert held.count(False) == 3
    assert held[PROBE_EVERY - 1] is False


def test_one_hit_pays_for_many_cheap_misses():
    assert after(*[-0.04] * (RECENT - 1), 1.0).pays


def test_a_probe_that_pays_switches_on_again():
    allowance = after(*[-0.04] * RECENT)
    assert not allowance.pays
    allowance.ended(1.0)
    assert allowance.pays


def test_what_was_long_ago_no_longer_counts():
    assert not after(1000.0, *[-0.04] * RECENT).pays


def losing(server, pattern, times=FEWEST):
    budget = Budget(Limits())
    for _ in range(times):
        budget.settled(server, pattern, hidden_s=0.0, wasted_s=1.0)
    return budget


def test_a_pattern_is_held_back_on_every_server_and_a_server_for_every_pattern():
    budget = losing("a", "p")
    assert budget.holds_back("b", "p") == "guesses of this pattern cost more than they bring"
    assert budget.holds_back("a", "q") == "guesses of this server cost more than they bring"
    assert budget.holds_back("b", "q") is None


def test_a_server_and_a_pattern_that_both_lose_still_get_their_probes():
    budget = losing("a", "p")
    held = [budget.holds_back("a", "p") is not None for _ in range(4 * PROBE_EVERY)]
    assert held.count(False) == 4


def test_a_guess_that_hides_less_than_a_launch_costs_is_a_loss():
    budget = Budget(Limits(launch_cost_s=0.02))
    for _ in range(FEWEST):
        budget.settled("a", "p", hidden_s=0.01, wasted_s=0.0)
    assert budget.holds_back("a", "p") is not None
