"""Logging in to servers that want it, and staying so: a whole OAuth flow against an authorization server."""

import json
import logging
import stat
import subprocess
import sys
import time

import anyio
import httpx2
import pytest
from integration_harness import within
from mcp import Client
from mcp.shared.memory import create_client_server_memory_streams
from safety_authority import Authority, guarded_server

from paste_mcp.app import build, connectors, login_file
from paste_mcp.config import parse_config
from paste_mcp.login import Refused, login
from paste_mcp.proxy.inspect import inspect
from paste_mcp.proxy.logins import trustworthy
from paste_mcp.proxy.sdk import serve_streams


@pytest.fixture
def anyio_backend():
    return "asyncio"


def configured(url, folder):
    servers = {"guarded": {"url": url, "auth": "oauth"}, "other": {"command": "none"}}
    paste = {"default_patterns": False, "learning": "off"}
    return parse_config({"mcpServers": servers, "paste": paste}, "c.json", {}, folder)


class Browser:
    """Goes where it is sent."""

    def __init__(self):
        self.sent = []

    def __call__(self, told):
        self.sent.append(told.removeprefix("log in here: "))

    async def follow(self):
        while not self.sent:  # noqa: ASYNC110 - told by a plain function
            await anyio.sleep(0.01)
        async with httpx2.AsyncClient(follow_redirects=True) as client:
            assert "You may close this page" in (await client.get(self.sent[0])).text


async def logged_in(config, state):
    server, browser = config.servers["guarded"], Browser()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(browser.follow)
        assert await login(server, login_file(state, "guarded", server), browser=False, tell=browser)
    return browser


class Run:
    """A proxy before the guarded server, and one host of it."""

    def __init__(self, config, state):
        self.proxy = build(config, [], state)

    async def calls(self, count=1):
        """What so many calls side by side answer."""
        found = []
        async with (
            self.proxy.running(),
            self.proxy.session() as session,
            create_client_server_memory_streams() as (near, far),
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(serve_streams, self.proxy.server, *far, session)

            async def call(client):
                try:
                    found.append((await client.call_tool("guarded__whoami", {})).content[0].text)
                except Exception as error:
                    found.append(str(error))

            async with Client(_Streams(near), mode="legacy") as client, anyio.create_task_group() as calling:
                for _ in range(count):
                    calling.start_soon(call, client)
            tasks.cancel_scope.cancel()
        return found


class _Streams:
    def __init__(self, streams):
        self._streams = streams

    async def __aenter__(self):
        return self._streams

    async def __aexit__(self, *_):
        return None


def alone(config):
    """Without the server that cannot be started."""
    servers = {alias: server for alias, server in config.servers.items() if alias == "guarded"}
    return type(config)(config.source, config.servers_key, servers, config.paste, [], {})


@pytest.mark.anyio
@within(60)
async def test_without_a_login_a_server_is_left_out_and_says_in_one_line_what_to_do(tmp_path, caplog):
    async with guarded_server(Authority()) as guarded:
        config = alone(configured(guarded.url, tmp_path))
        remedy = "needs a login; run: paste-mcp login guarded --config c.json"
        with caplog.at_level(logging.WARNING, "paste_mcp"):
            (answer,) = await Run(config, tmp_path).calls()
        assert remedy in answer
        assert f"server guarded: {remedy}" in caplog.messages
        (report,) = await inspect(config, connectors(config, tmp_path))
        assert report.problem == remedy
        assert guarded.authority.clients == {}  # nobody was asked anything


@pytest.mark.anyio
@within(60)
async def test_after_a_login_calls_carry_its_token_in_every_later_process(tmp_path):
    async with guarded_server(Authority()) as guarded:
        config = alone(configured(guarded.url, tmp_path))
        browser = await logged_in(config, tmp_path)
        assert "code_challenge_method=S256" in browser.sent[0]
        for _ in range(2):
            assert await Run(config, tmp_path).calls(3) == ["carol"] * 3
        assert guarded.authority.renewals == 0
        file = login_file(tmp_path, "guarded", config.servers["guarded"]).path
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert list(file.parent.glob("*")) == [file]


@pytest.mark.anyio
@within(60)
@pytest.mark.parametrize("why", ["expired", "revoked"])
async def test_a_token_is_renewed_once_however_many_calls_find_it_old(tmp_path, why):
    async with guarded_server(Authority()) as guarded:
        config = alone(configured(guarded.url, tmp_path))
        await logged_in(config, tmp_path)
        if why == "expired":
            file = login_file(tmp_path, "guarded", config.servers["guarded"])
            file.write({**file.read(), "expires_at": time.time() - 1})
        guarded.authority.tokens.clear()
        assert await Run(config, tmp_path).calls(12) == ["carol"] * 12
        assert (guarded.authority.renewals, guarded.authority.stolen) == (1, 0)
        guarded.authority.tokens.clear()
        # Two proxies at once, as two hosts on one desk have them.
        found = []

        async def one():
            found.extend(await Run(config, tmp_path).calls(6))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one)
            tasks.start_soon(one)
        assert found == ["carol"] * 12
        assert (guarded.authority.renewals, guarded.authority.stolen) == (2, 0)


