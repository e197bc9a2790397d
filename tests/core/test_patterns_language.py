"""The written form: what is accepted, and for what is not, the exact place, the problem and the remedy."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pattern_makers import pool_data, written

from paste_mcp.core.patterns import language, reader
from paste_mcp.core.patterns.language import Pattern, PatternError, Support, parse_pool
from paste_mcp.core.patterns.paths import Span
from paste_mcp.core.patterns.sources import ByPath, ByPlace, Const, OfCall, Piece, Sibling

URL = {"result": -1, "path": "$.results[*].url", "pick": {1: 0.38, 2: 0.20, 3: 0.11}}


def parsed(**parts):
    return parse_pool(pool_data(written(**parts)), users_own=False)[0]


def refusal(**parts):
    with pytest.raises(PatternError) as caught:
        parsed(**parts)
    return str(caught.value)


def refused_source(source, name="url", **parts):
    """What is said of one argument's source, without the place that all of these share."""
    message = refusal(arguments={name: source}, **parts)
    prefix = "patterns[0] (p).arguments."
    assert message.startswith(prefix)
    return message.removeprefix(prefix)


def test_the_example_of_the_documentation_is_read_whole():
    entry = {
        "name": "search-then-visit",
        "why": "free text",
        "enabled": True,
        "context": [{"server": "research", "tool": "*search*", "status": "ok"}],
        "target": {"server": "same", "tool": "visit"},
        "arguments": {"url": URL, "*": {"argument": -1}},
        "probability": 0.51,
    }
    (found,) = parse_pool(pool_data(entry), users_own=True)
    assert found.name == "search-then-visit"
    assert found.context[0].server.text == "research"
    assert found.context[0].tool.match("web_search_2") == {}
    assert found.target.server is None
    assert found.arguments == (("url", ByPath(-1, (("results", Span(members=True), "url"),))),)
    assert (found.rest, found.whichever, found.probability) == (-1, None, 0.51)
    assert found.pick == ((1, 0.38), (2, 0.20), (3, 0.11))
    assert found.users_own and found.enabled


def test_defaults_are_any_server_ok_status_same_server_and_the_first_rank():
    found = parsed()
    assert (found.context[0].server.text, found.context[0].status) == ("*", "ok")
    assert found.target.server is None and found.pick == ((1, 1.0),) and found.arguments == ()


def test_a_learnt_pattern_carries_its_id_and_what_it_rests_on():
    found = parsed(id="learnt:s/a > s/b", evidence={"seen": 41, "hit": 30.5})
    assert (found.id, found.evidence) == ("learnt:s/a > s/b", Support(41, 30.5))
    assert (parsed().id, parsed().evidence) == ("", None)


def test_an_earlier_call_outside_the_context_is_named_by_its_signature():
    found = parsed(arguments={"a": {"argument": {"tool": "list_*"}}, "b": {"result": {"server": "s", "tool": "t"},
                                                                          "path": "$.x"}})  # fmt: skip
    (_, a), (_, b) = found.arguments
    assert (a.back.server.text, a.back.tool.text, a.back.status) == ("*", "list_*", "ok")
    assert (b.back.server.text, b.back.tool.text) == ("s", "t")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"result": -1, "extract": "urls"}, ByPlace(-1, "urls")),
        ({"result": -1, "extract": "label: Order ID "}, ByPlace(-1, "label:order id")),
        ({"result": -1, "path": "$.text", "extract": "cell:2"}, ByPlace(-1, "cell:2", (("text",),))),
        ({"result": -1, "path": "$.a", "part": "name"}, Piece(ByPath(-1, (("a",),)), "name")),
        ({"argument": -1, "part": "folder"}, Piece(OfCall(-1, "url"), "folder")),
    ],
)
def test_places_in_text_and_pieces_of_values_are_sources(source, expected):
    assert parsed(arguments={"url": source}).arguments == (("url", expected),)


@pytest.mark.parametrize("value", ["text", 5, 0.5, True, None])
def test_a_bare_scalar_is_a_constant(value):
    assert parsed(arguments={"a": value}).arguments == (("a", Const(value)),)


