"""Line templates read what fits and skip what does not; templates compose what they are given."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.patterns import lines
from paste_mcp.core.patterns.lines import TemplateError, compile_template, compose, read_line, read_lines


def read(template, text):
    return [fields for _, fields in read_lines(compile_template(template), text)]


@pytest.mark.parametrize(
    ("template", "line", "fields"),
    [
        ("{path}:{line:int}:{text}", "src/a.py:12:def f(x: int)", {"path": "src/a.py", "line": 12,
                                                                  "text": "def f(x: int)"}),
        ("{path}:{line:int}:{text}", "no line number here", None),
        ("{path}:{line:int}:{text}", "src/a.py:x:text", None),
        ("{path}:{line:int}:{text}", "src/a.py:12:", None),
        ("[FILE] {name}", "[FILE] a b.txt", {"name": "a b.txt"}),
        ("[FILE] {name}", "[DIR] a", None),
        ("[FILE] {name}", "[FILE]", None),
        ("Commit: {sha:word}", "Commit: 0a1b", {"sha": "0a1b"}),
        ("Commit: {sha:word}", "Commit: two words", None),
        ("{path:path}", "/srv/a b.txt", {"path": "/srv/a b.txt"}),
        ("{path:path}", "C:\\a.txt", {"path": "C:\\a.txt"}),
        ("{path:path}", "No matches found", None),
        ("{path:path}", "https://x/y", None),
        ("<{a}> <{b}>", "<1> <2>", {"a": "1", "b": "2"}),
        ("{name} (end)", "a (end) b (end)", {"name": "a (end) b"}),
        ("{name} (end)", "a (end) b", None),
        ("[{{'name': '{t:word}'{others}", "[{'name': 'customers'}, {'name': 'x'}]", {"t": "customers",
                                                                                   "others": "}, {'name': 'x'}]"}),
        ("{n:int}", "1" * 15, {"n": int("1" * 15)}),
        ("{n:int}", "1" * 16, None),
        ("{n:int}", "-1", None),
        ("{n:int}", "²", None),
    ],
)  # fmt: skip
def test_a_line_fits_or_is_skipped(template, line, fields):
    assert read_line(compile_template(template), line) == fields


def test_a_text_gives_the_fitting_lines_with_their_numbers():
    text = "Found 2:\r\n  a/b.py:1:x  \nnoise\nc/d.py:20:y\n"
    found = list(read_lines(compile_template("{path:path}:{line:int}:{text}"), text))
    assert [(number, fields["path"], fields["line"]) for number, fields in found] == [
        (1, "a/b.py", 1),
        (3, "c/d.py", 20),
    ]


@pytest.mark.parametrize("text", ["", "no field", "{", "a}b", "{a}{b}", "{a} {a}", "{a:float}", "{a", "{1}"])
def test_what_is_no_template_is_refused_with_a_remedy(text):
    with pytest.raises(TemplateError) as caught:
        compile_template(text)
    assert caught.value.problem and caught.value.remedy


def test_bounds_hold_at_the_limit_and_not_one_beyond():
    compile_template("{a}" + "x" * (lines.MAX_TEMPLATE - 3))
    compile_template("".join(f"{{f{n}}}," for n in range(lines.MAX_FIELDS)))
    for beyond in ("{a}" + "x" * (lines.MAX_TEMPLATE - 2), "".join(f"{{f{n}}}," for n in range(lines.MAX_FIELDS + 1))):
        with pytest.raises(TemplateError):
            compile_template(beyond)
    assert len(read("{a}", "x\n" * lines.MAX_LINES)) == lines.MAX_LINES
    assert len(read("{a}", "x\n" * (lines.MAX_LINES + 1))) == lines.MAX_LINES
    last = "\n" * (lines.MAX_LINES_READ - 1) + "x"
    assert read("{a}", last) and not read("{a}", "\n" + last)
    assert read("{a}", "x" * lines.MAX_LINE) and not read("{a}", "x" * (lines.MAX_LINE + 1))


def test_composing_takes_texts_and_integers_only():
    parts = compile_template("https://x/{id}?n={{{n}}}")
    assert compose(parts, {"id": "a", "n": 5}) == "https://x/a?n={5}"
    for wrong in (None, True, 1.5, [], {}, 2**70):
        assert compose(parts, {"id": wrong, "n": 1}) is None
    assert compose(parts, {"id": "a"}) is None


def test_the_worst_text_is_read_quickly():
    template = compile_template("{a}:{b}:{c}:{d}:{e:int}")
    text = "\n".join([":" * lines.MAX_LINE] * 60)
    started = time.perf_counter()
    assert list(read_lines(template, text)) == []
    assert time.perf_counter() - started < 0.5


@given(
    st.lists(st.text(alphabet="ab/ .", min_size=1).filter(lambda text: text.strip() == text), min_size=2, max_size=2)
)
def test_what_a_template_wrote_it_reads_again(values):
    parts = compile_template("{a}|{b}")
    written = compose(parts, dict(zip("ab", values, strict=True)))
    assert read_line(parts, written) == dict(zip("ab", values, strict=True))


@given(st.text(max_size=20), st.text(max_size=40))
def test_any_template_and_text_read_or_raise_template_error(template, text):
    try:
        list(read_lines(compile_template(template), text))
    except TemplateError as error:
        assert error.remedy
