"""Simulated servers and times: hand-computed seconds."""

import pytest

from paste_mcp.lab.simulate.clock import Clock
from paste_mcp.lab.simulate.servers import Capacity, Job, Server
from paste_mcp.lab.simulate.times import Fixed, Lognormal, Measured, Times, seconds


def test_what_is_due_at_once_happens_in_the_order_in_which_it_was_said():
    clock, seen = Clock(), []
    clock.at(2.0, lambda: seen.append("c"))
    clock.at(1.0, lambda: (seen.append("a"), clock.at(0.0, lambda: seen.append("late"))))
    clock.at(1.0, lambda: seen.append("b"))
    clock.run()
    assert (seen, clock.now) == (["a", "b", "late", "c"], 2.0)


class Asked:
    """A server, and when each of its calls was answered."""

    def __init__(self, capacity):
        self.clock = Clock()
        self.server = Server(self.clock, capacity)
        self.answered = {}
        self.jobs = {}

    def ask(self, at, name, service_s):
        job = self.jobs[name] = Job(service_s, lambda: self.answered.update({name: self.clock.now}))
        self.clock.at(at, lambda: self.server.ask(job))

    def cancel(self, at, name):
        self.clock.at(at, lambda: self.server.cancel(self.jobs[name]))

    def times(self):
        self.clock.run()
        return self.answered


def test_a_server_answers_as_many_calls_at_once_as_it_has_slots_and_the_others_in_order():
    asked = Asked(Capacity(slots=2))
    for name, service_s in (("a", 3.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)):
        asked.ask(0.0, name, service_s)
    assert asked.times() == {"a": 3.0, "b": 1.0, "c": 2.0, "d": 3.0}


def test_a_rate_spaces_the_beginnings_of_calls():
    asked = Asked(Capacity(per_second=2.0))
    for name in "abc":
        asked.ask(0.0, name, 0.1)
    asked.ask(5.0, "d", 0.1)
    assert asked.times() == pytest.approx({"a": 0.1, "b": 0.6, "c": 1.1, "d": 5.1})


@pytest.mark.parametrize(("honours", "next_answered"), [(True, 2.0), (False, 11.0)])
def test_a_cancelled_call_leaves_its_slot_only_where_the_server_honours_cancellation(honours, next_answered):
    asked = Asked(Capacity(slots=1, honours_cancel=honours))
    asked.ask(0.0, "guess", 10.0)
    asked.ask(0.5, "demand", 1.0)
    asked.cancel(1.0, "guess")
    assert asked.times() == {"demand": next_answered}


def test_a_call_that_is_cancelled_while_it_waits_is_never_begun():
    asked = Asked(Capacity(slots=1))
    for name in ("first", "waits", "last"):
        asked.ask(0.0, name, 1.0)
    asked.cancel(0.5, "waits")
    assert asked.times() == {"first": 1.0, "last": 2.0}


def test_times_are_written_in_four_ways(tmp_path):
    lines, listed = tmp_path / "lines", tmp_path / "listed"
    lines.write_text("0.5\n1\n")
    listed.write_text("[0.5, 1]")
    assert seconds("1") == Lognormal(1.0, 0.5)
    assert seconds("fixed:1") == Fixed(1.0)
    assert seconds("lognormal:1,0.8") == Lognormal(1.0, 0.8)
    assert seconds(str(lines)) == seconds(str(listed)) == Measured((0.5, 1.0))


@pytest.mark.parametrize("text", ["-1", "nan", "fixed:", "fixed:x", "lognormal:1", "lognormal:1,-1", "nowhere", ""])
def test_other_times_are_refused_in_one_line(text):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        seconds(text)


def test_a_file_without_seconds_is_refused(tmp_path):
    for text in ("", "[]", "soon", "[[1]]"):
        (tmp_path / "file").write_text(text)
        with pytest.raises(ValueError, match="no list of seconds"):
            seconds(str(tmp_path / "file"))


def test_a_time_belongs_to_its_call_whenever_and_in_whichever_order_it_is_drawn():
    times, again = (Times("7", Lognormal(4.0, 0.5), Lognormal(1.0, 0.5)) for _ in range(2))
    wanted = [("a", 0), ("a", 1), ("b", 0)]
    assert [times.latency_s(*each) for each in wanted] == [again.latency_s(*each) for each in wanted[::-1]][::-1]
    assert len({times.latency_s(*each) for each in wanted} | {times.think_s(*each) for each in wanted}) == 6
    assert Times("8", times.think, times.latency).latency_s("a", 0) != times.latency_s("a", 0)


def test_the_median_is_the_median():
    times = Times("1", Lognormal(4.0, 0.5), Lognormal(1.0, 0.5))
    drawn = sorted(times.latency_s("s", number) for number in range(2001))
    assert drawn[1000] == pytest.approx(1.0, rel=0.05)
    assert drawn[1683] == pytest.approx(1.6487, rel=0.1), "one sigma above"
