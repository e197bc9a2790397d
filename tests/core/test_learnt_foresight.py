"""What is learnt from sessions foresees whole calls, in sessions whose values were never seen before."""

from itertools import pairwise

import pytest

from paste_mcp.core.model import Event, Hints, Payload, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.forecast import MAX_PREDICTIONS, Foresight

READ = Hints(read_only=True)
WRITE = Hints(read_only=False)


class Told:
    """A session told call by call; `foreseen` are the arguments foreseen for a tool, best first."""

    def __init__(self, foresight, tools):
        self.foresight, self.index, self.history = foresight, ValueIndex(), []
        self.tools = {(tool.server, tool.name): tool for tool in tools}
        self.turn = -1

    def turn_of(self, *calls):
        self.turn += 1
        for tool, arguments, document in calls:
            payload = Payload(text=document) if isinstance(document, str) else Payload(document=document)
            event = Event(
                len(self.history), self.turn, ToolCall("srv", tool, arguments), "ok", payload, float(self.turn)
            )
            self.foresight.observe(event, self.history, self.tools, self.index)
            self.history.append(event)
        return self

    def call(self, tool, arguments, document=None):
        return self.turn_of((tool, arguments, document))

    def predictions(self):
        return self.foresight.predict(self.history, self.tools, self.index)

    def foreseen(self, tool):
        return [dict(p.call.arguments) for p in self.predictions() if p.call.tool == tool]

    def shown(self):
        return self.foresight.shown(self.index)


def tools(*names, hints=READ, definition=""):
    return [Tool("srv", name, hints, definition=definition) for name in names]


def found(*ids, **more):
    return {
        "found": [{"id": id, "title": f"about {id}"} | {k: v[i] for k, v in more.items()} for i, id in enumerate(ids)]
    }


def searches(count, known, then=lambda ids: [("open", {"id": ids[0]})]):
    """Counts of sessions that search and then open the first thing found."""
    counts = Counts()
    for number in range(count):
        told = Told(Foresight(), known)
        ids = [f"{number}-{rank}" for rank in range(4)]
        told.call("search", {"query": f"question {number}"}, found(*ids))
        for tool, arguments in then(ids):
            told.call(tool, arguments, "the text")
        counts.merge(told.shown())
    return counts


SEARCH = tools("search", "open")


def test_an_id_is_taken_from_the_latest_result_whatever_it_is():
    told = Told(Foresight(searches(3, SEARCH)), SEARCH)
    told.call("search", {"query": "another"}, found("n1", "n2", "n3"))
    assert told.foreseen("open")[0] == {"id": "n1"}


def takes(name, *required, **optional):
    properties = {argument: {"type": "string"} for argument in required} | optional
    return Tool("srv", name, READ, {"type": "object", "properties": properties, "required": list(required)})


@pytest.mark.parametrize(
    ("listing", "document", "reader", "expected"),
    [
        (
            "list_pages",
            {"pages": [{"page_id": "p1"}, {"page_id": "p2"}]},
            takes("get_page", "page_id"),
            {"page_id": "p1"},
        ),
        ("list_pages", [{"id": "p1", "title": "-"}], takes("get_page", "pageId"), {"pageId": "p1"}),
        (
            "search_notes",
            {"results": [{"url": "https://a.org/1"}]},
            takes("read_note", "url"),
            {"url": "https://a.org/1"},
        ),
        (
            "list_tables",
            {"tables": [{"name": "users"}]},
            takes("describe_table", "table_name"),
            {"table_name": "users"},
        ),
        (
            "show_log",
            "Commit: 3f2a9b8c7d6e5f4a\nAuthor: A\n\nCommit: 4f2a9b8c7d6e5f4b\nAuthor: B\n",
            takes("show_change", "revision"),
            {"revision": "3f2a9b8c7d6e5f4a"},
        ),
    ],
)
def test_with_nothing_learnt_names_in_schemas_that_agree_are_enough(listing, document, reader, expected):
    known = [takes(listing), reader, takes("other", "colour")]
    told = Told(Foresight(), known).call(listing, {}, document)
    assert told.foreseen(reader.name)[:1] == [expected]
    assert told.foreseen("other") == []