@pytest.mark.anyio
@within(60)
async def test_a_login_that_is_over_is_asked_for_again_and_taken_up_without_a_restart(tmp_path):
    async with guarded_server(Authority()) as guarded:
        config = alone(configured(guarded.url, tmp_path))
        await logged_in(config, tmp_path)
        guarded.authority.tokens.clear()
        guarded.authority.refreshers.clear()
        (answer,) = await Run(config, tmp_path).calls()
        assert "needs a login" in answer
        await logged_in(config, tmp_path)
        assert await Run(config, tmp_path).calls() == ["carol"]


@pytest.mark.anyio
@within(60)
async def test_a_login_is_for_one_address_and_is_never_handed_to_another(tmp_path):
    async with guarded_server(Authority()) as guarded:
        config = alone(configured(guarded.url, tmp_path))
        await logged_in(config, tmp_path)
        elsewhere = alone(configured(guarded.url.replace("127.0.0.1", "localhost"), tmp_path))
        (answer,) = await Run(elsewhere, tmp_path).calls()
        assert "needs a login" in answer


@pytest.mark.anyio
@within(60)
async def test_who_is_not_logged_in_in_the_browser_is_told_why(tmp_path):
    async with guarded_server(Authority()) as guarded:
        server = configured(guarded.url, tmp_path).servers["guarded"]
        browser = Browser()

        async def refuse():
            while not browser.sent:  # noqa: ASYNC110 - told by a plain function
                await anyio.sleep(0.01)
            callback = httpx2.URL(browser.sent[0]).params["redirect_uri"]
            async with httpx2.AsyncClient() as client:
                assert (await client.get(callback.replace("/callback", "/x"))).status_code == 404
                assert (await client.get(callback)).status_code == 400
                await client.get(callback, params={"error": "access_denied"})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(refuse)
            with pytest.raises(Refused, match="access_denied"):
                await login(server, login_file(tmp_path, "guarded", server), browser=False, tell=browser)
        assert not any(tmp_path.iterdir())


@pytest.mark.anyio
@within(60)
async def test_a_code_that_comes_without_our_state_is_not_taken(tmp_path):
    async with guarded_server(Authority()) as guarded:
        server = configured(guarded.url, tmp_path).servers["guarded"]
        browser = Browser()

        async def forge():
            while not browser.sent:  # noqa: ASYNC110 - told by a plain function
                await anyio.sleep(0.01)
            callback = httpx2.URL(browser.sent[0]).params["redirect_uri"]
            async with httpx2.AsyncClient() as client:
                await client.get(callback, params={"code": "x", "state": "forged"})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(forge)
            with pytest.raises(Refused, match="State"):
                await login(server, login_file(tmp_path, "guarded", server), browser=False, tell=browser)


SENT = [
    ("https://id.example.com/authorize", "https://api.example.com/mcp", True),
    ("http://127.0.0.1:9/authorize", "http://127.0.0.1:8/mcp", True),
    ("http://127.0.0.1:9/authorize", "https://api.example.com/mcp", False),
    ("https://127.0.0.1:9/authorize", "https://api.example.com/mcp", False),
    ("http://id.example.com/authorize", "https://api.example.com/mcp", False),
    ("https://169.254.169.254/latest", "https://api.example.com/mcp", False),
    ("https://[fe80::1]/", "https://api.example.com/mcp", False),
    ("https://[::ffff:10.0.0.1]/", "https://api.example.com/mcp", False),
    ("https://10.0.0.7/x", "https://api.example.com/mcp", False),
    ("https://10.0.0.7/x", "https://10.0.0.7/mcp", True),
    ("https://0x7f000001/x", "https://api.example.com/mcp", False),
    ("https://2130706433/x", "https://api.example.com/mcp", False),
    ("https://me@id.example.com/x", "https://api.example.com/mcp", False),
    ("file:///etc/passwd", "https://api.example.com/mcp", False),
    ("javascript:alert(1)", "https://api.example.com/mcp", False),
    ("$(touch x)", "https://api.example.com/mcp", False),
    ("https://$(touch x)/", "https://api.example.com/mcp", False),
    ("", "https://api.example.com/mcp", False),
]


@pytest.mark.parametrize(("url", "server", "good"), SENT)
def test_a_server_may_send_us_only_to_safe_places(url, server, good):
    assert trustworthy(url, server) is good


@pytest.mark.anyio
async def test_a_file_that_is_no_login_counts_as_none(tmp_path):
    config = configured("http://127.0.0.1:9/mcp", tmp_path)
    file = login_file(tmp_path, "guarded", config.servers["guarded"])
    file.path.parent.mkdir()
    good = {"url": "http://127.0.0.1:9/mcp"}
    for text in ("", "[]", "{", json.dumps(good), json.dumps({**good, "tokens": 1, "client": 2}), "[" * 100_000):
        file.path.write_text(text)
        (report,) = await inspect(alone(config), connectors(alone(config), tmp_path))
        assert "needs a login" in (report.problem or "")


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("none", "none: there is no such server in c.json; it has guarded, other"),
        ("other", 'other: its entry does not ask for a login; write "auth": "oauth" there if it needs one'),
    ],
)
def test_a_login_that_makes_no_sense_is_one_line(tmp_path, server, told):
    servers = {"guarded": {"url": "http://127.0.0.1:9/mcp", "auth": "oauth"}, "other": {"command": "none"}}
    (tmp_path / "c.json").write_text(json.dumps({"mcpServers": servers}))
    command = [sys.executable, "-m", "paste_mcp", "login", server, "--config", "c.json"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"paste-mcp: {told}\n")
