"""What a server is sent, seen from its own pipes: the client's calls, and nothing else that the user did not allow."""

import json
from collections import Counter

import pytest
from integration_harness import (
    Tee,
    odd_server,
    only_record,
    through_stdio,
    tools_of,
    until,
    within,
    workspace,
    write_config,
)

pytestmark = pytest.mark.anyio


def written(state):
    """Calls in the records so far."""
    return sum(path.read_bytes().count(b'"answered"') for path in (state / "sessions").glob("*.jsonl"))


async def work(client, state):
    """What an agent does in a workspace, thinking until the proxy, whose records are in `state`, has thought of what
    comes next; the calls, as the server is to see them.
    """
    made = []

    async def think():
        # A call is written down right before the next is foreseen: by another answer that has been done.
        await until(lambda: written(state) == len(made))
        await client.list_tools()

    async def call(tool, **arguments):
        made.append((tool, arguments))
        return (await client.call_tool(f"w__{tool}", arguments)).structured_content

    found = await call("grep", pattern="def ")
    paths = list(dict.fromkeys(match["path"] for match in found["matches"]))
    await think()
    await call("read", path=paths[0])
    await think()
    await call("edit", path="shop/report.py", old="reversed(codes)", new="codes")
    await think()
    await call("list_files")
    await think()
    await call("read", path=paths[1])
    return made


@within(60)
async def test_without_the_users_word_the_server_is_sent_the_clients_calls_and_no_other(tmp_path):
    tee = Tee(tmp_path / "tee")
    entry = tee.around(workspace(tmp_path / "project"))
    async with through_stdio(write_config(tmp_path, {"w": entry}), tmp_path / "state") as client:
        made = await work(client, tmp_path / "state")
    assert tee.calls == made
    _, summary = only_record(tmp_path / "state")
    assert summary["demand"] == summary["misses"] == len(made)
    assert summary["issued"] == 0
    assert summary["shadow_issued"] >= summary["shadow_hits"] > 0, "it did foresee, and kept it to itself"


@within(60)
async def test_with_the_users_word_every_further_call_is_of_a_tool_that_reads(tmp_path):
    tee = Tee(tmp_path / "tee")
    entry = tee.around(workspace(tmp_path / "project", "--latency", "0.4"))
    config = write_config(tmp_path, {"w": entry}, speculation="annotated")
    async with through_stdio(config, tmp_path / "state") as client:
        hints = {tool["name"].removeprefix("w__"): tool["annotations"] for tool in await tools_of(client)}
        made = await work(client, tmp_path / "state")
    sent, asked = Counter(map(repr, tee.calls)), Counter(map(repr, made))
    _, summary = only_record(tmp_path / "state")
    audit = "".join(path.read_text() for path in (tmp_path / "state" / "audit").glob("*.jsonl"))
    early = [line["tool"] for line in map(json.loads, audit.splitlines()) if line["kind"] == "speculation"]
    assert len(early) == summary["issued"] > 0
    assert all(hints[tool]["readOnlyHint"] is True for tool in early)
    assert summary["refused"]["suspect"] >= 1, "running the tests was foreseen, and refused"
    # Each of the client's calls reached the server: by itself, or as the guess that answered it.
    assert not asked - sent
    useful = summary["hits"] + summary["late_hits"]
    assert sent.total() == summary["demand"] + summary["issued"] - useful
    assert useful > 0


ANOTHER_SEARCH = """
version: 1
patterns:
  - name: search-then-search
    context: [{tool: search}]
    target: {tool: search}
    arguments: {query: {const: ahead}}
    probability: 0.9
"""


@within(60)
async def test_a_denied_tool_is_never_sent_ahead(tmp_path):
    tee = Tee(tmp_path / "tee")
    entry = tee.around(odd_server()) | {"speculation": {"mode": "annotated", "deny": ["vis*"]}}
    (tmp_path / "more.yaml").write_text(ANOTHER_SEARCH)
    config = write_config(tmp_path, {"odd": entry}, patterns=["more.yaml"])
    async with through_stdio(config, tmp_path / "state") as client:
        await client.call_tool("odd__search", {"query": "x"})
        # Once one of two guesses is sent, the other has been decided on as well.
        await until(lambda: len(tee.calls) == 2)
        await client.call_tool("odd__search", {"query": "y"})
    searches = [{"query": query} for query in ("x", "ahead", "y")]
    assert [(tool, dict(arguments)) for tool, arguments in tee.calls][:3] == [("search", each) for each in searches]
    assert "visit" not in [tool for tool, _ in tee.calls]
    _, summary = only_record(tmp_path / "state")
    assert summary["refused"]["denied"] > 0