def test_with_nothing_learnt_an_argument_of_all_tools_is_taken_as_it_was_sent_before():
    known = [takes("show_log", "repo_path"), takes("show_change", "repo_path", "revision")]
    told = Told(Foresight(), known)
    told.call("show_log", {"repo_path": "/r"}, "Commit: 3f2a9b8c7d6e5f4a\nDate: 1\n\nCommit: 4f2a9b8c7d6e5f4b\nDate: 2")
    assert told.foreseen("show_change")[0] == {"repo_path": "/r", "revision": "3f2a9b8c7d6e5f4a"}


def test_a_guess_from_names_alone_dies_of_being_wrong():
    known = [takes("list_pages"), takes("get_page", "page_id"), takes("count")]
    told = Told(Foresight(), known)
    chances = []
    for number in range(8):
        told.call("list_pages", {}, {"pages": [{"page_id": f"p{number}"}]})
        chances.append(sum(p.probability for p in told.predictions() if p.call.tool == "get_page"))
        told.call("count", {}, {"n": number})
    assert chances[0] > 0.02
    assert chances[-1] < chances[0] / 2


def test_the_next_of_a_list_follows_the_one_used_last():
    counts = searches(3, SEARCH, then=lambda ids: [("open", {"id": id}) for id in ids[:3]])
    told = Told(Foresight(counts), SEARCH)
    told.call("search", {"query": "x"}, found("n1", "n2", "n3", "n4")).call("open", {"id": "n1"}, "text")
    assert told.foreseen("open")[0] == {"id": "n2"}
    told.call("open", {"id": "n2"}, "text")
    assert told.foreseen("open")[0] == {"id": "n3"}


def test_values_of_one_call_come_from_one_row():
    known = tools("repositories", "readme")
    counts = Counts()
    for number in range(4):
        told = Told(Foresight(), known)
        rows = [{"owner": f"o{number}{k}", "name": f"r{number}{k}"} for k in range(3)]
        told.call("repositories", {"page": number}, rows).call(
            "readme", {"owner": rows[0]["owner"], "repo": rows[0]["name"]}, "-"
        )
        told.call("readme", {"owner": rows[1]["owner"], "repo": rows[1]["name"]}, "-")
        counts.merge(told.shown())
    told = Told(Foresight(counts), known)
    rows = [{"owner": f"own{k}", "name": f"rep{k}"} for k in range(3)]
    told.call("repositories", {"page": 9}, rows)
    assert told.foreseen("readme")[0] == {"owner": "own0", "repo": "rep0"}
    told.call("readme", {"owner": "own0", "repo": "rep0"}, "-")
    assert told.foreseen("readme")[0] == {"owner": "own1", "repo": "rep1"}


def test_values_that_stand_in_several_places_go_together_by_any_of_them():
    """The ends of a journey of several legs: each stands alone at the top, and in a row of its own beside others."""
    known = tools("booking", "search")
    counts = Counts()

    def booking(*stops):
        legs = [{"from": one, "to": other} for one, other in pairwise(stops)]
        return {"legs": legs, "from": stops[0], "to": stops[-1]}

    for number in range(6):
        told = Told(Foresight(), known)
        stops = [f"s{number}{k}" for k in range(2 if number % 2 else 3)]
        told.call("booking", {"id": number}, booking(*stops))
        told.call("search", {"from": stops[0], "to": stops[-1]}, "-")
        counts.merge(told.shown())
    told = Told(Foresight(counts), known).call("booking", {"id": 9}, booking("x", "y", "z"))
    assert told.foreseen("search")[0] == {"from": "x", "to": "z"}


