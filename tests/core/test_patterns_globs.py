"""Globs and captures match what they say, in bounded time."""

import fnmatch
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.patterns import globs
from paste_mcp.core.patterns.globs import GlobError, compile_glob, fill, holes


@pytest.mark.parametrize(
    ("glob", "name", "captured"),
    [
        ("visit", "visit", {}),
        ("visit", "Visit", None),
        ("*search*", "web_search_2", {}),
        ("*search*", "sear", None),
        ("read?", "read2", {}),
        ("read?", "read", None),
        ("a*b*c", "a-b-b-c", {}),
        ("a*b*c", "a-c-b", None),
        ("**", "", {}),
        ("[x]", "[x]", {}),
        ("list_{thing}s", "list_issues", {"thing": "issue"}),
        ("list_{thing}s", "list_s", None),
        ("list_{thing}s", "list_a.bs", None),
        ("{server}_{verb}", "git_log", {"server": "git", "verb": "log"}),
        ("*_list_{thing}", "gh_list_tags", {"thing": "tags"}),
    ],
)
def test_a_glob_matches_and_captures(glob, name, captured):
    assert compile_glob(glob).match(name) == captured


@pytest.mark.parametrize("text", ["", "{", "}", "{}", "{a b}", "{a}{a}", "{a}*{b}", "x" * (globs.MAX_NAME + 1)])
def test_what_is_no_glob_is_refused_with_a_remedy(text):
    with pytest.raises(GlobError) as caught:
        compile_glob(text)
    assert caught.value.problem and caught.value.remedy


def test_names_up_to_the_limit_match_and_longer_ones_never():
    assert compile_glob("*").match("a" * globs.MAX_NAME) == {}
    assert compile_glob("*").match("a" * (globs.MAX_NAME + 1)) is None
    assert compile_glob("a" * globs.MAX_NAME).match("a" * globs.MAX_NAME) == {}


def test_filling_replaces_captures_and_leaves_the_rest():
    assert fill("get_{thing}_{other}", {"thing": "issue"}) == "get_issue_{other}"
    assert holes("get_{thing}_{other}") == {"thing", "other"} and holes("plain") == set()


@given(st.text(alphabet="ab*?[.", min_size=1, max_size=8), st.text(alphabet="ab[.", max_size=10))
def test_globs_without_captures_agree_with_fnmatch(glob, name):
    plain = re.compile(fnmatch.translate(glob.replace("[", "[[]")))
    assert (compile_glob(glob).match(name) is not None) == (plain.match(name) is not None)


@pytest.mark.parametrize("glob", ["*a" * 100 + "b", "{x}a{y}b", "?*" * 100 + "b"])
def test_the_worst_name_is_matched_quickly(glob):
    started = time.perf_counter()
    assert compile_glob(glob).match("a" * globs.MAX_NAME) is None
    assert time.perf_counter() - started < 0.5
