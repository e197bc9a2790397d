"""Intervals: by tasks, from a seed, and none where there is one task only."""

from paste_mcp.lab.simulate.figures import interval


def test_an_interval_lies_around_the_sum_and_comes_from_the_seed():
    by_task = {str(number): float(number % 7) for number in range(60)}
    low, high = interval(by_task, 0)
    assert low < sum(by_task.values()) < high
    assert interval(by_task, 0) == (low, high) != interval(by_task, 1)


def test_equal_tasks_leave_nothing_to_chance_and_one_task_says_nothing_of_others():
    assert interval({"a": 2.0, "b": 2.0}, 0) == (4.0, 4.0)
    assert interval({"a": 2.0}, 0) is None
