"""An authorization server on loopback, of the SDK's own parts, and an MCP server that believes only its tokens."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
from mcp.server import Server
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl, TypeAdapter
from safety_listening import served
from starlette.applications import Starlette

_URL = TypeAdapter(AnyHttpUrl)


@dataclass
class Authority:
    """Everybody may register, and everybody who asks is let in. A refresh token is good once."""

    lasts_s: int = 3600
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict)
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    refreshers: dict[str, RefreshToken] = field(default_factory=dict)
    renewals: int = 0
    stolen: int = 0
    """Refresh tokens that came a second time."""

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        code = AuthorizationCode(
            code=secrets.token_urlsafe(32),
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
            subject="carol",
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(self, client: Any, authorization_code: str) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client: Any, authorization_code: AuthorizationCode) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._token(client.client_id, authorization_code.scopes, authorization_code.resource)

    async def load_refresh_token(self, client: Any, refresh_token: str) -> RefreshToken | None:
        if refresh_token not in self.refreshers:
            self.stolen += 1
        return self.refreshers.get(refresh_token)

    async def exchange_refresh_token(self, client: Any, refresh_token: RefreshToken, scopes: list[str]) -> OAuthToken:
        del self.refreshers[refresh_token.token]
        self.renewals += 1
        return self._token(client.client_id, scopes, None)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)

    async def revoke_token(self, token: Any) -> None:
        self.tokens.pop(token.token, None)

    async def verify_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)

    def _token(self, client: str, scopes: list[str], resource: str | None) -> OAuthToken:
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        expires = int(time.time()) + self.lasts_s
        self.tokens[access] = AccessToken(
            token=access, client_id=client, scopes=scopes, expires_at=expires, resource=resource, subject="carol"
        )
        self.refreshers[refresh] = RefreshToken(token=refresh, client_id=client, scopes=scopes)
        return OAuthToken(
            access_token=access, expires_in=self.lasts_s, refresh_token=refresh, scope=" ".join(scopes) or None
        )


@dataclass
class Guarded:
    """An MCP server that wants to know who is there."""

    url: str
    authority: Authority
    headers: list[dict[str, str]]
    """Of every request that it let in."""


@asynccontextmanager
async def guarded_server(authority: Authority) -> AsyncIterator[Guarded]:
    """The two of them, each at a port of its own."""
    app = Starlette()
    async with served(app) as issuer:
        app.router.routes += create_auth_routes(
            authority,  # type: ignore[arg-type]
            _URL.validate_python(issuer),
            client_registration_options=ClientRegistrationOptions(enabled=True),
        )
        headers: list[dict[str, str]] = []

        async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
            return types.ListToolsResult(tools=[types.Tool(name="whoami", input_schema={"type": "object"})])

        async def call(ctx: Any, params: Any) -> types.CallToolResult:
            headers.append(dict(ctx.request.headers))
            return types.CallToolResult(content=[types.TextContent(text="carol")])

        server = Server("guarded", version="1", on_list_tools=list_tools, on_call_tool=call)
        outer = Starlette()
        async with served(outer) as url:
            settings = AuthSettings(
                issuer_url=_URL.validate_python(issuer),
                resource_server_url=_URL.validate_python(f"{url}/mcp"),
                validate_token_resource=False,
            )
            inner = server.streamable_http_app(auth=settings, token_verifier=authority)
            outer.router.routes += inner.routes
            outer.user_middleware += inner.user_middleware
            outer.middleware_stack = None
            async with inner.router.lifespan_context(inner):
                yield Guarded(f"{url}/mcp", authority, headers)
