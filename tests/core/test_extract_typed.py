"""Addresses, paths and identifiers out of prose, and nothing that only looks like them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.patterns import typed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.example/x.", ["https://a.example/x"]),
        ("## [t](http://127.0.0.1:8/a?b=c)\n", ["http://127.0.0.1:8/a?b=c"]),
        ("[w](https://e.org/A_(b)) and (https://e.org/c)", ["https://e.org/A_(b)", "https://e.org/c"]),
        ("<https://e.org/a>, 'https://e.org/b'; https://e.org/a", ["https://e.org/a", "https://e.org/b"]),
        ("ftp://x/y http:// mailto:a@b", []),
    ],
)
def test_urls_are_found_whole_and_once(text, found):
    assert typed.urls(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("src/a.py:12: def f", ["src/a.py"]),
        ("/etc/hosts, ./run and ../up/x", ["/etc/hosts", "./run", "../up/x"]),
        ("C:\\Users\\a\\b.txt", ["C:\\Users\\a\\b.txt"]),
        ("and/or 12/05 1/2.5 plain.txt", []),
        ("see https://e.org/a/b.html", []),
        ("~/notes/a.md ~/notes/a.md", ["~/notes/a.md"]),
    ],
)
def test_paths_are_found_and_prose_is_not(text, found):
    assert typed.paths(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Commit: 049b65625d7094be8a0b6ad4644a52cf75df8a74", ["049b65625d7094be8a0b6ad4644a52cf75df8a74"]),
        ("id 123e4567-e89b-12d3-a456-426614174000.", ["123e4567-e89b-12d3-a456-426614174000"]),
        ("defaced facade deadbeef", []),
        ("abc1234 ab1234 abc1234x x-abc1234", ["abc1234"]),
    ],
)
def test_identifiers_are_found_and_words_are_not(text, found):
    assert typed.ids(text) == found


def test_bounds_hold_at_the_limit_and_not_one_beyond():
    assert len(typed.ids(" ".join(f"{n:07}" for n in range(typed.MAX_VALUES)))) == typed.MAX_VALUES
    assert len(typed.ids(" ".join(f"{n:07}" for n in range(typed.MAX_VALUES + 1)))) == typed.MAX_VALUES
    last = " " * (typed.MAX_TEXT - 8) + " abc1234"
    assert typed.ids(last) and not typed.ids(" " + last)
    for extra, count in ((1, 1), (0, 0)):
        words = "ab " * (typed.MAX_LOOKED_AT - extra)
        assert len(typed.paths(words + "/a/b")) == count
    assert typed.ids("1" * typed.MAX_ID) and not typed.ids("1" * (typed.MAX_ID + 1))
    assert typed.paths("/" + "a" * (typed.MAX_PATH - 1)) and not typed.paths("/" + "a" * typed.MAX_PATH)
    assert len(typed.urls("http://" + "a" * 9_999)[0]) == len("http://") + typed.MAX_URL


@pytest.mark.parametrize(
    "piece", ["http://", "a/", "0", "(", ")", "http://a(", ":1", "-", "0a1b2c3-", "/.", "a.b/", "\\", "é"]
)
@pytest.mark.parametrize("kind", sorted(typed.EXTRACTORS))
def test_the_worst_text_is_read_quickly(kind, piece):
    text = piece * (256 * 1024 // len(piece))
    started = time.perf_counter()
    typed.EXTRACTORS[kind](text)
    assert time.perf_counter() - started < 1


@given(st.text(max_size=200))
def test_any_text_gives_distinct_parts_of_it(text):
    for kind, extract in typed.EXTRACTORS.items():
        found = extract(text)
        assert len(set(found)) == len(found)
        assert all(value and value in text for value in found), kind