def test_a_name_is_joined_to_the_folder_that_was_listed_with_it():
    known = tools("list", "read")
    counts = Counts()

    def listed(told, top, name):
        told.call("list", {"path": top}, f"[FILE] {name}.txt\n[DIR] sub")
        return told.call("list", {"path": f"{top}/sub"}, f"[FILE] other-{name}.txt")

    for number in range(4):
        told = listed(Told(Foresight(), known), f"/work/d{number}", f"one{number}")
        told.call("read", {"path": f"/work/d{number}/one{number}.txt"}, "-")
        counts.merge(told.shown())
    found = [call["path"] for call in listed(Told(Foresight(counts), known), "/top", "first").foreseen("read")]
    assert "/top/first.txt" in found
    assert "/top/sub/first.txt" not in found


def test_the_shape_of_a_value_says_which_tool_takes_it():
    known = tools("list", "read_text", "read_sheet")
    counts = Counts()
    for number in range(4):
        told = Told(Foresight(), known)
        names = [f"a{number}.xlsx", f"c{number}.xlsx"]
        names.insert(number % 3, f"b{number}.md")
        told.call("list", {"n": number}, {"files": names})
        told.call("read_text", {"path": f"b{number}.md"}, "-").call("read_sheet", {"path": f"a{number}.xlsx"}, "-")
        counts.merge(told.shown())
    told = Told(Foresight(counts), known).call("list", {"n": 9}, {"files": ["q.xlsx", "r.xlsx", "s.md"]})
    assert told.foreseen("read_text")[0] == {"path": "s.md"}


@pytest.mark.parametrize(
    ("listing", "name"),
    [
        ("[FILE] one.txt\n[FILE] two.txt\n[DIR] sub", "one.txt"),
        ("- one.txt\n- two.txt", "one.txt"),
        ("name: one.txt\nname: two.txt", "one.txt"),
        ("{'entries': [{'name': 'one.txt'}, {'name': 'two.txt'}]}", "one.txt"),
    ],
    ids=["tagged", "items", "labelled", "python"],
)
def test_names_in_plain_text_are_joined_to_the_folder_that_was_listed(listing, name):
    known = tools("list", "read")
    counts = Counts()
    for number in range(4):
        told = Told(Foresight(), known)
        text = listing.replace("one", f"one{number}").replace("two", f"two{number}")
        told.call("list", {"path": f"/work/d{number}"}, text).call(
            "read", {"path": f"/work/d{number}/one{number}.txt"}, "-"
        )
        counts.merge(told.shown())
    told = Told(Foresight(counts), known).call("list", {"path": "/elsewhere"}, listing)
    assert {"path": f"/elsewhere/{name}"} in told.foreseen("read")


def test_a_page_number_is_counted_on():
    known = tools("page")
    counts = Counts()
    for number in range(4):
        told = Told(Foresight(), known)
        for page in range(1, 5):
            told.call("page", {"query": f"q{number}", "page": page}, {"rows": [page]})
        counts.merge(told.shown())
    told = Told(Foresight(counts), known).call("page", {"query": "new", "page": 7}, {"rows": [0]})
    assert told.foreseen("page")[0] == {"query": "new", "page": 8}


def test_a_workflow_that_is_repeated_word_for_word_is_recalled():
    known = tools("ask", "look", "check")
    first = Told(Foresight(), known)
    first.call("ask", {"text": "state of the union"}, "-").call("look", {"room": "kitchen"}, "-")
    first.call("check", {"what": "oven"}, "-")
    counts = Counts()
    counts.merge(first.shown())
    again = Told(Foresight(counts), known).call("ask", {"text": "state of the union"}, "-")
    assert {"room": "kitchen"} in again.foreseen("look")
    other = Told(Foresight(counts), known).call("ask", {"text": "another question"}, "-")
    assert {"room": "kitchen"} not in other.foreseen("look")


def test_a_constant_of_one_session_is_nobodys_elses():
    known = tools("start", "status")
    for sessions, expected in ((1, False), (3, True)):
        counts = Counts()
        for number in range(sessions):
            told = Told(Foresight(), known).call("start", {"n": number}, "-").call("status", {"verbose": "yes"}, "-")
            counts.merge(told.shown())
        told = Told(Foresight(counts), known).call("start", {"n": 99}, "-")
        assert ({"verbose": "yes"} in told.foreseen("status")) is expected


