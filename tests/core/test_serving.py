"""Successes that tell of a failure or of nothing found: not served from a guess, whatever wraps them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paste_mcp.core.patterns.extract import payload_of
from paste_mcp.core.speculation.serving import unfit


def text(said):
    return {"content": [{"type": "text", "text": said}]}


FAILURES = [
    {"error": "no route to host"},
    {"error": {"code": 7, "message": "x"}, "data": [1]},
    {"errors": ["bad query"], "data": None},
    {"success": False, "items": [1, 2]},
    {"ok": False},
    {"status": "error", "detail": "x"},
    {"status": "no_results", "results": []},
    {"status": "timed out"},
    {"statusCode": 503, "body": "x"},
    {"status": 404},
    {"code": "rate_limited"},
    {"result": "Database error: no such table: x"},
    {"message": "Request failed with status code 502"},
    [{"error": "upstream is away"}],
    "Error: connection refused",
    "ERROR - could not open file",
    "Error",
    "Database error: no such table: customers",
    "SQL Error (1064): near FROM",
    "An error: x",
    "❌ Error: tool is not available",
    "**Error**: nothing there",
    "Traceback (most recent call last):\n  File ...",
    "fatal: not a git repository",
    "Failed to fetch https://example.com",
    "Unable to reach the server",
    "Could not connect",
    "Cannot read property",
    "Access denied",
    "permission denied: /etc/shadow",
    "Unauthorized",
    "404 Not Found",
    "HTTP 503: Service Unavailable",
    "HTTP error 429 Too many requests",
    "Rate limit exceeded, retry in 3 s",
    "Request timed out after 30 s",
    "timeout of 5000ms exceeded",
    "Internal Server Error",
    "Invalid API key",
    "Query failed",
]
NOTHING = [
    {"results": [], "total": 0},
    {"query": "x", "results": [], "page": 1},
    {"items": [], "next": None},
    {"count": 0, "query": "x"},
    {"totalCount": 0, "nodes": [], "took": 4},
    {"message": "No results found"},
    "No results found for 'x'.",
    "No matches found",
    "no matching files",
    "0 results",
    "Found 0 matches",
    "Nothing found.",
    "The page does not exist.",
    "Sorry, try again later",
    "Search returned no relevant documents",
]
FINE = [
    {"error": None, "items": [1]},
    {"error": "", "value": 3},
    {"error": False, "errors": [], "x": 1},
    {"errors": 0, "warnings": 2},
    {"success": True, "data": {"id": 1}},
    {"status": "open", "title": "Error in login", "labels": []},
    {"status": 200, "body": "x"},
    {"state": "closed"},
    {"results": [{"title": "No results found: how to fix"}], "total": 1},
    {"results": [1], "errors": []},
    {"total": 12, "results": [1]},
    {"title": "404 Not Found", "url": "https://example.com", "text": "what it means"},
    {"size": 10, "name": "x"},
    {"message": "Added a test", "author": "x"},
    [{"error": "x"}, {"ok": True}],
    [1, 2],
    [{"name": "error"}],
    3,
    "def fail(): raise ValueError",
    "commit 1234\nAuthor: x\n\n    Fix: no results found",
    "# Error handling\n\nErrors are values.",
    "errors.py\nfailures.py",
    "src/error.py:3:    raise Error('x')",
    "The quick brown fox",
    "x = 404",
    "404",
    "Not all who wander are lost",
    "Notes on data",
    "A page that tells at length why no results were found. " * 10,
]


def results(said):
    """The ways in which a server may say it."""
    yield payload_of(text(said if isinstance(said, str) else json.dumps(said)))
    if not isinstance(said, str):
        yield payload_of({"content": [], "structuredContent": said})
    yield payload_of({"content": [], "structuredContent": {"result": said}})
    if not isinstance(said, str):
        yield payload_of({"content": [], "structuredContent": {"result": json.dumps(said)}})


@pytest.mark.parametrize("said", FAILURES, ids=str)
def test_a_failure_that_calls_itself_a_success_is_not_served(said):
    assert [unfit(payload) for payload in results(said)].count(None) == 0


@pytest.mark.parametrize("said", NOTHING, ids=str)
def test_an_answer_that_found_nothing_is_not_served(said):
    assert [unfit(payload) for payload in results(said)].count(None) == 0


@pytest.mark.parametrize("said", FINE, ids=str)
def test_an_honest_answer_is_served(said):
    assert [unfit(payload) for payload in results(said)] == [None] * len(list(results(said)))


NAMES = st.sampled_from(["error", "status", "results", "total", "ok", "result", "x"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=30)


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=6))
def test_anything_is_judged_without_an_error(said):
    for payload in results(said):
        assert unfit(payload) in (None, "failure", "nothing")
