"""What a session is on each transport: where guesses are made, who may be served them, and who may connect at all."""

from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from integration_harness import (
    SERVE,
    USEFUL,
    Tee,
    alive,
    free_port,
    listening,
    odd_server,
    proxy_listening,
    records,
    stderr_of,
    until,
    within,
    write_config,
)
from mcp import Client
from mcp.client.sse import sse_client

pytestmark = pytest.mark.anyio

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


class Listening:
    """A proxy over HTTP or SSE before one odd server; each test uses a query of its own and so has urls of its own."""

    def __init__(self, url: str, state: Path, tee: Tee) -> None:
        self.url = url
        self.state = state
        self.tee = tee

    async def search(self, client, query):
        """Search, and wait until the first result's visit was foreseen; its url."""
        url = await search(client, query)
        await self.tee.was_sent("visit", url=url)
        return url

    def calls_about(self, query):
        return [(tool, given) for tool, given in self.tee.calls if query in str(given)]

    async def answers(self, query, count, *, closed=False):
        """How the calls of the session that searched for `query` were answered, once so many are recorded."""

        def look():
            for lines in records(self.state):
                calls = [line for line in lines if "answered" in line]
                if calls and calls[0]["arguments"] == {"query": query} and len(calls) >= count:
                    return calls if not closed or "summary" in lines[-1] else None
            return None

        return [line["answered"] for line in await until(look)]


async def search(client, query):
    return (await client.call_tool("odd__search", {"query": query})).structured_content["results"][0]["url"]


async def visit(client, url):
    found = (await client.call_tool("odd__visit", {"url": url})).structured_content
    assert (found["url"], found["text"]) == (url, f"the text of {url}")
    return found


def write(folder, tee):
    entry = {**tee.around(odd_server(0.2)), "speculation": "annotated"}
    return write_config(folder, {"odd": entry}, record="full")


@pytest.fixture
async def http(tmp_path_factory):
    """For each test a proxy of its own: guesses that came to nothing for one test would be missing in the next."""
    folder = tmp_path_factory.mktemp("http")
    tee = Tee(folder / "tee")
    async with proxy_listening(write(folder, tee), folder / "state", "http") as url:
        yield Listening(url, folder / "state", tee)


@pytest.fixture
async def sse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sse")
    tee = Tee(folder / "tee")
    async with proxy_listening(write(folder, tee), folder / "state", "sse") as url:
        yield Listening(url, folder / "state", tee)


@within(60)
async def test_a_legacy_http_session_is_served_what_was_foreseen_and_ends_with_its_client(http):
    async with Client(f"{http.url}/mcp", mode="legacy") as client:
        await visit(client, await http.search(client, "alone"))
    first, second = await http.answers("alone", 2, closed=True)
    assert first == "miss"
    assert second in USEFUL


@within(60)
async def test_legacy_http_sessions_do_not_share_results_nor_servers(http):
    async with (
        Client(f"{http.url}/mcp", mode="legacy") as one,
        Client(f"{http.url}/mcp", mode="legacy") as other,
    ):
        await search(other, "other")
        url = await http.search(one, "one")
        # Each session starts a server of its own: the process that answers tells whose result it is.
        others_answer = await visit(other, url)
        ones_answer = await visit(one, url)
        assert ones_answer["pid"] != others_answer["pid"]
    assert (await http.answers("other", 2))[1] == "miss"
    assert (await http.answers("one", 2))[1] in USEFUL
    assert [given for tool, given in http.calls_about("odd://one/0")] == [{"url": url}] * 2


@within(60)
async def test_modern_http_without_a_name_makes_no_guess_and_keeps_no_record(http):
    async with Client(f"{http.url}/mcp") as client:
        assert client.session.protocol_version >= "2026"
        url = await search(client, "nameless")
        await visit(client, url.replace("/0", "/2"))
        await search(client, "nameless")
    assert http.calls_about("nameless") == [
        ("search", {"query": "nameless"}),
        ("visit", {"url": url.replace("/0", "/2")}),
        ("search", {"query": "nameless"}),
    ]
    assert "nameless" not in str(records(http.state))
    assert "nothing is speculated" in stderr_of(http.state).read_text()


