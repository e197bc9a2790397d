"""Whatever stands in the file, it is a Config or a ConfigError of one line."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paste_mcp.config import Config, ConfigError, parse_config
from paste_mcp.config.clients import READ_KEYS, SERVERS_KEYS
from paste_mcp.config.jsonc import read_jsonc
from paste_mcp.config.models import LimitsSection, Paste, SpeculationSection

TEXT = st.text(st.characters(), max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from(["http", "sse", "annotated", "off", "https://h/sse", "${A}", "${env:B:-c}", "${input:x}", "~/x"])
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def usable(required: dict[str, st.SearchStrategy], optional: dict[str, st.SearchStrategy]) -> st.SearchStrategy:
    """Objects of the right shape with values of the right kind."""
    return st.fixed_dictionaries(required, optional=optional)


def broken(objects: st.SearchStrategy, keys: tuple[str, ...]) -> st.SearchStrategy:
    """The same objects, most of them with one key, likely one that is read, set to anything at all."""
    change = st.dictionaries(st.sampled_from(keys) | TEXT, JSON, max_size=1)
    return st.builds(lambda good, bad: good | bad, objects, change)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
GLOBS = st.lists(WORDS, max_size=2)
MODES = st.sampled_from(["off", "shadow", "annotated"])
RULES = usable({}, {"mode": MODES, "closed_world": st.booleans(), "allow": GLOBS, "deny": GLOBS})
SPECULATION = MODES | broken(RULES, tuple(SpeculationSection.model_fields))
COMMON = {
    "speculation": SPECULATION,
    "disabled": st.booleans(),
    "tool_timeout_sec": st.integers(1, 99),
    "timeout": SCALARS,
    "trust": JSON,
}
VALUES = st.sampled_from(["", "a", "${A}", "${env:A}", "${B:-c}", "$A", "~"])
STDIO = usable(
    {"command": st.sampled_from(["x", "${A}", "~/x"])},
    COMMON | {"args": st.lists(VALUES | WORDS), "env": st.dictionaries(st.just("K"), VALUES), "cwd": VALUES},
)
REMOTE = usable(
    {"url": st.sampled_from(["https://h/mcp", "http://${A}:8/sse"])},
    COMMON | {"headers": st.dictionaries(st.just("K"), VALUES), "type": st.sampled_from(["http", "sse"])},
)
SERVERS = st.dictionaries(st.sampled_from("abcdeA"), broken(STDIO | REMOTE, READ_KEYS), min_size=1, max_size=3)
LIMITS = usable({}, dict.fromkeys(LimitsSection.model_fields, st.integers(1, 99)))
PASTE = usable(
    {},
    {
        "speculation": SPECULATION,
        "limits": broken(LIMITS, tuple(LimitsSection.model_fields)),
        "patterns": GLOBS,
        "prefix": st.booleans(),
        "record": st.sampled_from(["full", "off"]),
    },
)
DOCUMENTS = st.builds(
    lambda key, servers, rest: {key: servers} | rest,
    st.sampled_from(SERVERS_KEYS),
    SERVERS,
    usable({}, {"paste": broken(PASTE, tuple(Paste.model_fields)), "theme": JSON}),
)


@given(DOCUMENTS | JSON)
@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_any_data_is_a_config_or_one_line(data: object) -> None:
    try:
        config = parse_config(data, "c.json", {"A": "a"}, Path("/etc"))
    except ConfigError as error:
        line = str(error)
        assert line.startswith("c.json: ")
        assert line.isprintable()
        assert "pydantic" not in line
        assert error.__context__ is None or isinstance(error.__context__, UnicodeEncodeError)
    else:
        assert isinstance(config, Config)
        for alias in config.servers:
            assert config.policy(alias).mode in ("off", "shadow", "annotated", "listed")
        assert all(warning.isprintable() for warning in config.warnings)


@given(st.text(st.characters() | st.sampled_from('{}[]",:/*\\ \n0123456789-.eE'), max_size=40))
@settings(deadline=None, max_examples=400)
def test_any_text_is_json_or_one_line(text: str) -> None:
    try:
        read_jsonc(text, "c.json")
    except ConfigError as error:
        assert str(error).startswith("c.json:")
        assert str(error).isprintable()


FINITE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(FINITE, st.sampled_from([None, 0, 3]), st.booleans())
@settings(deadline=None)
def test_json_reads_as_the_standard_reader_reads_it(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert read_jsonc(text, "c.json") == json.loads(text)


@given(st.text(st.sampled_from('{}[]",:1ae-.\\ \n'), max_size=12))
@settings(deadline=None, max_examples=400)
def test_what_is_read_without_comments_and_commas_is_json(text: str) -> None:
    try:
        value = read_jsonc(text, "c.json")
    except ConfigError:
        return
    if ",]" in "".join(text.split()) or ",}" in "".join(text.split()):
        return
    assert json.loads(text) == value


@pytest.mark.parametrize("text", ["[1,]", '{"a": 1,}', "[/**/]", "[1/**/,//\n2]", "{}//"])
def test_trailing_commas_and_comments_are_read(text: str) -> None:
    assert read_jsonc(text, "c.json") in ([1], {"a": 1}, [], [1, 2], {})
