"""Files however they are laid out: what is swapped in a text is exactly what was meant, and nothing else changes."""

import json
import re
import tomllib
from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.config.jsonc import read_jsonc, read_spans
from paste_mcp.connect import jsonc, toml

NAMES = ("a", "b", "c d", "é", 'q"t')
spaces = st.sampled_from(["", " ", "\n", "\n  ", "\r\n\t", " // x, } \n", "/* { */", " /* \n */ "])
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "//", "/*", "}", ",", 'a"b', "\\", "ü"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=5,
)


def written(value, gaps, trailing):
    """The value as somebody might have written it, with these gaps, and a comma at the end where `trailing` says so."""
    if isinstance(value, dict):
        members = [
            f"{next(gaps)}{json.dumps(key)}{next(gaps)}:{next(gaps)}{written(inner, gaps, trailing)}{next(gaps)}"
            for key, inner in value.items()
        ]
        more = "," + next(gaps) if members and next(trailing) else ""
        return "{" + (",".join(members) or next(gaps)) + more + "}"
    if isinstance(value, list):
        return "[" + ",".join(next(gaps) + written(inner, gaps, trailing) + next(gaps) for inner in value) + "]"
    return json.dumps(value)


@st.composite
def documents(draw):
    """A document with servers, and its text."""
    servers = draw(st.dictionaries(st.sampled_from(NAMES), values, max_size=4))
    before = draw(st.dictionaries(st.sampled_from("mn"), scalars, max_size=1))
    after = draw(st.dictionaries(st.sampled_from("op"), scalars, max_size=1))
    data = {**before, "servers": servers, **after}
    gaps = cycle(draw(st.lists(spaces, min_size=1, max_size=14)))
    trailing = cycle(draw(st.lists(st.booleans(), min_size=1, max_size=3)))
    return data, next(gaps) + written(data, gaps, trailing) + next(gaps)


def comments(text):
    """What stands outside of strings in comments."""
    plain = re.sub(
        r'"(?:[^"\\]|\\.)*"|(//[^\n]*|/\*.*?\*/)', lambda m: f"\0{m[1]}\0" if m[1] else "", text, flags=re.DOTALL
    )
    return [comment.strip() for comment in re.findall("\0(.*?)\0", plain, re.DOTALL)]


@given(documents(), st.sets(st.sampled_from(NAMES)), st.dictionaries(st.sampled_from(["new", "b"]), values, max_size=2))
def test_json_says_what_was_meant_after_a_swap_and_keeps_its_comments(document, out, into):
    data, text = document
    into = {name: value for name, value in into.items() if name not in data["servers"] or name in out}
    pieces = {name: json.dumps(value) for name, value in into.items()}
    swapped = jsonc.swap(text, ("servers",), out, pieces, "t")
    kept = {name: value for name, value in data["servers"].items() if name not in out}
    assert read_jsonc(swapped, "t") == {**data, "servers": {**kept, **into}}
    rest = text
    for path, span in reversed(read_spans(text, "t")[1].items()):
        if len(path) == 2 and path[0] == "servers" and path[1] in out:
            rest = rest[: span.key] + rest[span.end :]
    assert sorted(comments(swapped)) == sorted(comments(rest))


@given(documents())
def test_json_comes_back_as_data_after_any_edit_and_as_text_after_none(document):
    data, text = document
    keys = ("servers",)
    pieces = jsonc.pieces(text, keys, "t")
    assert {name: read_jsonc(piece, "t") for name, piece in pieces.items()} == data["servers"]
    entry = {"command": "x", "args": ["y"]}
    one = jsonc.swap(text, keys, set(pieces), {"paste": jsonc.write(text, keys, "paste", entry, "t")}, "t")
    assert read_jsonc(one, "t") == {**data, "servers": {"paste": entry}}
    assert read_jsonc(jsonc.swap(one, keys, {"paste"}, pieces, "t"), "t") == data


LIST = 'l = [\n  "a", # one\n  "[b]",\n]'
STRING = 's = """\n[mcp_servers.z]\n# no\n"""'
lines = st.sampled_from(["", "# note", "#[mcp_servers.x]", 'k = "v"', "n = 1", LIST, STRING])


@st.composite
def tables(draw):
    """A TOML file with servers in tables."""
    parts = ["\n".join(draw(st.lists(st.sampled_from(["", "# top", "x = 1  # c"]), max_size=2, unique=True)))]
    names = draw(
        st.permutations(["mcp_servers.a", "mcp_servers.'b.c'", "mcp_servers.a.env", "other", 'mcp_servers."d"'])
    )
    for name in names[: draw(st.integers(1, 5))]:
        body = draw(st.lists(lines, max_size=4, unique=True))
        parts.append("\n".join([f"[{name}]{draw(st.sampled_from(['', '  # h']))}", *body]))
    return "\n".join(parts) + draw(st.sampled_from(["", "\n", "\n\n"]))


@given(tables(), st.sets(st.sampled_from(["a", "b.c", "d"])), st.booleans())
def test_toml_says_what_was_meant_after_a_swap_and_keeps_its_other_lines(text, out, crlf):
    text = text.replace("\n", "\r\n") if crlf else text
    data = toml.read(text, "t")
    keys = ("mcp_servers",)
    pieces = toml.pieces(text, keys, "t")
    assert pieces.keys() == data.get("mcp_servers", {}).keys()
    out &= pieces.keys()
    entry = {"command": "x", "args": ["y", '"\\'], "env": {"A": "b"}}
    one = toml.swap(text, keys, out, {"paste": toml.write(text, keys, "paste", entry, "t")}, "t")
    kept = {name: value for name, value in data.get("mcp_servers", {}).items() if name not in out}
    assert tomllib.loads(one.replace("\r\n", "\n")) == {**data, "mcp_servers": {**kept, "paste": entry}}
    back = toml.swap(one, keys, {"paste"}, {name: pieces[name] for name in out}, "t")
    expected = data if out or "mcp_servers" in data else {**data}
    assert {k: v for k, v in toml.read(back, "t").items() if v} == {k: v for k, v in expected.items() if v}
    assert ("\n" in one.replace("\r\n", "")) == ("\n" in text.replace("\r\n", "") and not crlf) or "\n" not in text


def test_toml_that_is_not_in_tables_of_its_own_has_no_piece():
    inline = '[mcp_servers]\na = { command = "x" }\nb.command = "y"\n[mcp_servers.b.env]\nX = "1"\n[mcp_servers.c]\n'
    assert toml.pieces(inline, ("mcp_servers",), "t").keys() == {"c"}
