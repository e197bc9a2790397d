"""Learnt counts as patterns: sessions with toy servers are learnt from, written, read again, and foreseen by."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pattern_makers import event, index_of, pattern, text_event

from paste_mcp.core.model import Event, Tool
from paste_mcp.core.patterns.elements import Element
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.patterns.globs import compile_glob
from paste_mcp.core.patterns.language import Support
from paste_mcp.core.patterns.mapping import evaluate
from paste_mcp.core.patterns.past import Past
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.patterns.sources import Const
from paste_mcp.core.patterns.writer import pattern_data
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.forecast import Foresight
from paste_mcp.core.prediction.learnt.names import learnt_id
from paste_mcp.core.prediction.learnt.origins import Origin
from paste_mcp.core.prediction.learnt.said import source_of
from paste_mcp.core.prediction.learnt.sights import ColumnId, Sights, shown_by
from paste_mcp.core.prediction.learnt.written import written
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.store.pattern_files import parse_patterns
from paste_mcp.store.pattern_text import pool_text


class Agent:
    """Calls toy servers and notes what came back. `seed` makes each session's values its own."""

    def __init__(self, seed):
        self.seed = seed
        self.events: list[Event] = []

    def call(self, tool, arguments, document=None, text=None, status="ok"):
        at = len(self.events)
        made = (
            event(at, tool, arguments, document, status=status)
            if text is None
            else text_event(at, tool, arguments, text, status=status)
        )
        self.events.append(made)
        return made

    def ids(self, prefix, count):
        return [f"{prefix}-{self.seed}{chr(97 + n)}" for n in range(count)]


def orders(seed):
    """A search, then the details of each order found, with a constant."""
    agent = Agent(seed)
    found = agent.ids("W", 3)
    agent.call("search_orders", {"customer": f"c{seed}"}, {"orders": [{"id": id, "total": 5} for id in found]})
    for id in found:
        agent.call("get_order", {"order_id": id, "verbose": True}, {"id": id, "state": "open"})
    return agent.events


def files(seed):
    """A listing in text, then its files by path."""
    agent = Agent(seed)
    names = [f"{name}.md" for name in agent.ids("page", 3)]
    listing = "\n".join(["[DIR] sub", *(f"[FILE] {name}" for name in names)])
    agent.call("list_directory", {"path": f"/srv/{seed}"}, text=listing)
    for name in names:
        agent.call("read_file", {"path": f"/srv/{seed}/{name}"}, text=f"# {name} of {seed}")
    return agent.events


def labelled(seed):
    """A log in text, then a commit of it; the repository is the same for both."""
    agent = Agent(seed)
    commits = [f"{seed}{n}9e1c0ffee7" for n in range(3)]
    log = "\n".join(f"Commit: {commit}\nAuthor: someone\n" for commit in commits)
    agent.call("git_log", {"repo_path": f"/repo/{seed}"}, text=log)
    agent.call("git_show", {"repo_path": f"/repo/{seed}", "revision": commits[0]}, text="diff")
    return agent.events


def pages(seed):
    """A list read page by page."""
    agent = Agent(seed)
    for page in (1, 2, 3, 4):
        agent.call("list_issues", {"repo": f"r{seed}", "page": page}, {"count": page})
    return agent.events


def python_list(seed):
    """A list in Python's notation, then what it names."""
    agent = Agent(seed)
    tables = agent.ids("table", 3)
    agent.call("list_tables", {}, text=str([{"name": name} for name in tables]))
    for name in tables:
        agent.call("describe_table", {"table_name": name}, text="columns")
    return agent.events


def slugs(seed):
    """Full names, of which the next tool takes the last piece."""
    agent = Agent(seed)
    names = agent.ids("repo", 2)
    agent.call("search", {"query": f"q{seed}"}, {"items": [{"full_name": f"org{seed}/{name}"} for name in names]})
    for name in names:
        agent.call("get_repo", {"name": name}, {"ok": 1})
    return agent.events


def framed(seed):
    """An address made of an id."""
    agent = Agent(seed)
    (id,) = agent.ids("doc", 1)
    agent.call("find_page", {"title": f"t{seed}"}, {"page_id": id})
    agent.call("visit", {"url": f"https://wiki/pages/{id}"}, text="page")
    return agent.events