def test_captures_reach_the_target_and_argument_names():
    found = parsed(
        context=["list_{thing}s"],
        target={"tool": "get_{thing}"},
        arguments={"{thing}_id": {"argument": -1}},
    )
    assert found.arguments == (("{thing}_id", OfCall(-1, "{thing}_id")),)


def test_a_pattern_is_turned_off_by_its_name_alone():
    (found,) = parse_pool(pool_data({"name": "x", "enabled": False}), users_own=True)
    assert not found.enabled and found.context == ()


def test_whichever_stands_for_the_sibling_of_one_argument():
    found = parsed(context=["*"], target={"tool": "same"}, arguments={"?": {"next": {"argument": -1}}})
    assert found.whichever == -1 and found.arguments == ()


def test_next_of_an_argument_means_its_siblings():
    found = parsed(arguments={"url": {"next": {"argument": -1, "name": "link"}}})
    assert found.arguments == (("url", Sibling(-1, "link")),)


def test_equal_paths_share_one_compiled_form():
    one, two = (parsed(name=name, arguments={"url": URL}).arguments[0][1] for name in "ab")
    assert one.paths[0] is two.paths[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "the file: a pattern file is a mapping, not null; write it with version, patterns"),
        ([], "the file: a pattern file is a mapping, not []; write it with version, patterns"),
        ({"patterns": []}, 'the file: a pattern file lacks "version"; add `version:`'),
        ({"version": 1}, 'the file: a pattern file lacks "patterns"; add `patterns:`'),
        ({"version": 2, "patterns": []}, "version: version 2 is not known; write `version: 1`"),
        ({"version": True, "patterns": []}, "version: version true is not known; write `version: 1`"),
        ({"version": 1, "patterns": {}}, "patterns: {} is not a list; begin each pattern with `- name:`"),
        ({"version": 1, "pattern": []}, 'the file: a pattern file has no "pattern"; did you mean "patterns"?'),
        ({"version": 1, "patterns": ["x"]}, 'patterns[0]: a pattern is a mapping, not "x"; write it with name, id, '
         "why, enabled, context, target, arguments, probability, evidence"),
        ({"version": 1, "patterns": [{}]}, 'patterns[0]: a pattern lacks "name"; add `name:`'),
        ({"version": 1, "patterns": [{"name": "x"}]}, 'patterns[0] (x): a pattern lacks "context"; add `context:`'),
        (pool_data(written(), written()),
         'patterns[1] (p).name: "p" is the name of an earlier pattern; give each its own name'),
        (pool_data(written(), written(name="")),
         'patterns[1].name: "" is no name; write 1 to 800 printable characters'),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_its_place(data, message):
    with pytest.raises(PatternError) as caught:
        parse_pool(data, users_own=False)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"contxt": []}, ': a pattern has no "contxt"; did you mean "context"?'),
        ({"why": 5}, ".why: 5 is not a text; put it in quotes"),
        ({"enabled": "no"}, '.enabled: "no" is neither true nor false; write true or false'),
        ({"context": [{"tool": "a"}] * 9},
         ".context: the context is a list of past calls, oldest first; write 1 to 8 of them"),
        ({"context": [{"server": "a"}]}, '.context[0]: a context element lacks "tool"; add `tool:`'),
        ({"context": [{"tool": "a", "stauts": "ok"}]},
         '.context[0]: a context element has no "stauts"; did you mean "status"?'),
        ({"context": [{"tool": "a", "status": "eror"}]},
         '.context[0].status: "eror" is no status; did you mean "error"?'),
        ({"context": [{"tool": "a", "server": "{x}"}]},
         ".context[0].server: a server's alias holds no captures; use * for any server"),
        ({"context": [{"tool": "list_{a"}]},
         '.context[0].tool: "list_{a": a brace that is not part of a {name}; '
         "captures are written {name}, in letters, digits and _"),
        ({"context": [{"tool": 5}]}, ".context[0].tool: 5 is not a text; put it in quotes"),
        ({"target": {"tool": "get_{thing}"}},
         ".target.tool: {thing} is captured nowhere; capture it in a context tool's name"),
        ({"target": {"tool": "same", "server": "x"}},
         ".target.server: the same tool is the same server's; remove `server:`, or name the tool"),
        ({"id": ""}, '.id: "" is no name; write 1 to 800 printable characters'),
        ({"evidence": 5}, ".evidence: evidence is a mapping, not 5; write it with seen, hit"),
        ({"evidence": {"seen": 5}}, '.evidence: evidence lacks "hit"; add `hit:`'),
        ({"evidence": {"seen": 5, "hit": -1}}, ".evidence.hit: -1 is no count; write a number from 0"),
        ({"evidence": {"seen": float("inf"), "hit": 1}}, ".evidence.seen: Infinity is no count; write a number from 0"),
        ({"evidence": {"seen": 5, "hit": 6}}, ".evidence.hit: 6 of 5; hits are among what was seen"),
        ({"probability": 0}, ".probability: 0 is no probability; write a number above 0, up to 1"),
        ({"probability": 1.01}, ".probability: 1.01 is no probability; write a number above 0, up to 1"),
        ({"probability": True}, ".probability: true is no probability; write a number above 0, up to 1"),
        ({"probability": float("nan")}, ".probability: NaN is no probability; write a number above 0, up to 1"),
        ({"arguments": []},
         ".arguments: arguments are a mapping of names to sources; write `name: {result: -1, path: ...}`"),
        ({"arguments": {1: 2}},
         ".arguments: arguments are a mapping of names to sources; write `name: {result: -1, path: ...}`"),
        ({"arguments": {"{x}": 2}},
         '.arguments."{x}": {x} is captured nowhere; capture it in a context tool\'s name'),
        ({"arguments": {"*": {"result": -1, "path": "$"}}},
         '.arguments."*": "*" copies the arguments of an earlier call; write {argument: -1}'),
        ({"arguments": {"?": {"next": {"argument": -1}}}},
         '.arguments."?": "?" repeats the last call with one argument moved on; set the target to {tool: same}'),
        ({"target": {"tool": "same"}, "arguments": {"?": {"next": {"argument": -1}}, "a": 1}},
         '.arguments."?": "?" copies all other arguments by itself; remove the other arguments'),
        ({"target": {"tool": "same"}, "arguments": {"?": 1}},
         '.arguments."?": "?" takes the next sibling only; write {next: {argument: -1}}'),
        ({"arguments": {"a": URL, "b": URL}},
         ".arguments.b.pick: the ranks are already picked at patterns[0] (p).arguments.a.pick; "
         "ranks of all lists are drawn together: keep one pick"),
    ],
)  # fmt: skip
def test_a_wrong_pattern_is_refused_with_its_place(parts, message):
    assert refusal(**parts) == f"patterns[0] (p){message}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([1], "url: [1] is no source; write a mapping, or {const: ...} for a list"),
        ({}, "url: null is no kind of source; use one of result, argument, const, join, next, successor, template"),
        ({"reslt": -1}, 'url: "reslt" is no kind of source; did you mean "result"?'),
        ({"result": -1},
         "url: a result source names one of path, lines and extract; add one, or remove the others"),
        ({"result": -1, "lines": "{a}", "extract": "urls"},
         "url: a result source names one of path, lines and extract; add one, or remove the others"),
        ({"result": -2, "path": "$.a"}, "url.result: -2 is outside the context; count back from its end: only -1"),
        ({"result": 0, "path": "$.a"}, "url.result: 0 is outside the context; count back from its end: only -1"),
        ({"result": True, "path": "$.a"}, "url.result: true is not an index; -1 is the last context element"),
        ({"result": -1, "path": "$..url"},
         'url.path: "$..url" uses "..", which may visit everything; name the steps instead'),
        ({"result": -1, "path": ["$.a", "$..url"]},
         'url.path[1]: "$..url" uses "..", which may visit everything; name the steps instead'),
        ({"result": -1, "path": []}, "url.path: 0 alternatives; write 1 to 8"),
        ({"result": -1, "path": 5}, "url.path: 5 is not a text; put it in quotes"),
        ({"result": -1, "path": "$.a", "take": "a"}, "url.take: take belongs to lines; remove it"),
        ({"result": -1, "lines": "{a}{b}"}, 'url.lines: "{a}{b}" has two fields side by side; '
         "put the text between them that tells them apart"),
        ({"result": -1, "lines": "{a}:{b}"},
         "url.lines: it is not clear which field to take; add `take:` with a field's name"),
        ({"result": -1, "lines": "{path}:{b}", "take": "pth"},
         'url.take: "pth" is no field of the template; did you mean "path"?'),
        ({"result": -1, "extract": "url"}, 'url.extract: "url" cannot be extracted; did you mean "urls"?'),
        ({"result": -1, "extract": "label:"}, 'url.extract: "label:" cannot be extracted; did you mean "label:..."?'),
        ({"result": -1, "extract": "cell:one"}, 'url.extract: "cell:one" cannot be extracted; '
         'did you mean "cell:..."?'),
        ({"result": -1, "extract": 5}, "url.extract: 5 cannot be extracted; use one of urls, paths, ids, line, item, "
         "quoted, label:..., rest:..., tag:..., cell:..."),
        ({"result": -1, "path": "$.a", "part": "nam"}, 'url.part: "nam" is no part; did you mean "name"?'),
        ({"argument": -1, "part": ["name"]}, 'url.part: ["name"] is no part; use one of folder, name, day'),
        ({"result": {"server": "a"}, "path": "$.a"}, 'url.result: an earlier call lacks "tool"; add `tool:`'),
        ({"argument": {"tool": "get_{x}"}},
         "url.argument.tool: an earlier call's tool holds no captures; use * for any run of signs"),
        ({"argument": {"tool": "a", "status": "eror"}},
         'url.argument.status: "eror" is no status; did you mean "error"?'),
        ({"argument": -1, "name": 5}, "url.name: 5 is not an argument's name; put the name in quotes"),
        ({"argument": -1, "pick": {1: 1}},
         'url: an argument source has no "pick"; use one of argument, name, default, part'),
        ({"const": {1, 2}}, "url.const: the constant is not a JSON value; put dates and the like in quotes"),
        ({"const": "x" * 5000}, "url.const: the constant is longer than 4096 bytes; shorten it"),
        ({"join": ["a"]}, "url.join: join takes a list of sources; write 2 to 8 of them"),
        ({"join": ["a", "b"], "with": 5}, "url.with: 5 is no separator; write at most 16 signs"),
        ({"join": ["a", {"result": -9, "path": "$"}]},
         "url.join[1].result: -9 is outside the context; count back from its end: only -1"),
        ({"join": ["a", {"next": {"argument": -1}}]},
         "url.join[1]: next stands inside another source; put it outermost: it yields whole arguments"),
        ({"next": {"const": 1}},
         "url.next: next needs a list to walk; give it a result source, or {argument: -1} for siblings"),
        ({"next": {"argument": -1, "part": "name"}},
         "url.next: next needs a list to walk; give it a result source, or {argument: -1} for siblings"),
        ({"successor": {"argument": -1}, "by": "x"},
         'url.by: "x" is not a number; write how much to count on, such as 1'),
        ({"template": "x/{id}"}, 'url: a template lacks "values"; add `values:`'),
        ({"template": "x/{id}", "values": {}}, 'url.values: the template lacks "id"; add `id:`'),
        ({"template": "x/{id:int}", "values": {"id": 1}},
         'url.template: field "id" has a type; types are for lines; remove it'),
        ({"template": "x", "values": {}},
         'url.template: "x" needs 1 to 8 fields of different names; write a field as {name}'),
        ({"result": -1, "path": "$.a", "pick": {}}, "url.pick: {} is no pick; "
         "write {1: 0.4, 2: 0.2}: rank and its probability"),
        ({"result": -1, "path": "$.a", "pick": {0: 0.5}}, "url.pick: 0 is no rank; ranks count from 1 to 64"),
        ({"result": -1, "path": "$.a", "pick": {65: 0.5}}, "url.pick: 65 is no rank; ranks count from 1 to 64"),
        ({"result": -1, "path": "$.a", "pick": {1: 2}},
         "url.pick[1]: 2 is no probability; write a number above 0, up to 1"),
        ({"result": -1, "path": "$.a", "pick": {1: 0.6, 2: 0.5}},
         "url.pick: the probabilities of the ranks sum to 1.1; they may not exceed 1 together"),
    ],
)  # fmt: skip
def test_a_wrong_source_is_refused_with_its_place(source, message):
    assert refused_source(source) == message


