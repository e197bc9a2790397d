"""A login at a remote server, used: every request carries the token, which is renewed in time and by one request only.

Logging in takes a person and a browser, and so is never done here: `paste_mcp/login.py` does it. The SDK's provider is
not handed to the HTTP client as it is, because it makes every request wait for the answer to the one before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import (
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)
from pydantic import AnyUrl, ValidationError

from paste_mcp.store.logins import LoginFile

logger = logging.getLogger("paste_mcp")

EARLY_S = 30.0
"""How long before its end a token is renewed."""
RENEW_TIMEOUT_S = 30.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class LoginError(Exception):
    """The server wants to know who is there, and cannot be told now; the text says what to do."""


class Kept:
    """A login as the SDK's provider stores it: in memory, until it is known to be good."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        """Raises ValueError where `data` is no login."""
        data = data or {}
        self.tokens = OAuthToken.model_validate(data["tokens"]) if data else None
        self.client = OAuthClientInformationFull.model_validate(data["client"]) if data else None
        self.expires_at: float | None = data.get("expires_at")
        """Seconds since 1970."""

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.expires_at = None if tokens.expires_in is None else time.time() + tokens.expires_in

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def provider(url: str, kept: Kept, redirect: str, **handlers: Any) -> OAuthClientProvider:
    """The SDK's part in a login at `url`."""
    about = OAuthClientMetadata(client_name="paste-mcp", redirect_uris=[AnyUrl(redirect)])
    return OAuthClientProvider(url, about, kept, **handlers)


def to_keep(kept: Kept, of: OAuthClientProvider) -> dict[str, Any]:
    """The login as its file holds it, with where to renew it."""
    parts = {
        "tokens": kept.tokens,
        "client": kept.client,
        "server": of.context.oauth_metadata,
        "resource": of.context.protected_resource_metadata,
    }
    written = {
        name: part.model_dump(mode="json", exclude_none=True) for name, part in parts.items() if part is not None
    }
    return {**written, "expires_at": kept.expires_at}


def trustworthy(url: str, server: str) -> bool:
    """Whether a server may send us there: over TLS or within this machine, and not into a network that it is not itself
    in. What it says of its authorization is a stranger's word.
    """
    try:
        there, own = urlsplit(url), urlsplit(server)
        host = there.hostname or ""
        loopback = host in _LOOPBACK
        if not host or there.username is not None or there.scheme not in ("https", "http"):
            return False
        if loopback or there.scheme == "http":
            return loopback and own.hostname in _LOOPBACK
        return host == own.hostname or ip_address(host).is_global
    except ValueError:
        return there.scheme == "https" and _is_name(host)


def _is_name(host: str) -> bool:
    """Whether it is a name, rather than one of the odd ways to write an address."""
    return host.replace(".", "").replace("-", "").isalnum() and not host.rpartition(".")[2][:1].isdigit()


class Login(httpx2.Auth):
    """One server's login, shared by all its connections: it is renewed once, whoever finds it old."""

    def __init__(self, alias: str, url: str, file: LoginFile, source: str) -> None:
        self._url = url
        self._file = file
        self._remedy = f"needs a login; run: paste-mcp login {alias} --config {source}"
        self._renewing: anyio.Lock | None = None

    def required(self) -> None:
        """Raises `LoginError` where nobody has logged in."""
        self._kept()

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        kept = self._kept()
        if kept.expires_at is not None and time.time() > kept.expires_at - EARLY_S:
            kept = await self._renewed(kept)
        _sign(request, kept)
        response = yield request
        if response.status_code == 401:
            await response.aread()
            _sign(request, await self._renewed(kept))
            response = yield request
            if response.status_code == 401:
                raise LoginError(self._remedy)

    def _kept(self) -> Kept:
        try:
            if (data := self._file.read()) is not None:
                return Kept(data)
        except (ValidationError, LookupError):
            logger.debug("%s holds no login", self._file.path)
        raise LoginError(self._remedy)

    async def _renewed(self, old: Kept) -> Kept:
        """A login that is newer than `old`. Raises `LoginError`."""
        if self._renewing is None:
            self._renewing = anyio.Lock()
        async with self._renewing, self._file.locked():
            kept = self._kept()
            if _token(kept) != _token(old):
                return kept  # somebody else was quicker
            if kept.tokens is None or kept.tokens.refresh_token is None:
                raise LoginError(self._remedy)
            await self._renew(kept)
            return kept

    async def _renew(self, kept: Kept) -> None:
        data = self._file.read() or {}
        of = provider(self._url, kept, "http://127.0.0.1/callback")
        if "server" in data:
            of.context.oauth_metadata = OAuthMetadata.model_validate(data["server"])
        if "resource" in data:
            of.context.protected_resource_metadata = ProtectedResourceMetadata.model_validate(data["resource"])
        of.context.token_expiry_time = 1.0  # long over, so that the first thing it wants is a new one
        before, asked = _token(kept), httpx2.Request("POST", self._url)
        async with httpx2.AsyncClient(timeout=RENEW_TIMEOUT_S) as client, aclosing(of.async_auth_flow(asked)) as flow:
            renewal = await anext(flow)
            if not trustworthy(str(renewal.url), self._url):
                raise LoginError("its login may only be renewed over TLS, or within this machine")
            try:
                response = await client.send(renewal)
            except httpx2.HTTPError as error:
                raise LoginError(f"its login cannot be renewed now: {type(error).__name__}") from None
            if response.status_code == 429 or response.status_code >= 500:
                raise LoginError(f"its login cannot be renewed now: HTTP status {response.status_code}")
            await flow.asend(response)
        if _token(kept) == before:
            raise LoginError(self._remedy)
        self._file.write(to_keep(kept, of))


def _token(kept: Kept) -> str | None:
    return None if kept.tokens is None else kept.tokens.access_token


def _sign(request: httpx2.Request, kept: Kept) -> None:
    request.headers["authorization"] = f"Bearer {_token(kept)}"