WORKFLOWS = [orders, files, labelled, pages, python_list, slugs, framed]


def learnt_from(*sessions):
    foresight = Foresight(online=True)
    for events in sessions:
        index, history = ValueIndex(), []
        tools = tools_of(events)
        for one in events:
            foresight.observe(one, history, tools, index)
            history.append(one)
            index.add(one)
        foresight.predict((), {}, index)  # the session is over: its last turn is whole, too
    return foresight.counts


def tools_of(events):
    return {(one.call.server, one.call.tool): Tool(one.call.server, one.call.tool) for one in events}


def foreseen(patterns, events):
    """Of each call after the first: whether it was among what was foreseen before it came."""
    predictor = Predictor(Pool(patterns))
    index, history, found = ValueIndex(), [], []
    for one in events:
        if history:
            predictions = predictor.predict(history, tools_of(events), index)
            found.append(one.call in [prediction.call for prediction in predictions])
        history.append(one)
        index.add(one)
    return found


def through_yaml(patterns):
    text = pool_text(map(pattern_data, patterns))
    return parse_patterns(text, Path("learnt.yaml"), users_own=True)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.__name__)
def test_a_workflow_learnt_written_and_read_again_is_foreseen_with_new_values(workflow):
    patterns = through_yaml(written(learnt_from(*(workflow(seed) for seed in range(3, 9)))))
    events = workflow(1)
    # The first step on a page is only known to be one from the second on.
    assert all(foreseen(patterns, events)), [pattern_data(pattern) for pattern in patterns]


def test_all_workflows_together_are_foreseen_too():
    counts = learnt_from(*(workflow(seed) for seed in range(3, 9) for workflow in WORKFLOWS))
    patterns = through_yaml(written(counts))
    for workflow in WORKFLOWS:
        assert all(foreseen(patterns, workflow(1))), workflow.__name__


def test_the_same_counts_are_written_the_same_whatever_their_order():
    sessions = [workflow(seed) for seed in range(3, 6) for workflow in WORKFLOWS]
    once = learnt_from(*sessions)
    again = Counts()
    for group, item, amount in reversed(list(once)):
        again.add(group, item, amount)
    assert json.dumps([pattern_data(p) for p in written(once)]) == json.dumps([pattern_data(p) for p in written(again)])


def test_a_pattern_says_what_it_rests_on_and_what_it_is_about():
    patterns = {pattern.name: pattern for pattern in written(learnt_from(*(orders(seed) for seed in range(4))))}
    first = patterns["learnt:s/search_orders > s/get_order"]
    assert first.id == first.name == learnt_id("s\tsearch_orders\t", "s\tget_order\t")
    assert first.evidence == Support(seen=4, hit=4)
    assert dict(first.arguments)["verbose"] == Const(True)
    assert 0.3 < first.probability < 1
    again = patterns["learnt:s/get_order > s/get_order"]
    assert again.evidence == Support(seen=8, hit=8)
    assert again.probability <= 1 and sum(share for _, share in again.pick) <= 1


def test_how_the_last_call_ended_is_part_of_the_context():
    def failing(seed):
        agent = Agent(seed)
        agent.call("read", {"path": f"/a/{seed}"}, text="no such file", status="error")
        agent.call("list", {"path": f"/a/{seed}"}, text="x")
        return agent.events

    (only,) = written(learnt_from(*map(failing, range(4))))
    assert only.name == "learnt:s/read (error) > s/list" and only.id == "learnt:s/read > s/list"
    assert only.context[-1].status == "error"


def test_what_was_rarely_seen_is_not_written():
    counts = learnt_from(orders(1))
    assert not [p for p in written(counts, min_seen=2) if p.evidence.seen < 2]
    assert written(counts, min_seen=50) == []


def test_of_a_tool_with_two_definitions_the_one_with_more_evidence_is_written():
    counts = Counts()
    for definition, hits in (("old", 3.0), ("new", 5.0)):
        group = ("follow", f"s\ta\t{definition}", "ok")
        counts.add(group, "", 10.0)
        counts.add(group, f"s\tb\t{definition}", hits)
        counts.add(("form", f"s\tb\t{definition}"), (), 10.0)
    (only,) = written(counts)
    assert only.evidence.hit == 5


