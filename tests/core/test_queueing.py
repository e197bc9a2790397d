"""Whether a server works on one call at a time, and whether it stops when told to: by literal times of overlaps."""

import pytest

from paste_mcp.core.speculation.queueing import DECIDED, Odds, Place, Queueing, Run


class Server:
    """Calls of a tool that takes 10 s, at one place. Times are when calls begin and end."""

    def __init__(self):
        self.queueing = Queueing()
        self.place = Place()

    def begin(self, at, behind_s=0.0, guess=False):
        run = Run("a", "read", at, guess=guess, behind=behind_s > 0, behind_s=behind_s)
        self.place.begin(run)
        return run

    def end(self, run, at):
        self.place.end(run, True, at)
        self.queueing.learn(run, 10.0, at)
        return self.queueing.worked_s(run, at)

    def give_up(self, run, at):
        self.place.end(run, False, at)

    def pair(self, second_ends, first_ends=10.0, second_begins=0.0):
        first, second = self.begin(0.0), self.begin(second_begins)
        for run, at in sorted(((first, first_ends), (second, second_ends)), key=lambda pair: pair[1]):
            self.end(run, at)


@pytest.mark.parametrize(
    ("second_ends", "second_begins", "serial"),
    [
        (20.0, 0.0, True),  # twice as long as usual: from when the first ended
        (20.5, 5.0, True),
        (10.0, 0.0, False),  # both at once
        (10.1, 0.0, False),
        (15.0, 5.0, False),
        (13.0, 0.0, False),  # a little slower side by side
    ],
)
def test_overlapping_calls_show_whether_they_wait_for_one_another(second_ends, second_begins, serial):
    server = Server()
    assert not server.queueing.perhaps_serial
    for _ in range(6):
        server.pair(second_ends, second_begins=second_begins)
    assert server.queueing.serial is serial


def test_one_pair_of_calls_decides_nothing():
    server = Server()
    server.pair(20.0)
    assert server.queueing.perhaps_serial
    assert not server.queueing.serial


def test_a_call_that_overtakes_another_shows_that_the_server_is_not_serial():
    server = Server()
    for _ in range(3):
        server.pair(20.0)
    assert server.queueing.serial
    for _ in range(4):
        server.pair(4.0, second_begins=1.0)
    assert not server.queueing.perhaps_serial


def test_of_calls_that_begin_at_once_nobody_knows_which_was_first():
    server = Server()
    for _ in range(3):
        first, second = server.begin(0.0), server.begin(0.01)
        server.end(second, 10.0)
        server.end(first, 20.0)
    assert server.queueing.serial


def test_calls_one_after_the_other_say_nothing():
    server = Server()
    for start in range(0, 100, 10):
        server.end(server.begin(float(start)), start + 10.0)
    assert not server.queueing.perhaps_serial


def test_a_call_that_may_have_waited_says_nothing_of_the_tools_duration_until_it_is_known_which():
    server = Server()
    first, second = server.begin(0.0), server.begin(0.0)
    assert server.end(first, 10.0) == 10.0
    assert server.end(second, 20.0) is None
    for _ in range(2):
        server.pair(20.0)
    first, second = server.begin(0.0), server.begin(0.0)
    server.end(first, 10.0)
    assert server.end(second, 21.0) == 11.0  # from when the first had ended


def test_of_a_server_known_to_work_side_by_side_every_duration_counts():
    server = Server()
    server.pair(10.0)
    first, second = server.begin(0.0), server.begin(0.0)
    server.end(first, 10.0)
    assert server.end(second, 12.0) == 12.0


def test_a_demand_that_waits_for_a_guess_that_was_given_up_shows_a_server_that_cannot_be_stopped():
    server = Server()
    for _ in range(3):
        guess = server.begin(0.0, guess=True)
        demand = server.begin(2.0, behind_s=8.0)
        server.give_up(guess, 2.0)
        assert server.end(demand, 20.0) is None
    assert server.queueing.deaf


def test_a_demand_that_does_not_wait_shows_one_that_can():
    server = Server()
    for _ in range(3):
        server.pair(20.0)
    assert server.queueing.blocks  # as most serial servers do, until shown otherwise
    guess = server.begin(0.0, guess=True)
    demand = server.begin(2.0, behind_s=8.0)
    server.give_up(guess, 2.0)
    server.end(demand, 12.0)
    assert server.queueing.serial
    assert not server.queueing.blocks


def test_a_guess_that_was_given_up_is_not_taken_for_one_that_ended():
    """When its server was done with it nobody knows, so that it says nothing of those that came after it."""
    server = Server()
    for _ in range(5):
        guess, demand = server.begin(0.0), server.begin(9.0)
        server.give_up(guess, 9.5)
        assert server.end(demand, 19.5) == 10.5
    assert not server.queueing.perhaps_serial


def test_odds_stay_within_bounds_so_that_what_was_certain_can_be_unlearnt():
    odds = Odds()
    for _ in range(100):
        odds.weigh(20.0, 20.0, 10.0)
    assert odds.score == 4.0
    for _ in range(2):
        odds.add(-10.0)
    assert odds.score < DECIDED
