"""Arms of a comparison."""

from paste_mcp.core.speculation.arms import arm_of


def test_a_session_is_always_in_the_same_arm():
    assert {arm_of("abc", 50) for _ in range(10)} == {arm_of("abc", 50)}


def test_about_as_many_speculate_as_were_asked_for():
    for percent in (0, 10, 50, 100):
        on = sum(arm_of(f"session {n}", percent) == "on" for n in range(2000))
        assert abs(on / 20 - percent) < 3
    assert {arm_of(f"{n}", 0) for n in range(99)} == {"control"}
    assert {arm_of(f"{n}", 100) for n in range(99)} == {"on"}


def test_more_percent_take_nobody_out():
    for n in range(200):
        assert not (arm_of(f"{n}", 10) == "on" and arm_of(f"{n}", 50) == "control")
