"""A proxy that learns while it serves, as a process of its own: what is on disk when it ends, however it ends."""

import json
import os
import sys
from subprocess import DEVNULL

import anyio
import pytest
from integration_harness import SERVE, odd_server, through_stdio, within, write_config

from paste_mcp.store.learnt import LearntStore

pytestmark = pytest.mark.anyio


async def search_and_visit(client, query):
    (found,) = (await client.call_tool("odd__search", {"query": query})).structured_content.values()
    for result in found[:2]:
        await client.call_tool("odd__visit", {"url": result["url"]})


def store_of(state):
    return LearntStore(state / "learnt" / "counts.sqlite")


@within(60)
async def test_what_was_learnt_is_kept_and_the_record_teaches_nothing_more(tmp_path):
    config, state = write_config(tmp_path, {"odd": odd_server()}, speculation="annotated"), tmp_path / "state"
    for query in ("tea", "milk"):
        async with through_stdio(config, state) as client:
            await search_and_visit(client, query)
    store = store_of(state)
    assert len(store.learnt_from()) == 2
    follow = [item for group, item, _ in store.load(20_600, literals=True) if group[0] == "follow" and len(group) == 3]
    assert {str(item).split("\t")[1] for item in follow if item} == {"visit"}
    assert b"odd://" not in store.path.read_bytes()
    environ = os.environ | {"HOME": str(tmp_path), "PASTE_MCP_STATE_DIR": str(state)}
    command = [sys.executable, "-m", "paste_mcp", "mine", str(state / "sessions"), "--json"]
    run = await anyio.run_process(command, env=environ)
    told = json.loads(run.stdout.splitlines()[-1])
    assert (told["sessions"], told["calls"], told["new_calls"]) == (2, 6, 0)


@pytest.mark.skipif(os.name != "posix", reason="there is no SIGKILL")
@within(60)
async def test_a_killed_proxy_leaves_what_was_kept_before(tmp_path):
    config, state = write_config(tmp_path, {"odd": odd_server()}, speculation="annotated"), tmp_path / "state"
    async with through_stdio(config, state) as client:
        await search_and_visit(client, "tea")
    before = list(store_of(state).load(20_600, literals=True))
    assert before
    initialize = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    line = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize}
    environ = os.environ | {"PASTE_MCP_STATE_DIR": str(state)}
    async with await anyio.open_process([*SERVE, "--config", str(config)], stderr=DEVNULL, env=environ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.send(json.dumps(line).encode() + b"\n")
        assert await process.stdout.receive()
        process.kill()
    assert list(store_of(state).load(20_600, literals=True)) == before
