"""The HTTP client of links: what surely did not run, and what may have."""

import httpx2
import pytest
from mcp import MCPError

from paste_mcp.proxy.http import HttpClient, surely_not_run

pytestmark = pytest.mark.anyio
URL = "http://127.0.0.1:9/mcp"
SESSION = {"mcp-session-id": "s"}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}


async def answered(monkeypatch, handle, method="POST", headers=SESSION):
    async def send(self, request, **options):
        response = handle(request)
        if isinstance(response, Exception):
            raise response
        response.request = request
        return response

    monkeypatch.setattr(httpx2.AsyncClient, "send", send)
    async with HttpClient({}) as client:
        return await client.send(client.build_request(method, URL, json=CALL, headers=headers))


def error_of(response):
    error = response.json()["error"]
    return MCPError(error["code"], error["message"], error.get("data"))


@pytest.mark.parametrize(
    "found",
    [
        httpx2.Response(404, text="Not Found"),
        httpx2.Response(404, json={"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session?"}}),
        httpx2.ConnectError("refused"),
        httpx2.ConnectTimeout(""),
    ],
    ids=["404", "404 as JSON-RPC", "refused", "no connection"],
)
async def test_what_never_reached_a_session_surely_did_not_run(monkeypatch, found):
    assert surely_not_run(error_of(await answered(monkeypatch, lambda _: found)))


@pytest.mark.parametrize(
    "found", [httpx2.ReadError("reset"), httpx2.RemoteProtocolError("cut"), httpx2.WriteError("")], ids=repr
)
async def test_what_was_cut_off_may_have_run_and_takes_nothing_else_down(monkeypatch, found):
    error = error_of(await answered(monkeypatch, lambda _: found))
    assert not surely_not_run(error)
    assert "connection lost" in error.message


async def test_a_method_that_a_server_does_not_have_is_no_lost_session(monkeypatch):
    refusal = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no such method"}}
    response = await answered(monkeypatch, lambda _: httpx2.Response(404, json=refusal))
    assert response.json() == refusal


async def test_without_a_session_a_404_is_the_servers_own_answer(monkeypatch):
    response = await answered(monkeypatch, lambda _: httpx2.Response(404, text="away"), headers={})
    assert response.text == "away"


async def test_only_requests_are_answered_in_the_servers_stead(monkeypatch):
    with pytest.raises(httpx2.ConnectError):
        await answered(monkeypatch, lambda _: httpx2.ConnectError("refused"), method="GET")


async def test_no_server_can_claim_that_a_request_did_not_run(monkeypatch):
    for data in ({"did not run": "x"}, {"did not run": None}, None, "did not run"):
        assert not surely_not_run(MCPError(-32600, "Session lost", data))