@within(60)
async def test_modern_http_with_a_name_is_one_session_whoever_connects_under_it(http):
    async with Client(f"{http.url}/mcp/s/mine") as client:
        url = await http.search(client, "named")
    async with Client(f"{http.url}/mcp/s/mine") as again, Client(f"{http.url}/mcp/s/yours") as stranger:
        await search(stranger, "strange")
        strangers_answer = await visit(stranger, url)
        assert (await visit(again, url))["pid"] != strangers_answer["pid"]
    assert (await http.answers("strange", 2))[1] == "miss"
    assert (await http.answers("named", 2))[1] in USEFUL


@within(60)
async def test_an_sse_connection_is_a_session_and_ends_with_its_client(sse):
    async with (
        Client(sse_client(f"{sse.url}/sse"), mode="legacy") as one,
        Client(sse_client(f"{sse.url}/sse"), mode="legacy") as other,
    ):
        await search(other, "other")
        url = await sse.search(one, "one")
        assert (await visit(other, url))["pid"] != (await visit(one, url))["pid"]
    assert (await sse.answers("other", 2, closed=True))[1] == "miss"
    assert (await sse.answers("one", 2, closed=True))[1] in USEFUL


@pytest.mark.parametrize("transport", ["http", "sse"])
@within(60)
async def test_asked_to_stop_a_listening_proxy_settles_its_sessions_and_ends_its_servers(tmp_path, transport):
    tee, state, port = Tee(tmp_path / "tee"), tmp_path / "state", free_port()
    command = [*SERVE, "--config", str(write(tmp_path, tee)), "--transport", transport, "--port", str(port)]
    async with (
        listening(command, port, stderr_of(state), PASTE_MCP_STATE_DIR=str(state)) as process,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        talk_over_http(client) if transport == "http" else talk_over_sse(client),
    ):
        await tee.was_sent("visit", url="odd://stop/0")
        process.terminate()
        assert await process.wait() == 0
    ((_, call, *_, end),) = records(state)
    assert call["arguments"] == {"query": "stop"}
    assert end["summary"]["issued"] == end["summary"]["unused"] > 0
    assert tee.pids
    await until(lambda: not any(alive(pid) for pid in tee.pids))
    assert "Traceback" not in stderr_of(state).read_text()


SEARCH = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "odd__search", "arguments": {"query": "stop"}},
}


@asynccontextmanager
async def talk_over_http(client):
    """A client that does not say goodbye."""
    headers = {"accept": "application/json, text/event-stream"}
    hello = await client.post("/mcp", json=INITIALIZE, headers=headers)
    headers |= {"mcp-session-id": hello.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25"}
    await client.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
    assert "odd://stop/0" in (await client.post("/mcp", json=SEARCH, headers=headers)).text
    yield


@asynccontextmanager
async def talk_over_sse(client):
    """A client whose stream stays open until the proxy closes it."""
    async with client.stream("GET", "/sse") as stream:
        lines = stream.aiter_lines()

        async def next_data():
            async for line in lines:
                if line.startswith("data:"):
                    return line.removeprefix("data:").strip()
            raise AssertionError("the stream ended")

        endpoint = await next_data()
        await client.post(endpoint, json=INITIALIZE)
        await next_data()
        await client.post(endpoint, json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        await client.post(endpoint, json=SEARCH)
        assert "odd://stop/0" in await next_data()
        yield


@pytest.mark.parametrize(
    "header", [{"host": "evil.example"}, {"origin": "http://evil.example"}], ids=["host", "origin"]
)
@pytest.mark.parametrize("path", ["/mcp", "/mcp/s/name"])
@within(30)
async def test_http_refuses_a_browser_that_was_lured_here(http, path, header):
    accept = {"accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(base_url=http.url) as client:
        refused = await client.post(path, json=INITIALIZE, headers=accept | header)
        assert 400 <= refused.status_code < 500
        assert (await client.post(path, json=INITIALIZE, headers=accept)).status_code == 200


@pytest.mark.parametrize(
    "header", [{"host": "evil.example"}, {"origin": "http://evil.example"}], ids=["host", "origin"]
)
@within(30)
async def test_sse_refuses_a_browser_that_was_lured_here(sse, header):
    async with httpx2.AsyncClient(base_url=sse.url) as client:
        assert 400 <= (await client.get("/sse", headers=header)).status_code < 500
        posted = await client.post("/messages/?session_id=0", json=INITIALIZE, headers=header)
        assert 400 <= posted.status_code < 500
        async with client.stream("GET", "/sse") as welcome:
            assert welcome.status_code == 200
