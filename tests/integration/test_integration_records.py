"""What the proxy writes to disk: who may read it, and that no value of a session is in it unless the user says so."""

import stat
from functools import partial

import anyio
import pytest
from integration_harness import odd_server, only_record, outcome, through_stdio, write_config

pytestmark = pytest.mark.anyio

CANARY = "canary7f3a"
"""In the arguments, and so in what the server makes of them."""


async def session(folder, **paste):
    """A session whose arguments and results hold the canary; the state folder."""
    state = folder / "state"
    config = write_config(folder, {"odd": odd_server()}, speculation="annotated", **paste)
    async with through_stdio(config, state) as client:
        found = await client.call_tool("odd__search", {"query": CANARY})
        url = found.structured_content["results"][0]["url"]
        visited = await client.call_tool("odd__visit", {"url": url})
        assert visited.structured_content["text"] == f"the text of odd://{CANARY}/0"
        await client.call_tool("odd__odd", {"a": {"deep": [f"-{CANARY}-"]}, "files": {f"src/{CANARY}.py": "as a file"}})
        assert "error" in await outcome(client, "odd__fail", {"why": CANARY})
    return state


@pytest.fixture(scope="module")
async def states(tmp_path_factory):
    """The state folders of four such sessions, held side by side."""
    found = {}

    async def hold(name, **paste):
        found[name] = await session(tmp_path_factory.mktemp(name), **paste)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hold, "default")
            tasks.start_soon(hold, "another")
            tasks.start_soon(partial(hold, "full", record="full"))
            tasks.start_soon(partial(hold, "off", record="off", learning="off", audit="off"))
    return found


@pytest.fixture
def by_default(states):
    return states["default"]


def files(state):
    """What is kept of sessions; what servers offer is not of any."""
    return [path for path in state.rglob("*") if path.is_file() and path.parent.name not in ("catalogues", "pins")]


async def test_by_default_no_value_of_the_session_is_on_disk_and_only_the_user_may_read_what_is(by_default):
    written = files(by_default)
    assert {path.name for path in written if path.suffix != ".jsonl"} == {"key", "counts.sqlite"}
    for path in written:
        text = path.read_bytes()
        # Nor where it is the name of a member: names of files and titles are.
        assert not [value for value in (CANARY, "odd://", "the text of", "as a file") if value.encode() in text]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE((by_default / name).stat().st_mode) for name in ("sessions", "learnt", "audit", "pins")} == {
        0o700
    }
    calls, _ = only_record(by_default)
    assert [call["tool"] for call in calls] == ["search", "visit", "odd", "fail"]
    assert [call["status"] for call in calls] == ["ok", "ok", "ok", "error"]
    assert not {"arguments", "result"} & set().union(*calls)


async def test_a_derivation_names_the_call_and_the_place_that_a_value_came_from(by_default):
    calls, _ = only_record(by_default)
    assert calls[0]["derivations"]["query"]["from"] == []
    origin = calls[1]["derivations"]["url"]["from"][0]
    assert origin == {"call": calls[0]["n"], "in": "document", "steps": ["results", 0, "url"]}
    # The query comes back as an argument: where it was given before is named, its text is not.
    assert {"call": 0, "in": "argument", "steps": ["query"]} in calls[3]["derivations"]["why"]["from"]
    assert calls[3]["derivations"]["why"]["digest"] == calls[0]["derivations"]["query"]["digest"]


async def test_digests_of_two_installations_cannot_be_compared(states):
    one, other = only_record(states["default"])[0], only_record(states["another"])[0]
    assert one[0]["derivations"]["query"]["digest"] != other[0]["derivations"]["query"]["digest"]


async def test_a_full_record_holds_arguments_and_results(states):
    calls, _ = only_record(states["full"])
    assert calls[0]["arguments"] == {"query": CANARY}
    assert calls[1]["result"]["structuredContent"]["text"] == f"the text of odd://{CANARY}/0"
    assert calls[3]["arguments"] == {"why": CANARY}


async def test_switched_off_nothing_is_written(states):
    assert files(states["off"]) == []
