"""Whose a bearer token is: one of the configuration's own, or one that an authorization server made out for us."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping
from typing import Any, Protocol

import anyio
import httpx2
import jwt

from paste_mcp.config.auth import Auth, OAuth
from paste_mcp.proxy import clock
from paste_mcp.proxy.sdk import AccessToken

logger = logging.getLogger("paste_mcp")

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that only the issuer can make. A shared secret, or none at all, proves nothing."""
MAX_TOKEN_CHARS = 16 * 1024
MAX_REPLY_BYTES = 1024 * 1024
"""Of what an authorization server is heard to say."""
ASK_TIMEOUT_S = 5.0
KEYS_FRESH_S = 300.0
"""How long the issuer's keys are believed without asking again."""
KEYS_PAUSE_S = 10.0
"""How often at most they are asked for: a stranger can name a key that does not exist as often as it likes."""
ANSWER_FRESH_S = 10.0
"""How long an introspected token counts as good: so long it may still be used after it was revoked."""
MAX_ANSWERS = 1024
LEEWAY_S = 10.0


class Verifier(Protocol):
    async def verify_token(self, token: str) -> AccessToken | None: ...


class Verifiers:
    """Those that are configured, asked in turn. What goes wrong while asking lets nobody in."""

    def __init__(self, auth: Auth) -> None:
        self._verifiers: list[Verifier] = [OwnTokens(auth)] if auth.tokens else []
        if auth.oauth is not None:
            self._verifiers.append(Introspected(auth.oauth) if auth.oauth.introspection else Signed(auth.oauth))

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose it is; None for nobody's."""
        if len(token) > MAX_TOKEN_CHARS:
            return None
        for verifier in self._verifiers:
            if (found := await verifier.verify_token(token)) is not None:
                return found
        return None


class OwnTokens:
    """The tokens of the configuration. How long a comparison takes tells nothing of them."""

    def __init__(self, auth: Auth) -> None:
        self._principals = [(_digest(token.token), token.principal) for token in auth.tokens]
        self._scopes = list(auth.oauth.scopes) if auth.oauth is not None else []

    async def verify_token(self, token: str) -> AccessToken | None:
        given, whose = _digest(token), None
        for digest, principal in self._principals:
            if hmac.compare_digest(digest, given):
                whose = principal  # and on: not even the place in the list shows
        return None if whose is None else AccessToken(token=token, client_id=whose, subject=whose, scopes=self._scopes)


class Signed:
    """JWTs that the issuer signed."""

    def __init__(self, oauth: OAuth) -> None:
        self._oauth = oauth
        self._client = _client()
        self._jwks = oauth.jwks
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._asked_at = float("-inf")
        self._asking = anyio.Lock()

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(header.get("kid")) if header.get("alg") in ALGORITHMS else None
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=[header["alg"]],
                audience=self._oauth.resource,
                issuer=self._oauth.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            logger.debug("a token was refused: %s", type(error).__name__)
            return None
        return _access(token, claims, self._oauth)

    async def _key(self, id: Any) -> jwt.PyJWK | None:
        if not isinstance(id, str | None):
            return None
        async with self._asking:
            age_s = clock.now() - self._asked_at
            if age_s > KEYS_FRESH_S or (id not in self._keys and age_s > KEYS_PAUSE_S):
                self._asked_at = clock.now()
                try:
                    self._keys = await self._ask()
                except (httpx2.HTTPError, OSError, ValueError, jwt.PyJWTError) as error:
                    # Those that are known are believed on: whoever can cut us off must not be able to lock all out.
                    logger.warning("%s: its keys cannot be had: %s", self._oauth.issuer, error or type(error).__name__)
        return self._keys.get(id)

    async def _ask(self) -> dict[str | None, jwt.PyJWK]:
        if self._jwks is None:
            self._jwks = await _jwks_of(self._client, self._oauth.issuer)
        keys = jwt.PyJWKSet.from_dict(await _asked(self._client, "GET", self._jwks)).keys
        found: dict[str | None, jwt.PyJWK] = {key.key_id: key for key in keys}
        if len(keys) == 1:
            found[None] = keys[0]  # the only one need not be named
        return found


