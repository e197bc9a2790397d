"""Tokens that an authorization server made out: which are believed, and what is asked of whom."""

import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from integration_harness import within
from safety_listening import GREETING, callers, proxy_served, served
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from paste_mcp.config import ConfigError, parse_config
from paste_mcp.config.auth import parse_auth
from paste_mcp.config.errors import Place
from paste_mcp.proxy import tokens
from paste_mcp.proxy.tokens import Verifiers

pytestmark = pytest.mark.anyio
RESOURCE = "https://proxy.example.com/mcp"
KEY, OTHER = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Issuer:
    """Publishes its keys, answers questions about tokens, and counts both."""

    def __init__(self):
        self.asked = []
        self.answers = {}
        self.keys = {"one": KEY}
        paths = {
            "/.well-known/oauth-authorization-server": self._about,
            "/keys": self._keys,
            "/introspect": self._introspect,
        }
        self.app = Starlette(routes=[Route(path, answer, methods=["GET", "POST"]) for path, answer in paths.items()])
        self.url = ""

    async def _about(self, request):
        self.asked.append("about")
        return JSONResponse({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})

    async def _keys(self, request):
        self.asked.append("keys")
        told = [
            {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": id, "alg": "RS256"}
            for id, key in self.keys.items()
        ]
        return JSONResponse({"keys": told})

    async def _introspect(self, request):
        self.asked.append(request.headers.get("authorization"))
        return JSONResponse(self.answers.get((await request.form())["token"], {"active": False}))

    def token(self, key=KEY, algorithm="RS256", kid="one", **changed):
        claims = {"iss": self.url, "aud": RESOURCE, "sub": "carol", "client_id": "app", "exp": time.time() + 60}
        claims = {name: value for name, value in (claims | changed).items() if value is not None}
        return jwt.encode(claims, key, algorithm, {"kid": kid})


def verifiers(issuer, **more):
    section = {"oauth": {"issuer": issuer.url, "resource": RESOURCE, **more}}
    return Verifiers(parse_auth(section, Place("test"), {"SECRET": "s3cret"}, None))


@within(60)
async def test_only_tokens_that_the_issuer_signed_for_us_and_that_still_hold_are_believed():
    issuer = Issuer()
    async with served(issuer.app) as issuer.url:
        verifier = verifiers(issuer)
        good = await verifier.verify_token(issuer.token(aud=["https://x.example", RESOURCE], scope="a b"))
        assert (good.client_id, good.subject, good.scopes) == ("app", "carol", ["a", "b"])
        body = issuer.token().split(".")
        public = KEY.public_key()
        bad = [
            issuer.token(exp=time.time() - 60),
            issuer.token(exp=None),
            issuer.token(nbf=time.time() + 60),
            issuer.token(aud="https://other.example.com/mcp"),
            issuer.token(aud=None),
            issuer.token(iss="https://evil.example.com"),
            issuer.token(iss=None),
            issuer.token(sub=None, client_id=None),
            issuer.token(rsa.generate_private_key(65537, 2048)),
            issuer.token(OTHER, "ES256"),
            issuer.token(kid="nobody's"),
            issuer.token("a secret of sixteen and more characters", "HS256"),
            jwt.encode({"iss": issuer.url, "aud": RESOURCE, "sub": "x", "exp": time.time() + 60}, None, "none"),
            ".".join([body[0], body[1], ""]),
            f"{body[0]}..{body[2]}",
            f"{body[0]}.{body[1][:-4]}AAAA.{body[2]}",
            "", ".", "..", "a.b.c", "é", "\ud800", "x" * 100_000,
        ]  # fmt: skip
        assert public is not None
        for token in bad:
            assert await verifier.verify_token(token) is None, token
        assert issuer.asked == ["about", "keys"]  # a key that does not exist is not asked for again and again


@within(60)
async def test_a_key_that_the_issuer_takes_into_use_is_found_and_one_that_it_drops_is_not_believed(monkeypatch):
    issuer = Issuer()
    async with served(issuer.app) as issuer.url:
        verifier = verifiers(issuer, jwks=f"{issuer.url}/keys")
        assert await verifier.verify_token(issuer.token()) is not None
        monkeypatch.setattr(tokens, "KEYS_PAUSE_S", 0.0)
        new = rsa.generate_private_key(65537, 2048)
        issuer.keys = {"two": new}
        assert await verifier.verify_token(issuer.token(new, kid="two")) is not None
        assert await verifier.verify_token(issuer.token()) is None
        assert set(issuer.asked) == {"keys"}


@within(60)
async def test_an_issuer_that_cannot_be_reached_lets_nobody_in_and_breaks_nothing():
    issuer = Issuer()
    issuer.url = "http://127.0.0.1:9"
    assert await verifiers(issuer).verify_token(issuer.token()) is None
    assert await verifiers(issuer, introspection="http://127.0.0.1:9/x").verify_token("opaque") is None


@within(60)
async def test_a_token_that_only_the_issuer_can_read_is_asked_about_and_for_a_while_not_again():
    issuer = Issuer()
    async with served(issuer.app) as issuer.url:
        verifier = verifiers(
            issuer, introspection=f"{issuer.url}/introspect", client_id="us", client_secret="${SECRET}"
        )
        good = {"active": True, "aud": RESOURCE, "sub": "carol", "client_id": "app", "exp": time.time() + 60}
        issuer.answers = {
            "good": good,
            "elsewhere": good | {"aud": "https://x.example"},
            "other": good | {"iss": "https://evil.example"},
            "odd": good | {"active": "true"},
            "whose": {"active": True, "aud": RESOURCE},
        }
        for _ in range(3):
            assert (await verifier.verify_token("good")).subject == "carol"
        assert issuer.asked == ["Basic dXM6czNjcmV0"]
        for token in ("elsewhere", "other", "odd", "whose", "unknown"):
            assert await verifier.verify_token(token) is None, token


@within(60)
async def test_a_host_learns_whom_to_ask_for_a_token_and_is_served_with_it(tmp_path):
    issuer = Issuer()
    async with served(issuer.app) as issuer.url:
        auth = {"oauth": {"issuer": issuer.url, "resource": RESOURCE, "scopes": ["tools"]}}
        async with proxy_served(tmp_path, auth=auth) as (url, _), callers(url) as _:
            bearer = {"authorization": f"Bearer {issuer.token(scope='tools')}"}
            poor = {"authorization": f"Bearer {issuer.token(scope='other')}"}
            async with callers(url, bearer, poor, {}) as (rich, poor, nobody):
                assert "result" in await rich.call("echo__echo")
                assert (await poor.post("initialize", GREETING)).status_code == 403
                refusal = await nobody.post("initialize", GREETING)
                assert refusal.status_code == 401
                about = "/.well-known/oauth-protected-resource/mcp"
                assert f'resource_metadata="https://proxy.example.com{about}"' in refusal.headers["www-authenticate"]
                told = (await nobody.client.get(url + about)).json()
                assert told["resource"] == RESOURCE
                assert [server.rstrip("/") for server in told["authorization_servers"]] == [issuer.url]
                ours = {**rich.headers, "host": "proxy.example.com", "origin": "https://proxy.example.com"}
                ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
                assert (await rich.client.post(rich.url, json=ping, headers=ours)).status_code == 200


SECRET = "s3cret-0123456789abcdef"
MISTAKES = [
    ({}, 'paste.auth: write "tokens" or "oauth", by which hosts prove who they are'),
    ({"tokens": []}, "paste.auth.tokens: a list of 1 to 1024 is expected"),
    ({"tokens": [{"token": SECRET, "principal": "a"}]}, "tokens.0.token: a secret has no place in this file"),
    ({"tokens": [{"token": "${SHORT}", "principal": "a"}]}, "paste.auth.tokens.0.token: a token is 16 to 1024 letters"),
    ({"tokens": [{"token": "${UNSET}", "principal": "a"}]}, "environment variable UNSET is not set"),
    ({"tokens": [{"token": "${SECRET}"}]}, "paste.auth.tokens.0.principal: is missing"),
    ({"tokens": [{"principal": "a"}]}, 'paste.auth.tokens.0: write "token": "${NAME}" or "token_file"'),
    ({"tokens": [{"token": "${SECRET}", "principal": p} for p in "ab"]}, "tokens.1: the same token as an earlier one"),
    ({"tokens": [{"token_file": "none", "principal": "a"}]}, "token_file: that file cannot be read: No such file"),
    ({"tokens": [{"token_file": "open", "principal": "a"}]}, "token_file: others may read that file; run chmod 600"),
    ({"oauth": {"issuer": "https://x"}}, "paste.auth.oauth.resource: is missing"),
    ({"oauth": {"issuer": "http://x.example", "resource": RESOURCE}}, "oauth.issuer: an https:// URL is expected"),
    ({"oauth": {"issuer": "https://x", "resource": RESOURCE, "client_secret": SECRET}}, "a secret has no place"),
    ({"oauth": {"issuer": "https://x", "resource": RESOURCE, "jwks": "https://x", "introspection": "https://x"}},
     "paste.auth.oauth: jwks, introspection exclude each other; keep one"),
    ({"tokens": [{"token": "${SECRET}", "principal": "a"}], "hosts": ["http://x"]}, "auth.hosts.0: a host's name"),
    ({"token": []}, "paste.auth.token: unknown key; did you mean 'tokens'?"),
]  # fmt: skip


@pytest.mark.parametrize(("auth", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_is_told_in_one_line_without_the_secret(tmp_path, auth, message):
    (tmp_path / "open").write_text(SECRET)
    (tmp_path / "open").chmod(0o644)
    data = {"mcpServers": {"x": {"command": "x"}}, "paste": {"auth": auth}}
    with pytest.raises(ConfigError) as caught:
        parse_config(data, "c.json", {"SECRET": SECRET, "SHORT": "short"}, tmp_path)
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_token_may_stand_in_a_file_that_only_its_owner_reads_and_is_never_shown(tmp_path):
    (tmp_path / "token").write_text(f"{SECRET}\n")
    (tmp_path / "token").chmod(0o600)
    auth = {"tokens": [{"token_file": "token", "principal": "a"}]}
    config = parse_config({"mcpServers": {"x": {"command": "x"}}, "paste": {"auth": auth}}, "c", {}, tmp_path)
    assert config.paste.auth.tokens[0].token == SECRET
    assert SECRET not in repr(config)