def test_what_one_session_shows_stays_in_it_unless_learning_is_online():
    for online in (False, True):
        foresight = Foresight(online=online)
        told = Told(foresight, SEARCH)
        for number in range(3):
            told.call("search", {"query": f"q{number}"}, found(f"a{number}", f"b{number}"))
            told.call("open", {"id": f"a{number}"}, "-")
        told.predictions()
        assert bool(len(foresight.counts)) is online


def test_learning_online_counts_what_mining_the_same_sessions_counts():
    mined, foresight = Counts(), Foresight(online=True)
    for number in range(4):
        for told in (Told(Foresight(), SEARCH), Told(foresight, SEARCH)):
            told.call("search", {"query": f"q{number}"}, found(f"a{number}", f"b{number}"))
            told.turn_of(("open", {"id": f"a{number}"}, "-"), ("open", {"id": f"b{number}"}, "-"))
            shown = told.shown()
            if told.foresight is not foresight:
                mined.merge(shown)
    assert sorted(map(repr, mined)) == sorted(map(repr, foresight.counts))


def test_a_changed_definition_starts_anew():
    counts = searches(5, SEARCH)
    changed = [SEARCH[0], *tools("open", definition="another")]
    told = Told(Foresight(counts), changed).call("search", {"query": "x"}, found("n1", "n2"))
    assert told.foreseen("open") == []


def test_tools_that_say_that_they_write_are_not_foreseen():
    known = [*tools("search"), *tools("open", hints=WRITE)]
    told = Told(Foresight(searches(5, known)), known).call("search", {"query": "x"}, found("n1"))
    assert told.predictions() == []


def test_what_a_turn_brings_is_foreseen_from_once_it_is_whole():
    counts = searches(3, SEARCH)
    told = Told(Foresight(counts), SEARCH)
    told.turn_of(("search", {"query": "x"}, found("x1")), ("search", {"query": "y"}, found("y1")))
    assert {"id": "y1"} in told.foreseen("open")


def test_predictions_are_few_distinct_sorted_and_never_certain():
    counts = searches(30, SEARCH)
    told = Told(Foresight(counts), SEARCH).call("search", {"query": "x"}, found(*map(str, range(50))))
    predictions = told.predictions()
    assert 0 < len(predictions) <= MAX_PREDICTIONS
    assert len({repr(p.call) for p in predictions}) == len(predictions)
    assert [p.probability for p in predictions] == sorted((p.probability for p in predictions), reverse=True)
    assert all(0 < p.probability < 1 for p in predictions)


def test_what_is_foreseen_says_where_each_value_came_from():
    told = Told(Foresight(searches(3, SEARCH)), SEARCH).call("search", {"query": "x"}, found("n1"))
    best = told.predictions()[0]
    assert [(piece.kind, piece.server, piece.event) for piece in best.ingredients] == [("result", "srv", 0)]
    assert not best.composed
    assert best.pattern == "learnt:srv/search > srv/open"


def test_odd_values_are_learnt_from_without_harm():
    odd = [None, True, 3.5, [1, 2], {"a": {"b": [None]}}, "", "x" * 5_000, "\ud800", 2**200, float("nan")]
    told = Told(Foresight(), tools("odd"))
    for number, value in enumerate(odd):
        told.call("odd", {"value": value, "n": number}, {"result": odd[:-1], "echo": value})
        told.predictions()
    assert len(told.shown()) > 0


def test_a_tool_without_arguments_is_foreseen_before_its_first_call():
    known = tools("login", "whoami")
    counts = Counts()
    for number in range(3):
        counts.merge(Told(Foresight(), known).call("login", {"n": number}, "-").call("whoami", {}, "-").shown())
    assert Told(Foresight(counts), known).call("login", {"n": 9}, "-").foreseen("whoami") == [{}]