def test_a_message_is_one_line_whatever_the_user_wrote():
    message = refusal(name="p\nq" * 100, contxt=1)
    assert "\n" not in message and len(message) < 300


def test_ranks_may_sum_to_one_but_for_rounding():
    shares = dict.fromkeys(range(1, 11), 0.1)
    assert len(parsed(arguments={"url": {"result": -1, "path": "$", "pick": shares}}).pick) == 10


def nested(depth):
    source = {"argument": -1}
    for _ in range(depth):
        source = {"join": [source, "x"]}
    return source


@pytest.mark.parametrize(
    ("at_limit", "beyond"),
    [
        ({"context": ["a"] * language.MAX_CONTEXT}, {"context": ["a"] * (language.MAX_CONTEXT + 1)}),
        ({"name": "n" * language.MAX_PATTERN_NAME}, {"name": "n" * (language.MAX_PATTERN_NAME + 1)}),
        ({"arguments": {str(n): n for n in range(language.MAX_ARGUMENTS)}},
         {"arguments": {str(n): n for n in range(language.MAX_ARGUMENTS + 1)}}),
        ({"arguments": {"a": {"result": -1, "path": ["$"] * reader.MAX_ALTERNATIVES}}},
         {"arguments": {"a": {"result": -1, "path": ["$"] * (reader.MAX_ALTERNATIVES + 1)}}}),
        ({"arguments": {"a": nested(reader.MAX_NESTING - 1)}}, {"arguments": {"a": nested(reader.MAX_NESTING)}}),
        ({"arguments": {"a": {"join": ["x"] * reader.MAX_PARTS}}},
         {"arguments": {"a": {"join": ["x"] * (reader.MAX_PARTS + 1)}}}),
        ({"arguments": {"a": {"join": ["x", "y"], "with": "-" * reader.MAX_SEPARATOR}}},
         {"arguments": {"a": {"join": ["x", "y"], "with": "-" * (reader.MAX_SEPARATOR + 1)}}}),
        ({"arguments": {"a": {"result": -1, "path": "$", "pick": {reader.MAX_RANK: 1}}}},
         {"arguments": {"a": {"result": -1, "path": "$", "pick": {reader.MAX_RANK + 1: 1}}}}),
        ({"arguments": {"a": "x" * (reader.MAX_CONST - 2)}}, {"arguments": {"a": "x" * (reader.MAX_CONST - 1)}}),
    ],
)  # fmt: skip
def test_each_bound_holds_at_its_limit_and_not_one_beyond(at_limit, beyond):
    parsed(**at_limit)
    assert refusal(**beyond)


