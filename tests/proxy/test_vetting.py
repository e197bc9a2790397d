"""What is known of tools outlives sessions and runs: that they changed, or showed that they must not run early."""

import anyio
import pytest
from mcp_types import ElicitResult
from proxy_harness import READ, World, proxied, reached, told

from paste_mcp.app import vetting
from paste_mcp.config.load import parse_config
from paste_mcp.proxy.inspect import inspect
from paste_mcp.store.reviewed import Reviewed

pytestmark = pytest.mark.anyio
OF_LINE = {"query": "x"}


async def looked(running, world):
    """A search, and time for what follows from it to have been guessed; the guesses that the server saw."""
    before = len(world.executed("visit"))
    await running.call("search", **OF_LINE)
    await anyio.sleep(60)
    return world.executed("visit")[before:]


async def test_a_tool_whose_hints_change_between_runs_does_not_run_early_until_it_is_accepted(tmp_path, caplog):
    world = World()
    async with proxied({"w": world}, tmp_path) as running:
        assert await looked(running, world)
    world.tools["visit"] = {**READ, "destructiveHint": False}
    for _ in range(2):
        caplog.clear()
        async with proxied({"w": world}, tmp_path) as running:
            assert await looked(running, world) == []
            assert running.ledger.refused["barred"]
        assert [record.message for record in caplog.records if "visit does not run early" in record.message]
    world.tools["visit"] = READ
    async with proxied({"w": world}, tmp_path) as running:
        assert await looked(running, world)


async def test_a_hint_that_flips_in_the_middle_of_a_session_ends_guessing_at_once(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path) as running:
        assert await looked(running, world)
        world.tools["visit"] = {**READ, "idempotentHint": True}
        await running.client.list_tools()
        assert await looked(running, world) == []


async def asks(ctx, arguments):
    await ctx.session.elicit_form("Really?", {"type": "object", "properties": {}})
    return told({"of": arguments.get("url")})


async def answer(context, params):
    return ElicitResult(action="decline")


async def never(context, params):
    raise AssertionError("nobody is asked on behalf of a guess")


async def test_a_tool_that_asked_the_user_when_the_agent_called_it_never_runs_early_again_in_any_run(tmp_path):
    world = World()
    async with proxied({"w": world}, tmp_path, mode="legacy", elicitation_callback=answer) as running:
        assert await looked(running, world)
        world.answers["visit"] = asks
        await running.call("visit", url="nobody foresaw this")
        del world.answers["visit"]
        assert await looked(running, world) == []
    async with proxied({"w": world}, tmp_path) as running:
        assert await looked(running, world) == []


async def test_a_tool_whose_guess_asked_the_user_never_runs_early_again_in_any_run(tmp_path):
    world, one = World(answers={"visit": asks}), {"limits": {"per_trigger": 1}}
    async with proxied({"w": world}, tmp_path, mode="legacy", elicitation_callback=never, more=one) as running:
        assert len(await looked(running, world)) == 1
    del world.answers["visit"]
    async with proxied({"w": world}, tmp_path, more=one) as running:
        assert await looked(running, world) == []


async def checked(world, state, *, accept=False):
    """What `check` finds of the world's tools, by name; and those that were accepted."""
    entry = {"mcpServers": {"w": {"command": "none"}}, "paste": {"speculation": "annotated"}}
    config = parse_config(entry, "test", {}, state)
    seen = vetting(config, Reviewed(), state)
    [report] = await inspect(config, {"w": lambda: reached(world)}, seen, accept=accept)
    return {tool.tool.name: tool.decision.row for tool in report.tools}, report.accepted


async def test_check_shows_what_changed_and_accepts_it(tmp_path):
    world = World()
    assert await checked(world, tmp_path) == (
        {"search": "annotated", "visit": "annotated", "status": "annotated", "write": "write"},
        [],
    )
    world.tools["visit"] = {**READ, "destructiveHint": False}
    for accept, row in ((False, "barred"), (True, "annotated"), (False, "annotated")):
        rows, accepted = await checked(world, tmp_path, accept=accept)
        assert (rows["visit"], rows["search"], accepted) == (row, "annotated", ["visit"] if accept else [])