class Introspected:
    """Tokens that only the issuer can read."""

    def __init__(self, oauth: OAuth) -> None:
        self._oauth = oauth
        self._client = _client()
        self._answers: dict[bytes, tuple[float, AccessToken]] = {}

    async def verify_token(self, token: str) -> AccessToken | None:
        digest = _digest(token)
        asked_at, known = self._answers.get(digest, (float("-inf"), None))
        if known is not None and clock.now() - asked_at < ANSWER_FRESH_S:
            return known
        self._answers.pop(digest, None)
        try:
            claims = await self._ask(token)
        except (httpx2.HTTPError, OSError, ValueError) as error:
            logger.warning("%s: a token cannot be asked about: %s", self._oauth.issuer, type(error).__name__)
            return None
        audience = claims.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        issued = claims.get("iss") in (None, self._oauth.issuer)
        if claims.get("active") is not True or self._oauth.resource not in meant or not issued:
            return None
        found = _access(token, {**claims, "iss": self._oauth.issuer}, self._oauth)
        if found is not None:
            self._answers[digest] = (clock.now(), found)
            while len(self._answers) > MAX_ANSWERS:
                del self._answers[next(iter(self._answers))]
        return found

    async def _ask(self, token: str) -> dict[str, Any]:
        id, secret = self._oauth.client_id, self._oauth.client_secret
        auth = httpx2.BasicAuth(id, secret or "") if id is not None else None
        url = self._oauth.introspection or ""
        return await _asked(self._client, "POST", url, data={"token": token}, auth=auth)


def _access(token: str, claims: Mapping[str, Any], oauth: OAuth) -> AccessToken | None:
    """The token as the SDK knows it, if it says whose it is."""
    subject, client = claims.get("sub"), claims.get("client_id", claims.get("azp"))
    expires = claims.get("exp")
    if not isinstance(subject, str | None) or not isinstance(client, str | None) or not (subject or client):
        return None
    if isinstance(expires, bool) or not isinstance(expires, int | float | None):
        return None
    scopes = claims.get("scope", claims.get("scp", ""))
    return AccessToken(
        token=token,
        client_id=client or subject or "",
        subject=subject,
        scopes=scopes.split() if isinstance(scopes, str) else [str(scope) for scope in scopes or ()],
        expires_at=None if expires is None else int(expires),
        resource=oauth.resource,
        claims={"iss": oauth.issuer},
    )


async def _jwks_of(client: httpx2.AsyncClient, issuer: str) -> str:
    """Where the issuer says that its keys are. Raises ValueError where it does not."""
    origin, slash, path = issuer.removesuffix("/").partition("://")[2].partition("/")
    base = f"{issuer.partition('://')[0]}://{origin}"
    for url in (
        f"{base}/.well-known/oauth-authorization-server{slash}{path}",
        f"{issuer.removesuffix('/')}/.well-known/openid-configuration",
    ):
        try:
            about = await _asked(client, "GET", url)
        except httpx2.HTTPStatusError:
            continue
        if str(about.get("issuer", "")).removesuffix("/") != issuer.removesuffix("/"):
            raise ValueError("its metadata are another issuer's")
        if isinstance(keys := about.get("jwks_uri"), str) and keys.startswith(("https://", f"{base}/")):
            return keys
    raise ValueError("it does not say where its keys are; write jwks")


def _client() -> httpx2.AsyncClient:
    """Keeps no connection, so that it need not be closed. It follows no redirect: where to ask is the configuration's
    word.
    """
    limits = httpx2.Limits(max_connections=16, max_keepalive_connections=0)
    return httpx2.AsyncClient(timeout=httpx2.Timeout(ASK_TIMEOUT_S), limits=limits)


async def _asked(client: httpx2.AsyncClient, method: str, url: str, **more: Any) -> dict[str, Any]:
    """The object that is answered. Raises httpx2's errors, and ValueError where it is none or too long a one."""
    body = b""
    with anyio.fail_after(ASK_TIMEOUT_S):
        async with client.stream(method, url, **more) as response:
            response.raise_for_status()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_REPLY_BYTES:
                    raise ValueError("too long an answer")
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError("an object in JSON was expected")
    return found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