def test_without_texts_no_text_of_the_users_is_written():
    def named(seed):
        agent = Agent(seed)
        agent.call("open", {}, text="x")
        agent.call("query", {"dataset": "secret-project", "limit": 10}, text="y")
        agent.call("visit", {"url": f"https://secret-host/{agent.ids('p', 1)[0]}"}, text="z")
        return agent.events

    counts = learnt_from(*map(named, range(6)), *map(framed, range(6)))
    assert "secret-project" in str(written(counts)) and "wiki" in str(written(counts))
    without = str(written(counts, texts=False))
    assert "secret" not in without and "wiki" not in without
    assert "get_order" not in without


@pytest.mark.parametrize("name", ["a*", "a{b}", "a?", ""])
def test_a_tool_whose_name_is_a_glob_is_not_written(name):
    counts = Counts()
    counts.add(("follow", "s\ta\t", "ok"), "", 9.0)
    counts.add(("follow", "s\ta\t", "ok"), f"s\t{name}\t", 9.0)
    counts.add(("form", f"s\t{name}\t"), (), 9.0)
    assert written(counts) == []


def test_a_tool_of_an_unknown_server_is_written_for_any_server():
    counts = Counts()
    counts.add(("follow", "\ta\t", "ok"), "", 9.0)
    counts.add(("follow", "\ta\t", "ok"), "\tb\t", 9.0)
    counts.add(("form", "\tb\t"), (), 9.0)
    (only,) = written(counts)
    assert only.context == (Element(compile_glob("*"), compile_glob("a")),) and only.target.server is None


# --- every column that was seen can be said, or is left out -----------------------------------------------------------

RESULTS = [
    event(
        0, "t", {"path": "/a/b/c.txt", "n": 5, "at": "2024-01-02T03:04"}, {"a b": [{"x.y": 1, "z": "q"}], "parent": "p"}
    ),
    event(0, "t", {}, [[{"id": 1}, {"id": 2}], [{"id": 3}]]),
    event(0, "t", {}, {"text": "id: a1\nid: b2\n[FILE] x.md\n| c | d |\nsee https://h/x", "full": "o/r"}),
    text_event(
        0, "t", {}, "1. Name: 'one two', key=abc\n   /usr/lib/x.so\n2. Name: \"three\"\n- item\ncommit 1a2b3c4d5e"
    ),
    text_event(0, "t", {}, "[{'name': 'a', 'at': '2024-01-02T03:04:05'}]"),
]


@pytest.mark.parametrize("seen", RESULTS, ids=lambda seen: str(seen.payload.text[:20]))
def test_every_column_gives_in_the_language_what_was_seen_in_it(seen):
    tool = "s\tt\t"
    sights = Sights()
    sights.add(seen, tool, shown_by(seen))
    said = 0
    for column, held in sights.columns.items():
        source = source_of(Origin("copy", column), (tool, "other"), tool)
        assert source is not None, column
        values = values_of(source, seen)
        if "x.y" in column.place:
            assert not values  # a name with a dot cannot be told from two names
            continue
        assert list(dict.fromkeys(values)) == list(held[-1].values), column
        said += 1
    assert said


def values_of(source, seen):
    """All that a source gives after `seen`, whether used or not."""
    made = replace(pattern(context=["t"]), arguments=(("value", source),), pick=tuple((n, 0.01) for n in range(1, 65)))
    found = evaluate(made, (seen,), {}, Tool("s", "visit"), Past([seen], index_of([seen])))
    return [one.arguments["value"] for one in found]


@pytest.mark.parametrize(("recent", "expected"), [(True, 1), (False, 0)])
def test_what_the_last_call_shows_is_taken_from_it_only_where_it_was_the_last(recent, expected):
    a, b = "s\ta\t", "s\tb\t"
    counts = Counts()
    counts.add(("follow", a, "ok"), "", 9.0)
    counts.add(("follow", a, "ok"), b, 9.0)
    counts.add(("form", b), ("x",), 9.0)
    counts.add(("fresh", b, "x"), "str", 9.0)
    counts.add(("present", b, "x"), (a, recent), 9.0)
    counts.add(("link", b, "x"), (Origin("copy", ColumnId(a, "$.id")), recent), 9.0)
    assert len(written(counts)) == expected