def test_a_pool_may_hold_so_many_patterns_and_no_more(monkeypatch):
    monkeypatch.setattr(language, "MAX_PATTERNS", 2)
    assert len(parse_pool(pool_data(written(name="a"), written(name="b")), users_own=False)) == 2
    with pytest.raises(PatternError):
        parse_pool(pool_data(written(name="a"), written(name="b"), written(name="c")), users_own=False)


def test_reading_does_not_change_the_data():
    data = pool_data(written(arguments={"url": URL, "*": {"argument": -1}}))
    before = copy.deepcopy(data)
    parse_pool(data, users_own=False)
    assert data == before


WORDS = st.sampled_from(
    "version patterns name why enabled context target arguments probability server tool status result path lines "
    "extract take pick argument const join with next successor by template values same * ? $.a $..a {a} urls ok "
    "part name folder label:x cell:0 id evidence seen hit".split()
)
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | WORDS | st.text(max_size=5) | st.dates()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | SCALARS, inner, max_size=4)
)


@given(ANYTHING)
def test_any_data_gives_patterns_or_a_pattern_error(data):
    for attempt in (data, pool_data(data), pool_data(written(arguments=data)), pool_data(written(context=[data]))):
        try:
            assert all(isinstance(found, Pattern) for found in parse_pool(attempt, users_own=False))
        except PatternError as error:
            assert "\n" not in str(error)


@given(
    st.dictionaries(
        st.sampled_from("result path lines extract take part pick argument name join next".split()), ANYTHING
    )
)
def test_any_source_gives_a_pattern_or_a_pattern_error(source):
    try:
        parsed(arguments={"url": source})
    except PatternError as error:
        assert str(error).startswith("patterns[0] (p).arguments.url")
