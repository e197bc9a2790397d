"""Pattern files: every problem is one line with file and line, and the shipped pool does what its comments say."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paste_mcp.core.model import Event, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex, payload_of, status_of
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.data import data_path
from paste_mcp.store import pattern_files
from paste_mcp.store.pattern_files import PatternFileError, default_patterns, load_patterns

HEAD = "version: 1\npatterns:\n"
GOOD = HEAD + "- name: a\n  context: [{tool: search}]\n  target: {tool: visit}\n  probability: .5\n"


def write(folder, text):
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(folder, text):
    path = write(folder, text)
    with pytest.raises(PatternFileError) as caught:
        load_patterns(path, users_own=True)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


def test_a_good_file_gives_the_users_own_patterns(tmp_path):
    (found,) = load_patterns(write(tmp_path, GOOD), users_own=True)
    assert (found.name, found.users_own, found.probability) == ("a", True, 0.5)


def test_a_byte_order_mark_is_no_trouble(tmp_path):
    assert load_patterns(write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()), users_own=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "- name: a\n  contxt: []\n", ':3: patterns[0] (a): a pattern has no "contxt"; did you mean "context"?'),
        (GOOD + "  arguments:\n    url:\n      result: -1\n      path: $..url\n",
         ':10: patterns[0] (a).arguments.url.path: "$..url" uses "..", which may visit everything; '
         "name the steps instead"),
        (GOOD + "  arguments:\n    url:\n      result: -1\n      path:\n      - $.a\n      - a\n",
         ':12: patterns[0] (a).arguments.url.path[1]: "a" does not begin with $; begin with $, the whole result'),
        (GOOD + "  arguments: {a: {const: 2024-01-01}}\n",
         ":7: patterns[0] (a).arguments.a.const: the constant is not a JSON value; put dates and the like in quotes"),
        ("", ": a pattern file is a mapping, not null; write it with version, patterns"),
        ("- a\n", ':1: a pattern file is a mapping, not ["a"]; write it with version, patterns'),
        ("version: 1\npatterns: [\n", ":3: expected the node content, but found '<stream end>'; "
         "check indentation, colons and quotes"),
        ("version: 1\nversion: 1\n", ':2: found duplicate key "version"; keep one of the two'),
        (HEAD + "- &x {name: a}\n- *x\n", ":3: uses an anchor (&x); write the value out"),
        ("a: " + "[" * 60 + "]" * 60, ":1: is nested too deeply; flatten it"),
        ("a: " + "[" * 9000 + "]" * 9000, ": is nested too deeply; flatten it"),
        ("a: !!python/object:os.system x\n", ":1: could not determine a constructor for the tag "
         "'tag:yaml.org,2002:python/object:os.system'; check indentation, colons and quotes"),
        ("---\na\n---\nb\n", ":3: but found another document; check indentation, colons and quotes"),
        (b"version: 1\nwhy: \xff\n", ":2: is not UTF-8 text; save it as UTF-8"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line_with_file_and_line(tmp_path, text, message):
    assert refusal(tmp_path, text) == message


def test_a_missing_file_is_one_line_too(tmp_path):
    with pytest.raises(PatternFileError) as caught:
        load_patterns(tmp_path / "none.yaml", users_own=True)
    assert str(caught.value) == (
        f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory; check the path and its rights"
    )


def test_a_folder_is_one_line_too(tmp_path):
    with pytest.raises(PatternFileError):
        load_patterns(tmp_path, users_own=True)


def test_a_file_is_read_up_to_its_limit_and_not_beyond(tmp_path):
    full = GOOD + "#" * (pattern_files.MAX_FILE - len(GOOD))
    assert load_patterns(write(tmp_path, full), users_own=True)
    assert refusal(tmp_path, full + "#") == ": is larger than 256 KiB; split it into several files"


def test_nesting_is_read_up_to_its_limit_and_not_beyond(tmp_path):
    depth = pattern_files.MAX_DEPTH
    for levels, deep in ((depth - 1, False), (depth, True)):
        assert ("nested too deeply" in refusal(tmp_path, "a: " + "[" * levels + "b" + "]" * levels)) == deep


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.text(max_size=60) | st.text(alphabet="-:[]{}&*!'\"#\n \tab1", max_size=40) | st.binary(max_size=40))
def test_any_file_gives_patterns_or_one_line(tmp_path, text):
    path = write(tmp_path, text.encode("utf-8", "replace") if isinstance(text, str) else text)
    try:
        load_patterns(path, users_own=True)
    except PatternFileError as error:
        assert "\n" not in str(error)


# --- the shipped pool, against results as the real servers give them


def text(*blocks):
    return {"content": [{"type": "text", "text": block} for block in blocks]}


def structured(document):
    return {"content": [], "structuredContent": document}


def closed(names, required):
    return {"properties": {name: {} for name in names}, "additionalProperties": False, "required": required}


def foreseen(*calls, tools):
    """What the shipped pool foresees after these calls: (tool, arguments, raw result), all of one server."""
    history, index = [], ValueIndex()
    for number, (tool, arguments, raw) in enumerate(calls):
        call = ToolCall("srv", tool, arguments)
        history.append(Event(number, number, call, status_of(raw), payload_of(raw), ended=float(number)))
        index.add(history[-1])
    known = {("srv", name): Tool("srv", name, input_schema=closed(*declared)) for name, declared in tools.items()}
    return [
        (found.pattern, found.call.tool, dict(found.call.arguments))
        for found in Predictor(Pool(default_patterns())).predict(history, known, index)
    ]


HITS = {"results": [{"url": "doc://a"}, {"url": "doc://b"}, {"url": "doc://c"}, {"url": "doc://d"}]}
GREP = {"pattern": "x", "matches": [{"path": "a.py", "line": 3, "text": "x"}, {"path": "a.py", "line": 9, "text": "x"},
                                    {"path": "b.py", "line": 1, "text": "x"}], "truncated": False}  # fmt: skip
FETCHED = "Contents of http://h/a:\nsee [next](http://h/b)"
CUT = (
    "<error>Content truncated. Call the fetch tool with a start_index of 5000 to get more content.</error>"
)  # fmt: skip


@pytest.mark.parametrize(
    ("calls", "tools", "expected"),
    [
        ([("search", {"query": "q"}, structured(HITS))], {"visit": (["url"], ["url"])},
         ("search-then-visit", "visit", {"url": "doc://a"})),
        ([("search", {"query": "q"}, structured(HITS)), ("visit", {"url": "doc://b"}, text("page"))],
         {"visit": (["url"], ["url"])}, ("visit-then-next-result", "visit", {"url": "doc://c"})),
        ([("grep", {"pattern": "x"}, structured(GREP))], {"read": (["path", "start", "end"], ["path"])},
         ("locate-then-examine", "read", {"path": "b.py"})),
        ([("grep", {"pattern": "x"}, structured(GREP))], {"read": (["path", "start", "end"], ["path"])},
         ("locate-then-examine-from-line", "read", {"path": "a.py", "start": 3})),
        ([("edit", {"path": "a.py", "old": "x", "new": "y"}, structured({"path": "a.py", "replaced_at_line": 1}))],
         {"run_tests": (["path"], [])}, ("edit-then-verify", "run_tests", {})),
        ([("list_orders", {"page": 1}, text('[{"id": 7}]'))], {"get_order": (["order_id"], ["order_id"])},
         ("list-then-get-by-id", "get_order", {"order_id": 7})),
        ([("list_orders", {"page": 1, "size": 5}, text("x"))], {"list_orders": (["page", "size"], [])},
         ("next-page", "list_orders", {"page": 2, "size": 5})),
        ([("list_orders", {"offset": 10, "limit": 5}, text("x"))], {"list_orders": (["offset", "limit"], [])},
         ("next-offset", "list_orders", {"offset": 15, "limit": 5})),
        ([("list_orders", {"q": 1}, text('{"nextCursor": "c2"}'))], {"list_orders": (["cursor", "q"], [])},
         ("next-cursor", "list_orders", {"cursor": "c2", "q": 1})),
        ([("any", {}, structured({"ids": ["a1", "b2"]})), ("look", {"it": "a1"}, text("x"))],
         {"look": (["it"], ["it"])}, ("next-sibling", "look", {"it": "b2"})),
        ([("search_files", {"path": "/r", "pattern": "x"},
           text("/r/a b.txt\n/r/c.txt") | {"structuredContent": {"content": "/r/a b.txt\n/r/c.txt"}})],
         {"read_text_file": (["path"], ["path"])}, ("filesystem-found-file", "read_text_file", {"path": "/r/a b.txt"})),
        ([("list_directory", {"path": "/r/"}, text("[FILE] a b\n[DIR] sub"))],
         {"read_text_file": (["path"], ["path"])}, ("filesystem-listed-file", "read_text_file", {"path": "/r/a b"})),
        ([("list_directory", {"path": "/r"}, text("[FILE] a b.txt\n[DIR] sub"))],
         {"list_directory": (["path"], ["path"])}, ("filesystem-listed-folder", "list_directory", {"path": "/r/sub"})),
        ([("list_allowed_directories", {}, text("Allowed directories:\n/r"))],
         {"list_directory": (["path"], ["path"])}, ("filesystem-allowed-folder", "list_directory", {"path": "/r"})),
        ([("git_log", {"repo_path": "/r", "max_count": 2},
           text("Commit history:\nCommit: 049b65625d7094\nAuthor: a\nDate: d\nMessage: two\n"))],
         {"git_show": (["repo_path", "revision"], ["repo_path", "revision"])},
         ("git-log-then-show", "git_show", {"revision": "049b65625d7094", "repo_path": "/r"})),
        ([("git_status", {"repo_path": "/r"}, text("On branch main"))], {"git_diff_unstaged": (["repo_path"], [])},
         ("git-status-then-unstaged", "git_diff_unstaged", {"repo_path": "/r"})),
        ([("fetch", {"url": "http://h/a"}, text(FETCHED))], {"fetch": (["url", "start_index"], ["url"])},
         ("fetch-then-link", "fetch", {"url": "http://h/b"})),
        ([("fetch", {"url": "http://h/a"}, text("page\n\n" + CUT))], {"fetch": (["url", "start_index"], ["url"])},
         ("fetch-continued", "fetch", {"url": "http://h/a", "start_index": 5000})),
        ([("list_issues", {"owner": "o", "repo": "r", "state": "open"}, text('[{"number": 4}, {"number": 5}]'))],
         {"get_issue": (["owner", "repo", "issue_number"], ["owner", "repo", "issue_number"])},
         ("github-issue", "get_issue", {"issue_number": 4, "owner": "o", "repo": "r"})),
        ([("search_code", {"q": "x"}, text('{"items": [{"path": "p", "repository": {"name": "r", '
                                           '"owner": {"login": "o"}}}]}'))],
         {"get_file_contents": (["owner", "repo", "path"], ["owner", "repo", "path"])},
         ("github-found-file", "get_file_contents", {"path": "p", "owner": "o", "repo": "r"})),
        ([("browser_navigate", {"url": "http://h"}, text("ok"))], {"browser_snapshot": ([], [])},
         ("browser-navigate-then-snapshot", "browser_snapshot", {})),
        ([("list_tables", {}, text("[{'name': 'customers'}, {'name': 'orders'}]"))],
         {"describe_table": (["table_name"], ["table_name"])},
         ("sqlite-first-table", "describe_table", {"table_name": "customers"})),
        ([("list_tables", {}, structured({"result": '{"tables": [{"name": "t"}]}'}))],
         {"list_columns": (["table"], ["table"])}, ("duckdb-table-columns", "list_columns", {"table": "t"})),
    ],
)  # fmt: skip
def test_the_shipped_pool_foresees_the_chain(calls, tools, expected):
    assert expected in foreseen(*calls, tools=tools)


def test_no_match_is_no_path():
    nothing = [("search_files", {"path": "/r", "pattern": "x"}, text("No matches found"))]
    assert foreseen(*nothing, tools={"read_text_file": (["path"], ["path"])}) == []


def test_every_shipped_pattern_is_in_force_and_not_the_users_own():
    patterns = default_patterns()
    assert patterns and len(Pool(patterns)) == len(patterns)
    assert not any(pattern.users_own for pattern in patterns)


def test_shipped_priors_promise_no_more_than_half_for_one_call():
    for pattern in default_patterns():
        assert pattern.probability * max(share for _, share in pattern.pick) <= 0.5, pattern.name


def test_the_shipped_file_is_found_beside_the_package():
    assert data_path("patterns.yaml").is_file()
