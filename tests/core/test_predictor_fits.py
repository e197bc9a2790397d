"""Arguments fit a schema in the plain sense, with one conversion and no more; a strange schema costs nothing."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.prediction import fits
from paste_mcp.core.prediction.fits import fitted


def fitting(value, declared, **more):
    found = fitted({"a": value}, {"properties": {"a": declared}} | more)
    return None if found is None else found["a"]


@pytest.mark.parametrize(
    ("value", "declared", "result"),
    [
        ("x", {"type": "string"}, "x"),
        (5, {"type": "integer"}, 5),
        (5, {"type": "number"}, 5),
        (5.0, {"type": "integer"}, 5.0),
        (5.5, {"type": "integer"}, None),
        (True, {"type": "integer"}, None),
        (True, {"type": "boolean"}, True),
        ([1], {"type": "array"}, [1]),
        ({}, {"type": "object"}, {}),
        ("x", {"type": ["string", "null"]}, "x"),
        ("x", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "x"),
        ("x", {"oneOf": [{"type": "integer"}, {"type": "null"}]}, None),
        ("a", {"enum": ["a", "b"]}, "a"),
        ("c", {"enum": ["a", "b"]}, None),
        (1, {"enum": [True]}, None),
        ("x", {"const": "x"}, "x"),
        ("y", {"const": "x"}, None),
        ("12", {"type": "integer"}, 12),
        ("0", {"type": "integer"}, 0),
        ("007", {"type": "integer"}, None),
        ("x2", {"type": "integer"}, None),
        (12, {"type": "string"}, "12"),
        (True, {"type": "string"}, None),
        ("12", {"type": ["integer", "string"]}, "12"),
        ("12", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, 12),
        (2, {"enum": ["1", "2"]}, "2"),
        ("x", {}, "x"),
        ("x", True, "x"),
        ("x", False, None),
        ("x", {"type": "strange"}, "x"),
        ("x", {"type": 5, "enum": 5, "anyOf": 5}, "x"),
    ],
)
def test_a_value_fits_is_converted_or_is_refused(value, declared, result):
    found = fitting(value, declared)
    assert found == result and type(found) is type(result)


@pytest.mark.parametrize(
    ("schema", "fine"),
    [
        ({}, True),
        ({"required": ["a"]}, True),
        ({"required": ["a", "b"]}, False),
        ({"required": [5]}, False),
        ({"required": "b"}, True),
        ({"properties": {"b": {}}}, True),
        ({"properties": {"b": {}}, "additionalProperties": False}, False),
        ({"properties": {"a": {}}, "additionalProperties": False}, True),
        ({"properties": 5, "required": 5}, True),
    ],
)
def test_names_are_all_there_and_none_is_unknown_to_a_closed_schema(schema, fine):
    assert (fitted({"a": 1}, schema) is not None) == fine


def test_digits_are_converted_up_to_the_limit_and_not_beyond():
    assert fitting("1" * fits.MAX_DIGITS, {"type": "integer"}) is not None
    assert fitting("1" * (fits.MAX_DIGITS + 1), {"type": "integer"}) is None


def test_enumerations_and_alternatives_are_read_up_to_the_limit_and_not_beyond():
    assert fitting("x", {"enum": ["y"] * (fits.MAX_ENUM - 1) + ["x"]}) == "x"
    assert fitting("x", {"enum": ["y"] * fits.MAX_ENUM + ["x"]}) is None
    none = {"type": "null"}
    assert fitting("x", {"anyOf": [none] * (fits.MAX_ALTERNATIVES - 1) + [{}]}) == "x"
    assert fitting("x", {"anyOf": [none] * fits.MAX_ALTERNATIVES + [{}]}) is None


def test_a_schema_of_alternatives_within_alternatives_costs_nothing():
    schema = {"type": "null"}
    for _ in range(50):
        schema = {"anyOf": [schema] * 1_000}
    started = time.perf_counter()
    fitting("x", schema)
    assert time.perf_counter() - started < 0.1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "enum", "const", "anyOf", "oneOf", "properties", "required", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.text(max_size=2), JSON, max_size=3), JSON.filter(lambda schema: isinstance(schema, dict)))
def test_any_schema_gives_the_same_names_or_nothing(arguments, schema):
    found = fitted(arguments, schema)
    assert found is None or found.keys() == arguments.keys()
