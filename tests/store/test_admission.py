"""What of the learnt is structure, what is the user's own, and what is a secret."""

import pytest

from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.sights import ColumnId
from paste_mcp.store.admission import Admission, KeptCounts, admission

TOOL = "github\tget_file\tabcdef012345"
STRUCTURE, LITERAL, SECRET = Admission.STRUCTURE, Admission.LITERAL, Admission.SECRET


def link(origin):
    return ("link", TOOL, "path"), (origin, True)


def column(place):
    return link(Origin("copy", ColumnId(TOOL, place)))


CASES = {
    "a transition": (("follow", TOOL, "ok"), TOOL, STRUCTURE),
    "a longer transition": (("follow", "", TOOL, "error"), "", STRUCTURE),
    "argument names": (("form", TOOL), ("owner", "path", "start-line"), STRUCTURE),
    "a name that a user made up": (("form", TOOL), ("my diary of 2024", "path"), LITERAL),
    "tries": (("same", TOOL, "path"), "tries", STRUCTURE),
    "a rank": (("rank", TOOL, "path", ColumnId(TOOL, "$[*].path|name")), (2, -1), STRUCTURE),
    "a kind of rank": (("ranks", "copy", "$"), (2, 0), STRUCTURE),
    "a column": (*column("$.items[*].path"), STRUCTURE),
    "a labelled place": (*column("~label:file name"), STRUCTURE),
    "a column named by a file": (*column("$.files.my diary.txt"), LITERAL),
    "a column named by an address": (*column("$.users.ada@example.com.name"), LITERAL),
    "a column named by a token": (*column("$.sessions.ghp_16C7e42F292c6912E7710c838347Ae178B4a"), SECRET),
    "a step": (*link(Origin("step", by=20)), STRUCTURE),
    "a frame of signs": (*link(Origin("frame", ColumnId(TOOL, "$.x"), by=("", "/"))), STRUCTURE),
    "a frame of words": (*link(Origin("frame", ColumnId(TOOL, "$.x"), by=("repo:ada/", ""))), LITERAL),
    "a frame with a password": (*link(Origin("frame", ColumnId(TOOL, "$.x"), by=("ada:hunter2@db/", ""))), SECRET),
    "a kind of file": (("shape", TOOL, "path"), "file:py", STRUCTURE),
    "a host": (("shape", TOOL, "url"), "url:intranet.example", LITERAL),
    "a host with a password": (("shape", TOOL, "url"), "url:ada:hunter2@intranet.example", SECRET),
    "a number": (("const", TOOL, "limit"), "20", STRUCTURE),
    "a boolean": (("const", TOOL, "password"), "true", STRUCTURE),
    "numbers": (("const", TOOL, "range"), "[1,2]", STRUCTURE),
    "how many sessions": (("const", TOOL, "query"), "", STRUCTURE),
    "a text": (("const", TOOL, "query"), '"hello"', LITERAL),
    "a text in an object": (("const", TOOL, "filter"), '{"state":"open"}', LITERAL),
    "a password by its name": (("const", TOOL, "password"), '"hello"', SECRET),
    "a password by its member's name": (("const", TOOL, "login"), '{"user":"ada","password":"hello"}', SECRET),
    "a pin": (("const", TOOL, "pin"), "1234", SECRET),
    "a card": (("const", TOOL, "number"), "4111111111111111", SECRET),
    "a token": (("const", TOOL, "query"), '"ghp_16C7e42F292c6912E7710c838347Ae178B4a"', SECRET),
    "a recalled call": (("then", "00ff"), (TOOL, '{"path":"a.py"}'), LITERAL),
    "how often a call was made": (("then", "00ff"), "", LITERAL),
    "a recalled call with a secret": (("then", "00ff"), (TOOL, '{"token":"x"}'), SECRET),
    "a name in a group of an unknown kind": (("episode", TOOL), "alice", LITERAL),
    "a tool in a group of an unknown kind": (("episode", TOOL), (TOOL, "hits"), STRUCTURE),
}


@pytest.mark.parametrize(("group", "item", "expected"), CASES.values(), ids=CASES.keys())
def test_what_may_be_kept(group, item, expected):
    assert admission(group, item) is expected


def taken(counts):
    delta = counts.take()
    return {(group, item) for group, item, _ in delta.free}, {(group, item) for group, item, _ in delta.literals}


def of_kind(*kinds):
    return {(group, item) for group, item, kind in CASES.values() if kind in kinds}


def test_without_the_users_word_no_text_is_taken_in():
    counts = KeptCounts()
    for group, item, _ in CASES.values():
        counts.add(group, item)
    assert taken(counts) == (of_kind(STRUCTURE), set())
    assert {(group, item) for group, item, _ in counts} == of_kind(STRUCTURE)


def test_with_the_users_word_texts_are_and_secrets_are_not():
    counts = KeptCounts(history=True)
    for group, item, _ in CASES.values():
        counts.add(group, item)
    assert taken(counts) == (of_kind(STRUCTURE), of_kind(LITERAL))
    assert {(group, item) for group, item, _ in counts} == of_kind(STRUCTURE, LITERAL)


def test_what_a_schema_lists_needs_no_word():
    counts = KeptCounts()
    counts.members.add((TOOL, "state", '"open"'))
    counts.add(("const", TOOL, "state"), '"open"')
    counts.add(("const", TOOL, "state"), '"mine"')
    counts.add(("const", TOOL, "other"), '"open"')
    assert taken(counts) == ({(("const", TOOL, "state"), '"open"')}, set())


def test_merged_counts_pass_the_same_door():
    counts, lesson = KeptCounts(), Counts()
    lesson.add(("const", TOOL, "query"), '"hello"')
    lesson.add(("again",), "tries", 2.0)
    counts.merge(lesson, 0.5)
    assert list(counts) == [(("again",), "tries", 1.0)]


def test_what_was_kept_before_is_no_news():
    counts = KeptCounts()
    counts.remember(("again",), "tries", 3.0)
    counts.add(("again",), "tries")
    assert [amount for _, _, amount in counts.take().free] == [1.0]
    assert counts.of(("again",)) == {"tries": 4.0}
    assert not counts.take()


def test_what_was_put_back_is_taken_again():
    counts = KeptCounts(history=True)
    counts.add(("again",), "tries")
    counts.add(("const", TOOL, "query"), '"hello"')
    counts.put_back(counts.take())
    counts.add(("again",), "tries")
    delta = counts.take()
    assert list(delta.free) == [(("again",), "tries", 2.0)]
    assert len(delta.literals) == 1
    assert counts.of(("again",)) == {"tries": 2.0}
