"""Servers that do not start, and servers that die: named, contained, started again, and nothing old is served."""

import os
import signal
import sys

import anyio
import pytest
from integration_harness import (
    Tee,
    free_port,
    odd_server,
    only_record,
    outcome,
    stderr_of,
    through_stdio,
    tools_of,
    until,
    within,
    write_config,
)

pytestmark = pytest.mark.anyio


@within(60)
async def test_servers_that_do_not_start_are_named_and_the_others_work(tmp_path):
    state = tmp_path / "state"
    servers = {
        "away": {"url": f"http://127.0.0.1:{free_port()}/mcp"},
        "missing": {"command": str(tmp_path / "no-such-program")},
        "odd": odd_server(),
        "crashing": {"command": sys.executable, "args": ["-c", "raise SystemExit(3)"]},
    }
    async with through_stdio(write_config(tmp_path, servers), state) as client:
        assert {tool["name"].partition("__")[0] for tool in await tools_of(client)} == {"odd"}
        assert "structuredContent" in await outcome(client, "odd__search", {"query": "x"})
        for alias in ("away", "missing", "crashing"):
            error = (await outcome(client, f"{alias}__tool", {}))["error"]
            assert f"server '{alias}' is not available" in error["message"]
            assert f"server {alias}:" in stderr_of(state).read_text()
        assert "structuredContent" in await outcome(client, "odd__search", {"query": "y"})
    assert "Traceback" not in stderr_of(state).read_text()


@within(60)
async def test_a_server_that_died_is_started_again_on_use_and_nothing_of_its_old_life_is_served(tmp_path):
    tee, state = Tee(tmp_path / "tee"), tmp_path / "state"
    entry = tee.around(odd_server()) | {"speculation": "annotated"}
    async with through_stdio(write_config(tmp_path, {"odd": entry}), state) as client:
        found = await client.call_tool("odd__search", {"query": "x"})
        url = found.structured_content["results"][0]["url"]
        await tee.has_answered("visit", url=url)
        (old,) = tee.pids
        os.kill(old, signal.SIGKILL)
        await until(lambda: "server odd: its connection ended" in stderr_of(state).read_text())
        visited = (await client.call_tool("odd__visit", {"url": url})).structured_content
        assert visited["text"] == f"the text of {url}"
        assert visited["pid"] == tee.pids[-1] != old
    calls, summary = only_record(state)
    assert [call["answered"] for call in calls] == ["miss", "miss"]
    assert summary["stale"] > 0


@within(60)
async def test_a_call_whose_server_dies_fails_once_and_is_not_repeated(tmp_path):
    tee = Tee(tmp_path / "tee")
    config = write_config(tmp_path, {"odd": tee.around(odd_server())})
    async with through_stdio(config, tmp_path / "state") as client:

        async def die():
            await tee.was_sent("odd", hang=True)
            os.kill(tee.pids[0], signal.SIGKILL)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(die)
            failed = await outcome(client, "odd__odd", {"hang": True})
        assert failed["error"]["code"] < 0
        # It is there again for the next question.
        assert (await outcome(client, "odd__nope", {}))["error"]["message"] == "odd server has no nope"
    assert [tool for tool, _ in tee.calls] == ["odd", "nope"]
