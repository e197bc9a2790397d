"""Two calls share a key exactly when a server could not tell them apart."""

import json
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.keys import MAX_DEPTH, CallKey, Unkeyable, call_key, canonical, parse_strict
from paste_mcp.core.model import ToolCall


def nested(depth, inner=0):
    value = inner
    for _ in range(depth):
        value = [value]
    return value


ALIKE_IN_PYTHON = [{"n": 1}, {"n": 1.0}, {"n": True}, {"n": "1"}, {"n": None}, {}, {"n": [1]}, {"n": {"1": 1}}]


@pytest.mark.parametrize("one", ALIKE_IN_PYTHON, ids=json.dumps)
@pytest.mark.parametrize("other", ALIKE_IN_PYTHON, ids=json.dumps)
def test_values_that_python_or_a_reader_may_confuse_have_keys_of_their_own(one, other):
    assert (canonical(one) == canonical(other)) is (one is other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0, False),
        (0.0, -0.0),
        ("\u00e9", "e\u0301"),
        ("a", "A"),
        ("", None),
        ([], {}),
        ([1, 2], [2, 1]),
        ("\ud800", "\\ud800"),
        (2**64, float(2**64)),
        (10**16, 1e16),
    ],
)
def test_nothing_is_normalised(one, other):
    assert canonical([one]) != canonical([other])


def test_the_order_of_members_does_not_matter_at_any_depth():
    assert canonical({"a": {"x": 1, "y": 2}, "b": 3}) == canonical({"b": 3, "a": {"y": 2, "x": 1}})
    assert canonical({"b": 3, "a": [1]}) == b'{"a":[1],"b":3}'


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", 2**64, -(2**64), 2**64 + 0.0, "\x00", "💡"])
def test_what_other_parsers_lose_has_a_key(value):
    assert json.loads(canonical({"v": value})) == {"v": value}


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        (1, 2),
        {"a": (1,)},
        {1: "a"},
        {None: "a"},
        {True: "a"},
        {"a": {1.5: "b"}},
        b"bytes",
        {1, 2},
        object(),
        MappingProxyType({"a": 1}),
    ],
    ids=lambda value: type(value).__name__ if type(value) is object else repr(value),
)
def test_what_is_not_json_has_no_key(value):
    with pytest.raises(Unkeyable):
        canonical({"v": value})


@pytest.mark.parametrize(
    "value", [nested(MAX_DEPTH), nested(5_000), nested(100_000), {"a": nested(MAX_DEPTH)}], ids=lambda _: ""
)
def test_endless_nesting_has_no_key(value):
    with pytest.raises(Unkeyable, match="nested too deeply"):
        canonical(value)


def test_nesting_up_to_the_limit_has_a_key():
    assert canonical(nested(MAX_DEPTH - 1)) == b"[" * (MAX_DEPTH - 1) + b"0" + b"]" * (MAX_DEPTH - 1)


def test_a_value_that_contains_itself_has_no_key():
    loop = []
    loop.append(loop)
    with pytest.raises(Unkeyable):
        canonical(loop)


def test_a_number_too_long_to_write_has_no_key():
    with pytest.raises(Unkeyable):
        canonical(10**5_000)


def test_a_call_key_is_server_tool_definition_and_arguments():
    call = ToolCall("a", "read", MappingProxyType({"path": "x"}))
    assert call_key(call, "d1") == CallKey("a", "read", "d1", b'{"path":"x"}')


@pytest.mark.parametrize(
    ("call", "definition"),
    [
        (ToolCall("b", "read", {"path": "x"}), "d1"),
        (ToolCall("a", "look", {"path": "x"}), "d1"),
        (ToolCall("a", "read", {"path": "y"}), "d1"),
        (ToolCall("a", "read", {"path": "x", "limit": None}), "d1"),
        (ToolCall("a", "read", {"path": "x"}), "d2"),
    ],
)
def test_calls_that_differ_in_any_part_have_different_keys(call, definition):
    assert call_key(call, definition) != call_key(ToolCall("a", "read", {"path": "x"}), "d1")


def test_a_call_without_a_key_says_why():
    with pytest.raises(Unkeyable, match="a member name is not a string"):
        call_key(ToolCall("a", "read", {"x": {1: 2}}), "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "twice"),
        ('[{"x": {"a": 1, "a": 1}}]', "twice"),
        ("NaN", "not JSON"),
        ("[Infinity]", "not JSON"),
        ('{"a": -Infinity}', "not JSON"),
        ("", "Expecting"),
        ("{'a': 1}", "Expecting"),
        ("[1,]", "."),
        ('{"a": 1} {"a": 1}', "Extra"),
        ("[" * 100_000, "nested"),
        ("1" * 5_000, "digits"),
        (b"\xff\xfe\xfa", "."),
    ],
    ids=lambda text: repr(text)[:20],
)
def test_a_text_without_one_reading_is_refused(text, why):
    with pytest.raises(Unkeyable, match=why):
        parse_strict(text)


@pytest.mark.parametrize("text", ['{"a": 1, "b": [1.0, true, null, "\\ud800"]}', "18446744073709551616", b'"\xc3\xa9"'])
def test_a_text_with_one_reading_is_read(text):
    assert parse_strict(text) == json.loads(text)


def test_a_number_out_of_range_may_be_read_but_has_no_key():
    with pytest.raises(Unkeyable):
        canonical(parse_strict('{"n": 1e999}'))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.integers(),
    st.sampled_from([0.0, -0.0, 1.0, 2.0, 1.5]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "1", "true", "null", "\ud800", "\u00e9", "e\u0301"]),
    st.text(max_size=3),
)
NAMES = st.sampled_from(["a", "b", "1", ""])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)


def typed(value):
    """The value with every type spelt out: what a reader of the JSON text can tell apart, and nothing else."""
    if isinstance(value, dict):
        return "object", frozenset((name, typed(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return "array", tuple(typed(inner) for inner in value)
    return type(value).__name__, repr(value)


def shuffled(value, random):
    if isinstance(value, dict):
        names = list(value)
        random.shuffle(names)
        return {name: shuffled(value[name], random) for name in names}
    return [shuffled(inner, random) for inner in value] if isinstance(value, list) else value


@given(VALUES, VALUES)
def test_keys_are_equal_exactly_when_values_are_with_their_types(one, other):
    assert (canonical(one) == canonical(other)) is (typed(one) == typed(other))


@given(VALUES, st.randoms(use_true_random=False))
def test_a_text_keeps_its_key_however_it_is_written(value, random):
    indent, ascii_only = random.choice([None, 2]), random.choice([False, True])
    text = json.dumps(shuffled(value, random), indent=indent, ensure_ascii=ascii_only)
    assert canonical(parse_strict(text)) == canonical(value)


@given(VALUES)
def test_a_key_reads_back_as_the_value(value):
    assert typed(parse_strict(canonical(value))) == typed(value)
