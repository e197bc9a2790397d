"""What is written reads back as the same pattern, for every source that there is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pattern_makers import pattern, written

from paste_mcp.core.patterns.language import PatternError, parse_pool
from paste_mcp.core.patterns.lines import TemplateError, compile_template, template_text
from paste_mcp.core.patterns.paths import PathError, Span, compile_path, path_text
from paste_mcp.core.patterns.writer import pattern_data, pool_data
from paste_mcp.store.pattern_files import default_patterns

REFERENCE = {"server": "s", "tool": "t", "status": "any"}
SOURCES = [
    "text",
    5,
    0.5,
    True,
    None,
    {"const": [1, {"a": None}]},
    {"result": -1, "path": "$.a[*].'b c'[0][1:3]"},
    {"result": REFERENCE, "path": ["$.a", "$[*]"], "part": "folder", "pick": {1: 0.5, 3: 0.25}},
    {"result": -2, "lines": ["{x:int}: {{{y}}}", "{y:path}"], "take": "y"},
    {"result": -1, "lines": "Commit {url:word}"},
    {"result": -1, "extract": "label:order id"},
    {"result": -1, "path": "$.text", "extract": "cell:2", "part": "name"},
    {"argument": -1},
    {"argument": REFERENCE, "name": "other", "default": None},
    {"argument": -2, "part": "day"},
    {"join": [{"argument": -1}, {"result": -1, "path": "$.n[*]"}, "x"], "with": ":", "pick": {2: 0.1}},
    {"join": [{"argument": -1}, "x"]},
    {"template": "{a}#{{{b}", "values": {"a": 1, "b": {"argument": -1}}},
    {"successor": {"argument": -1}},
    {"successor": {"argument": -1}, "by": {"argument": -1, "name": "limit"}},
    {"successor": {"argument": -1}, "by": -10},
    {"next": {"argument": -1}},
    {"next": {"argument": REFERENCE, "name": "other"}, "pick": {1: 0.5, 2: 0.5}},
    {"next": {"join": [{"argument": -1}, {"result": -1, "extract": "paths"}]}, "pick": {1: 0.3}},
]


def read_back(made, users_own=False):
    return parse_pool({"version": 1, "patterns": [pattern_data(made)]}, users_own)[0]


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_every_source_reads_back_as_it_was(source):
    made = pattern(context=["a", {"tool": "b*", "server": "s", "status": "empty"}], arguments={"url": source})
    assert read_back(made) == made


@pytest.mark.parametrize(
    "parts",
    [
        {"id": "learnt:a > b", "evidence": {"seen": 12.5, "hit": 3}, "why": "because", "enabled": False},
        {"context": ["list_{x}s"], "target": {"tool": "get_{x}"}, "arguments": {"{x}_id": {"argument": -1}}},
        {"target": {"tool": "same"}, "arguments": {"?": {"next": {"argument": -1}, "pick": {1: 0.6, 2: 0.1}}}},
        {"arguments": {"a": {"argument": -1}, "b": {"result": -1, "extract": "ids", "pick": {2: 1}},
                       "*": {"argument": -1}}},
        {"target": {"server": "x*", "tool": "same*"}},
    ],
    ids=lambda parts: next(iter(parts)),
)  # fmt: skip
def test_every_other_part_reads_back_as_it_was(parts):
    made = pattern(**parts)
    assert read_back(made) == made


def test_a_pattern_that_only_turns_another_off_reads_back_as_it_was():
    (made,) = parse_pool({"version": 1, "patterns": [{"name": "x", "enabled": False}]}, users_own=False)
    assert pattern_data(made) == {"name": "x", "enabled": False}


def test_the_shipped_pool_reads_back_as_it_was():
    assert parse_pool(pool_data(default_patterns()), users_own=False) == default_patterns()


def test_what_is_taken_as_given_is_not_written():
    made = pattern(arguments={"url": {"result": -1, "path": "$.a", "pick": {1: 1}}}, enabled=True)
    assert pattern_data(made) == written(
        context=[{"server": "*", "tool": "search"}], arguments={"url": {"result": -1, "path": "$.a"}}
    )


SOURCE = st.recursive(
    st.sampled_from(SOURCES),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: {"join": parts}),
        inner.map(lambda of: {"next": of}),
        st.tuples(inner, inner).map(lambda pair: {"successor": pair[0], "by": pair[1]}),
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(["url", "y", "*x"]), SOURCE, max_size=3))
def test_whatever_can_be_read_reads_back_as_it_was(arguments):
    try:
        made = pattern(context=["a", "b"], arguments=arguments)
    except PatternError:
        return
    assert read_back(made) == made
    assert read_back(made, users_own=True) == replace(made, users_own=True)


STEP = st.one_of(
    st.text(min_size=1, max_size=6),
    st.sampled_from(["parent", "where", "a b", "a.b", "this", "len"]),
    st.integers(-3, 9),
    st.just(Span(members=True)),
    st.builds(Span, st.none() | st.integers(0, 3), st.integers(4, 9)),
)


@given(st.lists(STEP, min_size=1, max_size=5).map(tuple))
def test_a_path_is_written_as_it_is_read_or_cannot_be_written_at_all(steps):
    try:
        assert compile_path(path_text(steps)) == steps
    except (PathError, AssertionError):
        # Signs that no quoting carries: nobody writes these, and learnt places that need them are left out.
        assert any(isinstance(step, str) and (not step.isprintable() or set(step) & set("\\'\"*")) for step in steps)


@given(st.text(alphabet="ab{}:", max_size=12))
def test_a_template_is_written_as_it_is_read(text):
    try:
        parts = compile_template(text)
    except TemplateError:
        return
    assert compile_template(template_text(parts)) == parts
