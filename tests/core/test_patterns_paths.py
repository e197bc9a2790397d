"""JSONPaths: what is allowed, what is refused with a remedy, and that a walk never leaves its budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.patterns import paths
from paste_mcp.core.patterns.paths import Budget, PathError, Span, compile_path, walk

DOCUMENT = {"results": [{"url": "a", "n": {"x": 1}}, {"title": "no url"}, {"url": "c"}], "odd key": {"k": [1, 2, 3]}}


def found(text, document=DOCUMENT, budget=100_000):
    return walk(compile_path(text), document, Budget(budget))


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$", [DOCUMENT]),
        ("$.results[*].url", ["a", "c"]),
        ("$.results[0].url", ["a"]),
        ("$.results[-1].url", ["c"]),
        ("$.results[9].url", []),
        ("$.results[1:].url", ["c"]),
        ("$.results[0:2].url", ["a"]),
        ("$.results[*].n.x", [1]),
        ("$.results.url", []),
        ("$.*[*].url", ["a", "c"]),
        ('$."odd key".k[*]', [1, 2, 3]),
        ("$['odd key'].*[0]", [1]),
        ("$.missing[*]", []),
    ],
)
def test_a_path_finds_its_values_in_document_order(path, values):
    assert [value for _, value in found(path)] == values


def test_keys_tell_where_the_spans_stood():
    assert found("$.results[*].url") == [((0,), "a"), ((2,), "c")]
    assert found("$.*.k[1:]") == [(("odd key", 1), 2), (("odd key", 2), 3)]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("$..url", 'uses "..", which may visit everything'),
        ("$.a[?(@.b > 1)]", "uses a filter"),
        ("$.a | $.b", 'uses "|"'),
        ("$.a & $.b", 'uses "&"'),
        ("$.a.`parent`", "uses an extension"),
        ("$.(a)", "uses brackets"),
        ("$.a[0,1]", "names several indices at once"),
        ("$.a,b", "names several fields at once"),
        ("$.a[::2]", "uses a slice with a stride"),
        ("$.a where b", "uses where"),
        ("results[*]", "does not begin with $"),
        ("", "does not begin with $"),
        ("$.", "is not a JSONPath"),
        ("$.a[", "is not a JSONPath"),
        ("$.'a", "is not a JSONPath"),
    ],
)
def test_whatever_may_visit_everything_is_refused_with_a_remedy(path, problem):
    with pytest.raises(PathError) as caught:
        compile_path(path)
    assert caught.value.problem == problem and caught.value.remedy


def test_refused_signs_are_allowed_in_quoted_names():
    assert found("$['a..b|c']", {"a..b|c": 1}) == [((), 1)]


def test_equal_texts_share_one_tuple():
    assert compile_path("$.a.b") is compile_path("$.a." + "b")


def test_older_and_newer_parsers_of_a_star_mean_the_same():
    assert compile_path("$.a[*]") == compile_path("$.a.*") == ("a", Span(members=True))


def test_a_path_may_have_so_many_steps_and_no_more():
    compile_path("$" + ".a" * paths.MAX_STEPS)
    with pytest.raises(PathError):
        compile_path("$" + ".a" * (paths.MAX_STEPS + 1))


def test_a_path_may_have_so_many_characters_and_no_more():
    compile_path("$." + "a" * (paths.MAX_PATH_TEXT - 2))
    with pytest.raises(PathError):
        compile_path("$." + "a" * (paths.MAX_PATH_TEXT - 1))


@pytest.mark.parametrize("extra", [0, 1])
def test_a_walk_finds_at_most_so_many_values(extra):
    assert len(found("$[*]", list(range(paths.MAX_MATCHES + extra)))) == paths.MAX_MATCHES


def test_a_walk_visits_at_most_so_many_values():
    # Nothing matches, so only the visits count: the list, and one element each.
    reached = paths.MAX_VISITED - 3
    document = [{}] * reached + [{"a": 1}]
    assert found("$[*].a", document) == [((reached,), 1)]
    assert found("$[*].a", [{}, *document]) == []


def test_a_walk_spends_the_shared_budget_and_stops_with_it():
    budget = Budget(5)
    assert [value for _, value in walk(compile_path("$[*]"), [1, 2, 3, 4, 5, 6], budget)] == [1, 2, 3, 4]
    assert budget.left <= 0
    assert walk(compile_path("$"), 1, budget) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=30,
)
STEPS = st.lists(st.sampled_from([".a", ".b", ".*", "[*]", "[0]", "[-1]", "[1:]", "[:2]"]), max_size=5)


@given(JSON, STEPS, st.integers(0, 40))
def test_any_walk_stays_within_its_budget_and_never_raises(document, steps, work):
    budget = Budget(work)
    few = walk(compile_path("$" + "".join(steps)), document, budget)
    everything = found("$" + "".join(steps), document)
    assert few == everything[: len(few)] and len(few) <= work
    assert all(isinstance(key, tuple) for key, _ in everything)


@given(st.text(max_size=30) | st.text(alphabet="$.[]*'\"0:,ab ", max_size=12).map("$".__add__))
def test_any_text_is_a_path_or_a_path_error(text):
    try:
        compile_path(text)
    except PathError as error:
        assert error.problem and error.remedy
