"""From a history to ranked, whole calls: matching with gaps, targets, flows, the user's own first, and bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pattern_makers import event, index_of, pool_data, tools, written

from paste_mcp.core.model import Tool
from paste_mcp.core.patterns.language import parse_pool
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction import predictor as module
from paste_mcp.core.prediction.evidence import Evidence
from paste_mcp.core.prediction.predictor import Predictor, match_context

RESULTS = {"results": [{"url": "a"}, {"url": "b"}, {"url": "c"}]}
SEARCH = event(0, "search", {"q": "x"}, RESULTS)
URL = {"url": {"result": -1, "path": "$.results[*].url", "pick": {1: 0.4, 2: 0.2}}}
TOOLS = tools("search", "visit", "read")


def predictor(*shipped, own=(), evidence=None):
    patterns = [*parse_pool(pool_data(*shipped), users_own=False), *parse_pool(pool_data(*own), users_own=True)]
    return Predictor(Pool(patterns), evidence)


def predicted(made, history, known=TOOLS):
    return made.predict(history, known, index_of(history))


def calls(*shipped, history=(SEARCH,), known=TOOLS, own=()):
    found = predicted(predictor(*shipped, own=own), list(history), known)
    return [(each.call.server, each.call.tool, dict(each.call.arguments)) for each in found]


def test_a_search_is_followed_by_visits_of_its_results():
    (first, second) = predicted(predictor(written("p", arguments=URL)), [SEARCH])
    assert (first.call.server, first.call.tool, first.call.arguments) == ("s", "visit", {"url": "a"})
    assert (first.probability, second.probability) == (pytest.approx(0.2), pytest.approx(0.1))
    assert (first.pattern, first.users_own, first.flows, first.composed) == ("p", False, frozenset(), False)


def test_an_empty_history_foresees_nothing():
    assert calls(written(arguments=URL), history=[]) == []


def test_the_context_is_matched_in_order_with_gaps():
    history = [event(0, "list"), event(1, "noise"), event(2, "search", {}, RESULTS)]
    assert calls(written(context=["list", "search"], arguments=URL), history=history)
    assert not calls(written(context=["search", "list"], arguments=URL), history=history)
    assert not calls(written(context=["list", "list", "search"], arguments=URL), history=history)


def test_the_last_element_must_be_of_the_last_turn():
    assert not calls(written(arguments=URL), history=[SEARCH, event(1, "noise")])
    assert calls(written(arguments=URL), history=[SEARCH, event(1, "noise", turn=0)])


def test_a_context_ends_with_exactly_the_event_it_is_asked_for():
    (pattern,) = parse_pool(pool_data(written()), users_own=False)
    history = [SEARCH, event(1, "noise")]
    assert match_context(pattern, history, 0) == ((SEARCH,), {})
    assert match_context(pattern, history, 1) is None


def test_an_earlier_element_is_the_nearest_that_fits():
    history = [event(0, "search", {}, {"results": [{"url": "old"}]}), SEARCH_AT_1, event(2, "visit", {"url": "z"})]
    arguments = {"url": {"result": -2, "path": "$.results[*].url"}}
    assert calls(written(context=["search", "visit"], arguments=arguments), history=history) == [
        ("s", "visit", {"url": "a"})
    ]


SEARCH_AT_1 = event(1, "search", {}, RESULTS)


@pytest.mark.parametrize(("gap", "count"), [(module.MAX_LOOKBACK - 2, 1), (module.MAX_LOOKBACK - 1, 0)])
def test_the_context_is_looked_for_so_far_back_and_no_further(gap, count):
    history = [event(0, "list"), *(event(n, "noise") for n in range(1, gap + 1)), event(gap + 1, "search", {}, RESULTS)]
    arguments = {"url": {"result": -1, "path": "$.results[*].url"}}
    assert len(calls(written(context=["list", "search"], arguments=arguments), history=history)) == count


def test_captures_of_one_name_must_agree():
    known = tools("get_tag", "get_issue")
    entry = written(context=["open_{thing}s", "list_{thing}s"], target={"tool": "get_{thing}"})
    listed = event(1, "list_issues")
    assert calls(entry, history=[event(0, "open_tags"), listed], known=known) == []
    assert calls(entry, history=[event(0, "open_issues"), listed], known=known) == [("s", "get_issue", {})]


def test_a_target_that_is_not_known_is_not_foreseen():
    assert calls(written(target={"tool": "nowhere"})) == []


def test_a_target_on_the_same_server_only():
    known = tools("visit", server="other")
    assert calls(written(arguments=URL), known=known) == []
    assert calls(written(arguments=URL, target={"server": "other", "tool": "visit"}), known=known)[0][0] == "other"


def test_the_same_tool_is_repeated():
    entry = written(target={"tool": "same"}, arguments={"*": {"argument": -1}, "page": 2})
    assert calls(entry) == [("s", "search", {"q": "x", "page": 2})]


def test_tools_of_a_glob_share_its_probability():
    known = tools("get_a", "get_b", "get_c", get_c={"required": ["id"]})
    found = predicted(predictor(written(target={"tool": "get_*"})), [SEARCH], known)
    assert [(each.call.tool, each.probability) for each in found] == [("get_a", 0.25), ("get_b", 0.25)]


@pytest.mark.parametrize("extra", [0, 1])
def test_a_glob_stands_for_at_most_so_many_tools(extra):
    known = tools(*(f"get_{n:02}" for n in range(module.MAX_TARGETS + extra)))
    assert len(calls(written(target={"tool": "get_*"}), known=known)) == module.MAX_TARGETS


def test_a_server_glob_finds_tools_of_every_server():
    known = tools("visit", server="a1") | tools("visit", server="a2") | tools("visit", server="b")
    found = calls(written(arguments=URL, target={"server": "a*", "tool": "visit"}), known=known)
    assert sorted({server for server, _, _ in found}) == ["a1", "a2"]


def test_a_flow_is_named_only_where_both_ends_are_literal():
    known = tools("visit", server="web") | TOOLS

    def flows(source, target):
        element = {"server": source, "tool": "search"}
        entry = written(context=[element], target={"server": target, "tool": "visit"}, arguments=URL)
        return predicted(predictor(entry), [SEARCH], known)[0].flows

    assert flows("s", "web") == {("s", "web")}
    assert flows("*", "web") == flows("s", "we*") == flows("s", "same") == flows("s", "s") == frozenset()


def test_arguments_that_do_not_fit_the_schema_are_not_foreseen():
    for schema, count in (
        ({"required": ["url"]}, 2),
        ({"required": ["url", "depth"]}, 0),
        ({"properties": {"url": {"type": "integer"}}}, 0),
        ({"properties": {"link": {}}, "additionalProperties": False}, 0),
    ):
        known = {("s", "visit"): Tool("s", "visit", input_schema=schema)}
        assert len(calls(written(arguments=URL), known=known)) == count


def test_equal_calls_are_foreseen_once_with_the_highest_probability():
    entries = (written("low", arguments=URL, probability=0.2), written("high", arguments=URL, probability=0.8))
    found = predicted(predictor(*entries), [SEARCH])
    assert [(each.pattern, each.call.arguments["url"]) for each in found] == [("high", "a"), ("high", "b")]


def test_the_users_own_pattern_beats_a_shipped_one_for_an_equal_call():
    mine = written("mine", context=["sea*"], arguments=URL, probability=0.1)
    found = predicted(predictor(written("shipped", arguments=URL), own=[mine]), [SEARCH])
    assert {(each.pattern, each.users_own) for each in found} == {("mine", True)}


def test_predictions_come_best_first_and_not_beyond_the_bound():
    many = [written(f"p{n}", arguments={"n": n}, probability=(n + 1) / 40) for n in range(module.MAX_PREDICTIONS + 1)]
    found = predicted(predictor(*many), [SEARCH])
    assert len(found) == module.MAX_PREDICTIONS
    assert [each.call.arguments["n"] for each in found] == list(range(module.MAX_PREDICTIONS, 0, -1))
    assert len(predicted(predictor(*many[1:]), [SEARCH])) == module.MAX_PREDICTIONS


def test_only_the_latest_calls_of_a_turn_end_a_context():
    arguments = {"url": {"argument": -1, "name": "q"}}
    for count, first in ((module.MAX_TURN, 0), (module.MAX_TURN + 1, 1)):
        history = [event(n, "search", {"q": n}, turn=0) for n in range(count)]
        found = calls(written(arguments=arguments), history=history)
        assert sorted(call["url"] for _, _, call in found) == list(range(first, count))


def test_evidence_corrects_what_is_written():
    evidence = Evidence()
    made = predictor(written("p", arguments=URL), evidence=evidence)
    before = predicted(made, [SEARCH])[0].probability
    for _ in range(10):
        evidence.guessed("p", 0.2)
    assert predicted(made, [SEARCH])[0].probability < before


def test_a_value_that_has_no_key_is_not_foreseen():
    strange = event(0, "search", {}, {"results": [{"url": float("nan")}, {"url": "b"}]}, "")
    assert [call["url"] for _, _, call in calls(written(arguments=URL), history=[strange])] == ["b"]


def test_a_huge_result_ends_the_work_and_not_the_predictions():
    huge = event(0, "search", {}, {"results": [{"url": str(n)} for n in range(900)]}, "")
    many = [
        written(f"p{n}", arguments={"url": {"result": -1, "path": f"$.results[{n}:].url"}}, probability=0.5)
        for n in range(200)
    ]
    assert len(calls(*many, history=[huge])) == module.MAX_PREDICTIONS


def test_of_many_patterns_the_best_calls_are_found_though_most_are_not_put_together(monkeypatch):
    evaluated = []
    evaluate = module.evaluate
    monkeypatch.setattr(
        module, "evaluate", lambda pattern, *rest: evaluated.append(pattern) or evaluate(pattern, *rest)
    )
    many = [
        written(f"p{n}", arguments={"url": f"u{n * 37 % 500}"}, probability=round(0.001 * (n * 37 % 500 + 1), 3))
        for n in range(200)
    ]
    best = sorted((n * 37 % 500 for n in range(200)), reverse=True)[: module.MAX_PREDICTIONS]
    assert [call["url"] for _, _, call in calls(*many, history=[SEARCH])] == [f"u{each}" for each in best]
    assert len(evaluated) < 2 * module.MAX_PREDICTIONS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "url"]), inner, max_size=3),
    max_leaves=15,
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["search", "visit", "list_visits"]),
        st.dictionaries(st.sampled_from(["url", "page", "limit"]), JSON, max_size=2),
        JSON,
        st.sampled_from(["ok", "error", "empty"]),
        st.integers(0, 1),
    ),
    max_size=6,
)
GENERAL = (
    written("sibling", context=["*"], target={"tool": "same"}, arguments={"?": {"next": {"argument": -1}}}),
    written("page", context=["*"], target={"tool": "same"},
            arguments={"page": {"successor": {"argument": -1}}, "*": {"argument": -1}}),
    written("get", context=["list_{thing}s"], target={"tool": "{thing}"},
            arguments={"url": {"result": -1, "path": ["$[*].url", "$.*[*].url"], "pick": {1: 0.5, 2: 0.3}}}),
    written("next", context=["search", "visit"],
            arguments={"url": {"next": {"result": -2, "path": "$[*]"}, "pick": {1: 0.5, 2: 0.3}}}),
)  # fmt: skip


@given(EVENTS)
def test_any_session_gives_bounded_predictions_and_always_the_same(session):
    turn, history = 0, []
    for number, (tool, arguments, document, status, step) in enumerate(session):
        turn += step
        history.append(event(number, tool, arguments, document, "", status=status, turn=turn))
    made = predictor(*GENERAL)
    known = tools("search", "visit", "list_visits")
    found = predicted(made, history, known)
    assert repr(found) == repr(predicted(made, history, known))
    assert len(found) <= module.MAX_PREDICTIONS
    assert all(0 < each.probability <= 0.99 for each in found)
    ranked = [each.probability for each in found]
    assert ranked == sorted(ranked, reverse=True)
