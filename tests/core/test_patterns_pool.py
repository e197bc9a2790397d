"""A pool finds patterns by the last thing that happened, and knows which of two patterns is in force."""

import pytest
from pattern_makers import event, pattern, pool_data, written

from paste_mcp.core.patterns import pool as pool_module
from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.core.patterns.pool import Pool


def pool(*shipped, own=()):
    return Pool([*parse_pool(pool_data(*shipped), users_own=False), *parse_pool(pool_data(*own), users_own=True)])


def names(found):
    return [pattern.name for pattern in found]


def after(made, tool="search", server="s", status="ok"):
    return names(made.candidates(event(0, tool, server=server, status=status)))


@pytest.mark.parametrize(
    ("element", "signatures"),
    [
        ({"server": "s", "tool": "search"}, {("s", "search", "ok")}),
        ({"tool": "search"}, {("s", "search", "ok"), ("t", "search", "ok")}),
        ({"server": "t*", "tool": "search"}, {("t", "search", "ok")}),
        ({"server": "s", "tool": "*"}, {("s", "search", "ok"), ("s", "list_things", "ok")}),
        ({"tool": "list_{thing}s"}, {("s", "list_things", "ok")}),
        ({"tool": "search", "status": "error"}, {("s", "search", "error")}),
        ({"tool": "search", "status": "any"}, {("s", "search", "ok"), ("t", "search", "ok"), ("s", "search", "error")}),
    ],
)
def test_a_pattern_is_found_by_the_signatures_that_end_its_context(element, signatures):
    made = pool(written(context=["never", element]))
    every = [("s", "search", "ok"), ("t", "search", "ok"), ("s", "list_things", "ok"), ("s", "search", "error")]
    found = {(server, tool, status) for server, tool, status in every if after(made, tool, server, status)}
    assert found == signatures


def test_the_users_own_come_first_and_then_the_likeliest():
    mine = written("mine", context=["*"], probability=0.05)
    made = pool(written("low", probability=0.1), written("high", probability=0.9), own=[mine])
    assert after(made) == ["mine", "high", "low"]


def test_a_users_own_pattern_replaces_one_of_the_same_name():
    assert after(pool(written("a", context=["search"]), own=[written("a", context=["list"])])) == []


def test_a_users_own_pattern_replaces_those_of_the_same_context_and_target():
    made = pool(written("a"), written("b", target={"tool": "read"}), own=[written("mine", probability=0.1)])
    assert after(made) == ["mine", "b"]


def test_a_shipped_pattern_never_replaces_a_users_own():
    own = parse_pool(pool_data(written("a", probability=0.3)), users_own=True)
    shipped = parse_pool(pool_data(written("a", probability=0.9)), users_own=False)
    assert Pool([*own, *shipped]).patterns == tuple(own) == Pool([*shipped, *own]).patterns


def test_a_user_turns_a_shipped_pattern_off_by_its_name():
    made = pool(written("a"), written("b", target={"tool": "read"}), own=[{"name": "a", "enabled": False}])
    assert after(made) == ["b"] and len(made) == 1


def test_disabled_patterns_are_left_out():
    assert len(pool(written("a", enabled=False))) == 0


@pytest.mark.parametrize("extra", [0, 1])
def test_one_event_calls_up_at_most_so_many(extra):
    count = pool_module.MAX_CANDIDATES + extra
    made = pool(*(written(f"p{n}", probability=(n + 1) / count) for n in range(count)))
    found = after(made)
    assert len(found) == pool_module.MAX_CANDIDATES and found[0] == f"p{count - 1}"


def test_ready_signatures_are_forgotten_before_they_grow_without_end(monkeypatch):
    monkeypatch.setattr(pool_module, "MAX_REMEMBERED", 2)
    made = pool(written("a", context=["*"]))
    for number in range(5):
        assert after(made, f"tool{number}") == ["a"]
        assert len(made._ready) <= 2


def test_what_the_user_turned_off_by_its_id_is_off_under_every_name():
    learnt = [pattern(name=name, id="learnt:a > b", context=[name]) for name in ("one", "two")]
    (off,) = parse_pool(pool_data({"name": "learnt:a > b", "enabled": False}), users_own=True)
    pool = Pool([*learnt, off])
    assert pool.patterns == () and pool.disabled == {"learnt:a > b"}
    (not_hers,) = parse_pool(pool_data({"name": "learnt:a > b", "enabled": False}), users_own=False)
    assert Pool([*learnt, not_hers]).patterns == tuple(learnt)
