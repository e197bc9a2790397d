"""Over HTTP: who is let in, by which name, with how much, and what is never handed on."""

import json
import subprocess
import sys

import anyio
import httpx2
import pytest
from hosts import Scripted
from integration_harness import within
from safety_listening import ACCEPT, GREETING, VERSION, Caller, Echo, callers, message_of, proxy_served

from paste_mcp.proxy import upstream

pytestmark = pytest.mark.anyio
ALICE, BOB = "alice-0123456789abcdef", "bob-0123456789abcdef0"
ENVIRON = {"ALICE": ALICE, "BOB": BOB}
AUTH = {"tokens": [{"token": "${ALICE}", "principal": "alice"}, {"token": "${BOB}", "principal": "bob"}]}


@pytest.fixture
def anyio_backend():
    return "asyncio"


def bearer(token):
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("auth", [None, AUTH], ids=["open", "authenticated"])
@within(60)
async def test_whoever_names_another_host_or_comes_from_another_page_is_turned_away(tmp_path, transport, auth):
    paths = ["/mcp", "/mcp/s/name"] if transport == "http" else ["/sse", "/messages/?session_id=" + "0" * 32]
    options = {} if auth is None else {"auth": auth}
    async with (
        proxy_served(tmp_path, transport, environ=ENVIRON, **options) as (url, _),
        httpx2.AsyncClient() as client,
    ):
        for path in paths:
            for method in ("POST", "GET", "DELETE", "OPTIONS", "PUT"):
                for evil in (
                    {"host": "evil.example"},
                    {"host": "localhost.evil.example:80"},
                    {"origin": "http://evil.example"},
                ):
                    headers = {**ACCEPT, **(bearer(ALICE) if auth else {}), "content-type": "application/json", **evil}
                    response = await client.request(method, url + path, headers=headers, content=b"{}")
                    assert response.status_code in (403, 421, 405), (path, method, evil, response.status_code)


@pytest.mark.parametrize("transport", ["http", "sse"])
@within(60)
async def test_without_a_valid_token_nobody_is_served(tmp_path, transport):
    given = [{"authorization": ALICE}, {"authorization": f"Basic {ALICE}"}, {}]
    given += [bearer(token) for token in ("nobody-0123456789abcdef", ALICE[:-1], ALICE + "x", "x" * 20_000)]
    body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": GREETING}
    async with proxy_served(tmp_path, transport, environ=ENVIRON, auth=AUTH) as (url, _), httpx2.AsyncClient() as it:
        for path in ("/mcp", "/mcp/s/x") if transport == "http" else ("/sse", "/messages/"):
            for headers in given:
                method = "GET" if path == "/sse" else "POST"
                response = await it.request(method, url + path, json=body, headers={**ACCEPT, **headers})
                assert response.status_code == 401
                assert response.headers["www-authenticate"].startswith("Bearer")


@within(60)
async def test_a_session_belongs_to_who_opened_it(tmp_path):
    async with (
        proxy_served(tmp_path, environ=ENVIRON, auth=AUTH) as (url, _),
        callers(url, bearer(ALICE), bearer(BOB)) as (alice, bob),
    ):
        assert "result" in await alice.call("echo__echo", n=1)
        for thief, owner in ((bob, alice), (alice, bob)):
            stolen = {**thief.headers, "mcp-session-id": owner.headers["mcp-session-id"]}
            call = {
                "jsonrpc": "2.0",
                "id": 9,
                "method": "tools/call",
                "params": {"name": "echo__echo", "arguments": {}},
            }
            assert (await alice.client.post(alice.url, json=call, headers=stolen)).status_code == 404
            assert (await alice.client.get(alice.url, headers=stolen)).status_code == 404
            assert (await alice.client.delete(alice.url, headers=stolen)).status_code == 404
        assert "result" in await alice.call("echo__echo", n=2)
        assert "result" in await bob.call("echo__echo", n=3)


@within(60)
async def test_a_session_by_name_belongs_to_who_opened_it(tmp_path):
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    about = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}}
    async with proxy_served(tmp_path, environ=ENVIRON, auth=AUTH) as (url, proxy), httpx2.AsyncClient() as client:
        for token in (ALICE, BOB, ALICE):
            response = await client.post(f"{url}/mcp/s/work", json=body, headers={**ACCEPT, **about, **bearer(token)})
            assert "result" in message_of(response)
        assert sorted(proxy._named._sessions) == [("alice\0\0alice", "work"), ("bob\0\0bob", "work")]


@within(60)
async def test_what_a_host_proves_itself_by_is_never_handed_on(tmp_path):
    server = Echo()
    async with (
        proxy_served(tmp_path, servers={"echo": server}, environ=ENVIRON, auth=AUTH) as (url, _),
        callers(url, bearer(ALICE)) as (alice,),
    ):
        for n in range(20):
            await alice.call("echo__echo", n=n)
    assert len(server.received) > 20
    assert ALICE not in json.dumps(server.received)


@within(60)
async def test_a_body_is_taken_up_to_four_mebibytes(tmp_path):
    async with proxy_served(tmp_path) as (url, _), callers(url, {}) as (caller,):
        call = {
            "jsonrpc": "2.0",
            "id": 7,
            "method": "tools/call",
            "params": {"name": "echo__echo", "arguments": {"x": ""}},
        }
        room = 4 * 2**20 - len(json.dumps(call))
        for more, status in ((0, 200), (1, 413)):
            call["params"]["arguments"]["x"] = "x" * (room + more)
            body = json.dumps(call).encode()
            headers = {**caller.headers, "content-type": "application/json"}
            assert (await caller.client.post(caller.url, content=body, headers=headers)).status_code == status


@within(60)
async def test_sessions_are_opened_up_to_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr(upstream, "MAX_SESSIONS", 3)
    async with proxy_served(tmp_path) as (url, _), httpx2.AsyncClient() as client:
        found = [(await Caller(client, url).greet()).status_code for _ in range(5)]
    assert found == [200, 200, 200, 503, 503]


@within(60)
async def test_requests_of_one_session_beyond_a_number_are_refused_at_once_and_do_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(upstream, "MAX_REQUESTS", 4)
    server, waiting, go = Scripted("wait"), [], anyio.Event()

    async def wait(request):
        waiting.append(request)
        await go.wait()

    server.answers["tools/call"] = wait
    async with proxy_served(tmp_path, servers={"slow": server}) as (url, _), callers(url, {}) as (caller,):
        answers = []

        async def call():
            answers.append(await caller.call("slow__wait"))

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(call)
            while len(waiting) < 4:  # noqa: ASYNC110 - counted elsewhere
                await anyio.sleep(0.01)
            refusal = await caller.call("slow__wait")
            assert (refusal["error"]["code"], "at once" in refusal["error"]["message"]) == (-32000, True)
            go.set()
        assert ["result" in answer for answer in answers] == [True] * 4
        assert "result" in await caller.call("slow__wait")


def serve(tmp_path, paste, *options, **environ):
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"mcpServers": {"x": {"command": "none"}}, "paste": paste}))
    command = [sys.executable, "-m", "paste_mcp", "serve", "--config", str(config), *options]
    return subprocess.run(command, env={"PATH": "", **environ}, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("host", ["0.0.0.0", "example.com"])  # noqa: S104 - refused
def test_beyond_this_machine_nobody_is_served_without_a_proof(tmp_path, transport, host):
    ended = serve(tmp_path, {}, "--transport", transport, "--host", host)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert f"--host {host}" in ended.stderr
    assert '"auth"' in ended.stderr
    assert VERSION not in ended.stderr
