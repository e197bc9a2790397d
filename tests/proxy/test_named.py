"""Sessions by name: opened on use, closed when nobody has used them for a while."""

import anyio
import pytest
from hosts import Scripted, proxy_before
from mcp import MCPError

from paste_mcp.proxy import named
from paste_mcp.proxy.named import IDLE_S

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sessions(tmp_path):
    proxy = proxy_before({"one": Scripted("a")}, tmp_path)
    async with proxy.running():
        yield proxy._named


async def test_a_name_is_one_session_for_as_long_as_it_is_used(sessions):
    session = await sessions.get((None, "mine"))
    for _ in range(10):
        await anyio.sleep(IDLE_S * 0.8)
        assert await sessions.get((None, "mine")) is session
    assert await sessions.get((None, "yours")) is not session
    assert await sessions.get(("somebody", "mine")) is not session


async def test_an_idle_session_is_closed_and_its_name_opens_another(sessions):
    session = await sessions.get((None, "mine"))
    await anyio.sleep(IDLE_S * 1.2)
    assert session._closed.is_set()
    assert await sessions.get((None, "mine")) is not session


async def test_a_session_with_a_request_under_way_is_not_idle(sessions):
    session = await sessions.get((None, "mine"))
    session.in_use += 1
    await anyio.sleep(IDLE_S * 5)
    assert await sessions.get((None, "mine")) is session


async def test_names_that_expired_make_room_for_others(sessions, monkeypatch):
    monkeypatch.setattr(named, "MAX_NAMED", 2)
    for name in ("a", "b"):
        await sessions.get((None, name))
    with pytest.raises(MCPError, match="too many"):
        await sessions.get((None, "c"))
    await anyio.sleep(IDLE_S * 1.2)
    await sessions.get((None, "c"))
