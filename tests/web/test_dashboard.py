"""The dashboard's door: who is let in, and what may be written."""

import json
from contextlib import asynccontextmanager

import httpx2
import pytest

from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.settings import Limits
from paste_mcp.store.dial import read_eagerness, write_eagerness
from paste_mcp.web.app import make_app

pytestmark = pytest.mark.anyio
TOKEN = "the-token"
SHOWN = {"X-Paste-Token": TOKEN}


@asynccontextmanager
async def asking(state, host="127.0.0.1:8766"):
    transport = httpx2.ASGITransport(app=make_app(state, TOKEN))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        yield client


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.parametrize("host", ["127.0.0.1:8766", "localhost:8766", "[::1]:8766"])
async def test_this_machine_is_let_in_with_the_token(tmp_path, host):
    async with asking(tmp_path, host) as client:
        answer = await client.get("/api/overview", headers=SHOWN)
        assert answer.status_code == 200
        assert answer.json()["total"]["calls"] == 0
        page = await client.get("/")
        assert "default-src 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("evil.example", SHOWN),
        ("127.0.0.1.evil.example:8766", SHOWN),
        ("127.0.0.1:8766", {**SHOWN, "Origin": "http://evil.example"}),
        ("127.0.0.1:8766", {**SHOWN, "Origin": "http://127.0.0.1:9999"}),
        ("127.0.0.1:8766", {**SHOWN, "Origin": "null"}),
        ("127.0.0.1:8766", {}),
        ("127.0.0.1:8766", {"X-Paste-Token": "another"}),
    ],
)
async def test_all_others_are_kept_out_and_change_nothing(tmp_path, host, headers):
    async with asking(tmp_path, host) as client:
        assert (await client.get("/api/overview", headers=headers)).status_code == 403
        answer = await client.post("/api/dial", headers=headers, json={"eagerness": 4})
        assert answer.status_code == 403
    assert list(tmp_path.iterdir()) == []


async def test_a_token_in_the_address_is_enough_to_read_and_not_to_write(tmp_path):
    async with asking(tmp_path) as client:
        assert (await client.get(f"/api/overview?token={TOKEN}")).status_code == 200
        assert (await client.post(f"/api/dial?token={TOKEN}", json={"eagerness": 4})).status_code == 403


async def test_what_cannot_be_done_is_told_in_a_line(tmp_path):
    async with asking(tmp_path) as client:
        for path, sent, status in (
            ("patterns", {"name": "no such", "enabled": False}, 409),
            ("patterns", {"name": "x"}, 400),
            ("dial", {"eagerness": "much"}, 400),
            ("dial", ["x" * 20_000], 400),
        ):
            answer = await client.post(f"/api/{path}", headers=SHOWN, json=sent)
            assert answer.status_code == status, path
            assert "\n" not in answer.json()["error"]
        assert (await client.get("/api/session/none", headers=SHOWN)).status_code == 404


async def test_a_shipped_pattern_is_turned_off_by_a_line_in_the_users_file_and_on_again(tmp_path):
    async with asking(tmp_path) as client:
        for enabled, state in ((False, "off"), (True, "on")):
            sent = {"name": "search-then-visit", "enabled": enabled}
            assert (await client.post("/api/patterns", headers=SHOWN, json=sent)).status_code == 200
            told = (await client.get("/api/patterns", headers=SHOWN)).json()["patterns"]
            assert {one["name"]: one["state"] for one in told}["search-then-visit"] == state


@pytest.mark.parametrize(
    ("text", "eagerness"),
    [("", 1.0), ("{}", 1.0), ('{"eagerness": 0}', 0.01), ('{"eagerness": 1e9}', 10.0), ('{"eagerness": NaN}', 1.0)],
)
def test_an_odd_dial_is_no_danger(tmp_path, text, eagerness):
    (tmp_path / "dial.json").write_text(text)
    assert read_eagerness(tmp_path) == eagerness


def test_the_dial_makes_what_is_wasted_dearer_or_cheaper(tmp_path):
    write_eagerness(tmp_path, 0.04)
    assert json.loads((tmp_path / "dial.json").read_text()) == {"eagerness": 0.04}
    budget = Budget(Limits())
    usual = budget.utility(0.2, 1.0, 1.0)
    budget.eagerness = read_eagerness(tmp_path)
    assert budget.utility(0.2, 1.0, 1.0) < 0 < usual
