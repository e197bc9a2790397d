"""paste-mcp inside another program: what is public works, costs nothing to import, and leaves nothing behind."""

import json
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp_types import ToolAnnotations

import paste_mcp

ROOT = Path(__file__).parent.parent
READ = ToolAnnotations(read_only_hint=True, open_world_hint=False)
TRUSTED = {"mcpServers": {"library": {"speculation": "annotated"}}, "paste": {"learning": "off"}}


@pytest.fixture
def anyio_backend():
    return "asyncio"


def library(visited, guessed=None):
    server = MCPServer("library")

    @server.tool(annotations=READ)
    async def search(query: str) -> dict[str, list[dict[str, str]]]:
        return {"results": [{"url": f"{query}{n}"} for n in range(3)]}

    @server.tool(annotations=READ)
    async def visit(url: str) -> str:
        visited.append(url)
        await anyio.sleep(0.3)
        if guessed is not None:
            guessed.set()
        return url

    return server


def test_importing_it_imports_neither_the_sdk_nor_pydantic():
    heavy = "mcp", "pydantic", "anyio", "uvicorn", "typer", "jsonpath_ng"
    code = f"import sys, paste_mcp; print([name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_public_name_is_there_in_whatever_order_and_no_other():
    for name in (*reversed(paste_mcp.__all__), *paste_mcp.__all__):
        assert getattr(paste_mcp, name) is not None
    assert callable(paste_mcp.embed)
    assert {"embed", "Engine"} <= set(dir(paste_mcp))
    with pytest.raises(AttributeError, match="nonsense"):
        paste_mcp.nonsense  # noqa: B018


@pytest.mark.anyio
async def test_a_guess_is_there_when_the_embedded_agent_asks(tmp_path):
    visited, guessed = [], anyio.Event()
    own = library(visited, guessed)
    async with (
        paste_mcp.embed(TRUSTED, servers={"library": own}, state=tmp_path) as proxy,
        Client(proxy.transport()) as client,
    ):
        await client.list_tools()
        found = (await client.call_tool("library__search", {"query": "a"})).structured_content
        with anyio.fail_after(10):
            await guessed.wait()
        await client.call_tool("library__visit", {"url": found["results"][0]["url"]})
        assert (proxy.ledger.demand, proxy.ledger.useful) == (2, 1)
    assert visited.count("a0") == 1


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_any_client_may_come_over_loopback(mode, tmp_path):
    async with (
        paste_mcp.embed(TRUSTED, servers={"library": library([])}, state=tmp_path) as proxy,
        proxy.listening() as url,
        Client(url, mode=mode) as client,
    ):
        assert [tool.name for tool in (await client.list_tools()).tools] == ["library__search", "library__visit"]
        assert (await client.call_tool("library__visit", {"url": "u"})).content[0].text == "u"


@pytest.mark.anyio
async def test_a_config_file_serves_as_well(tmp_path):
    server = Path(__file__).parent / "setup" / "setup_server.py"
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"mcpServers": {"one": {"command": sys.executable, "args": [str(server)]}}}))
    config.chmod(0o600)
    async with paste_mcp.embed(config, state=tmp_path) as proxy, Client(proxy.transport()) as client:
        assert "one__look" in [tool.name for tool in (await client.list_tools()).tools]


def test_a_bad_configuration_is_told_at_once():
    with pytest.raises(paste_mcp.ConfigError, match="did you mean"):
        paste_mcp.embed({"mcpServers": {"a": {"comand": "x"}}})


def test_the_engine_alone_runs_a_loop_of_ones_own():
    """What a framework with tools of its own would do, on literal times."""
    patterns = paste_mcp.parse_pool(
        {
            "version": 1,
            "patterns": [
                {
                    "name": "search-then-visit",
                    "context": [{"tool": "search"}],
                    "target": {"tool": "visit"},
                    "arguments": {"url": {"result": -1, "path": "$.urls[*]", "pick": {1: 0.9}}},
                    "probability": 0.9,
                }
            ],
        },
        users_own=True,
    )
    policies = {"own": paste_mcp.ServerPolicy("annotated")}
    budget = paste_mcp.Budget(paste_mcp.Limits())
    engine = paste_mcp.Engine(paste_mcp.Predictor(paste_mcp.Pool(patterns)), budget, policies)
    hints = paste_mcp.Hints(read_only=True, open_world=False)
    engine.set_tools("own", [paste_mcp.Tool("own", name, hints) for name in ("search", "visit")], 0.0)

    search, _ = engine.demanded(paste_mcp.ToolCall("own", "search", {}), 0.0)
    assert isinstance(search.answer, paste_mcp.Miss)
    engine.returned(search, "ok", 1.0)
    engine.observe(search, "ok", paste_mcp.Payload({"urls": ["u1", "u2"]}), 1.0)
    engine.think(1.0)
    (launch,) = engine.launch(1.0)
    assert launch == paste_mcp.Launch(launch.id, paste_mcp.ToolCall("own", "visit", {"url": "u1"}))
    engine.ended(launch.id, paste_mcp.Outcome("the page", "ok", 8), 2.0)

    visit, _ = engine.demanded(paste_mcp.ToolCall("own", "visit", {"url": "u1"}), 3.0)
    assert isinstance(visit.answer, paste_mcp.Hit)
    assert visit.answer.result == "the page"
    assert engine.ledger.hidden_s == 1.0


@pytest.mark.anyio
async def test_the_research_set_up_reads_early_what_a_search_found(tmp_path):
    """The example as it is, with a search engine and a web of this program."""
    for name in ("deep-research.json", "deep-research.patterns.yaml"):
        shutil.copyfile(ROOT / "examples" / name, tmp_path / name)
    (tmp_path / "deep-research.json").chmod(0o600)
    web, read, guessed = MCPServer("web"), [], anyio.Event()

    @web.tool(annotations=READ)
    async def search(query: str) -> str:
        return "".join(f"{n}. Title\n   URL: https://docs.python.org/3/{n}.html\n\n" for n in (1, 2, 3))

    @web.tool()
    async def fetch_content(url: str, max_length: int = 5000) -> str:
        read.append(url)
        await anyio.sleep(0.3)
        guessed.set()
        return f"The page {url}"

    async with (
        paste_mcp.embed(tmp_path / "deep-research.json", servers={"web": web}, state=tmp_path) as proxy,
        Client(proxy.transport()) as client,
    ):
        await client.list_tools()
        await client.call_tool("web__search", {"query": "pipes"})
        with anyio.fail_after(10):
            await guessed.wait()
        first = "https://docs.python.org/3/1.html"
        page = await client.call_tool("web__fetch_content", {"url": first})
        assert page.content[0].text == f"The page {first}"
        assert proxy.ledger.useful == 1
    assert read.count(first) == 1


def run_example(name, *more):
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *more], capture_output=True, text=True, timeout=60, check=True
    ).stdout


def test_the_official_clients_example_shows_three_hits():
    assert "3 of 4 calls were there already" in run_example("official_client.py")


@pytest.mark.skipif(find_spec("pydantic_ai") is None, reason="needs the extra `examples`")
def test_pydantic_ais_example_shows_three_hits():
    assert "3 of 4 calls were there already" in run_example("pydantic_ai_agent.py")


def test_no_thread_is_left_over():
    assert [thread.name for thread in threading.enumerate() if "paste" in thread.name.lower()] == []
