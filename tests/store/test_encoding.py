"""Groups and items as text: what is read is what was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.sights import ColumnId
from paste_mcp.store.encoding import Unwritable, decode, encode, renamed, texts_in

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters())
columns = st.builds(ColumnId, st.text(), st.text())
origins = st.builds(
    Origin,
    st.sampled_from(["copy", "join", "step", "frame"]),
    st.none() | columns,
    st.none() | columns,
    st.integers() | st.floats(allow_nan=False) | st.tuples(st.text(), st.text()),
)
values = st.recursive(scalars | columns | origins, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=12)


def same(one, other):
    """Equal, and of equal types all the way down: 1, 1.0 and True are three counts."""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@given(values)
def test_what_is_read_is_what_was_written(value):
    assert same(decode(encode(value)), value)


@given(st.text(st.characters()))
def test_a_written_form_is_one_line_of_ascii(text):
    written = encode((text, ColumnId(text, text)))
    assert written.isascii()
    assert "\n" not in written


@pytest.mark.parametrize("text", ["", "{", '{"Origin": 1}', '{"Unknown": []}', "{}", "[" * 5_000, '{"ColumnId": [1]}'])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError):
        decode(text)


@pytest.mark.parametrize("value", [frozenset(), b"x", (1, b"x"), Ellipsis])
def test_what_has_no_written_form_is_refused(value):
    with pytest.raises(Unwritable):
        encode(value)


def test_texts_are_found_and_renamed_at_any_depth():
    value = ("link", "a", (Origin("copy", ColumnId("a", "$.x")), True))
    assert list(texts_in(value)) == ["link", "a", "copy", "a", "$.x"]
    assert renamed(value, {"a": "b"}) == ("link", "b", (Origin("copy", ColumnId("b", "$.x")), True))
    assert type(renamed(value, {"a": "b"})[2][0]) is Origin
