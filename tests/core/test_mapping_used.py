"""Which values were used for which argument, the latest last, within bounds."""

import pytest
from pattern_makers import event

from paste_mcp.core.patterns import used
from paste_mcp.core.patterns.used import UsedValues, value_key


def of(history):
    values = UsedValues()
    for one in history:
        values.add(one)
    return values


def test_used_values_carry_the_latest_event_that_gave_them():
    values = of(
        [
            event(0, "v", {"u": "a"}),
            event(1, "v", {"u": "b"}),
            event(2, "v", {"u": "a"}),
            event(3, "w", {"u": "c"}),
        ]
    )
    assert values.of("s", "v", "u") == {("str", "a"): 2, ("str", "b"): 1}
    assert values.of("other", "v", "u") == {}


@pytest.mark.parametrize(("others", "seen"), [(used.MAX_VALUES - 1, True), (used.MAX_VALUES, False)])
def test_only_so_many_values_of_an_argument_are_remembered_the_latest_used_longest(others, seen):
    values = of([event(0, "v", {"u": "a"}), *(event(n + 1, "v", {"u": n}) for n in range(others))])
    assert (("str", "a") in values.of("s", "v", "u")) == seen
    values.add(event(9_999, "v", {"u": 0}))
    values.add(event(10_000, "v", {"u": "new"}))
    assert ("int", 0) in values.of("s", "v", "u")


@pytest.mark.parametrize(("others", "seen"), [(used.MAX_ARGUMENTS - 1, True), (used.MAX_ARGUMENTS, False)])
def test_only_so_many_arguments_are_remembered(others, seen):
    values = of([event(0, "v", {"u": "a"}), *(event(n + 1, "v", {f"x{n}": n}) for n in range(others))])
    assert bool(values.of("s", "v", "u")) == seen


def test_values_are_equal_only_with_their_types():
    different = [1, 1.0, True, "1", None, [1], [True], {"a": 1}, {"a": "1"}]
    assert len({value_key(value) for value in different}) == len(different)
    assert value_key({"a": 1, "b": 2}) == value_key({"b": 2, "a": 1})
