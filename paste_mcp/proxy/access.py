"""Who is let in over HTTP: a request has to name us by a name that is ours, and, where the configuration says so, to
prove whose it is. The SDK does the asking; a session then belongs to who opened it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl, TypeAdapter
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from paste_mcp.config.auth import Auth

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on
_URL = TypeAdapter(AnyHttpUrl)


class Access:
    """The guard before one HTTP application. `host` is the address that is listened on."""

    def __init__(self, auth: Auth | None, host: str = "127.0.0.1") -> None:
        self._auth = auth
        own = [] if host in (*LOOPBACK, *_ANY) else [host]
        self.security = settings([*LOOPBACK, *own, *(auth.hosts if auth is not None else ()), *_resource_host(auth)])

    def required(self, app: Any) -> ASGIApp:
        """The application, for those who prove who they are; for everybody where nobody has to."""
        if self._auth is None:
            guarded: ASGIApp = app
            return guarded
        oauth = self._auth.oauth
        about = None if oauth is None else build_resource_metadata_url(_URL.validate_python(oauth.resource))
        return RequireAuthMiddleware(app, list(oauth.scopes) if oauth is not None else [], about)

    @property
    def middleware(self) -> list[Middleware]:
        """Finds out whose a request is."""
        if self._auth is None:
            return []
        # Signatures take a while to import, and most proxies never see one.
        from paste_mcp.proxy.tokens import Verifiers  # noqa: PLC0415

        backend = BearerAuthBackend(Verifiers(self._auth))
        return [Middleware(AuthenticationMiddleware, backend=backend), Middleware(AuthContextMiddleware)]

    @property
    def routes(self) -> list[BaseRoute]:
        """Where hosts learn which authorization server to turn to."""
        if self._auth is None or (oauth := self._auth.oauth) is None:
            return []
        return [
            *create_protected_resource_routes(
                resource_url=_URL.validate_python(oauth.resource),
                authorization_servers=[_URL.validate_python(oauth.issuer)],
                scopes_supported=list(oauth.scopes) or None,
                resource_name="paste-mcp",
            )
        ]


def settings(names: Iterable[str]) -> TransportSecuritySettings:
    """Only requests that name one of these are served, and of web pages only those that come from there: a page that a
    name was pointed at us for must not reach the proxy.
    """
    written = [f"[{name}]" if ":" in name and not name.startswith("[") else name for name in names]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[host for name in written for host in (name, f"{name}:*")],
        allowed_origins=[
            origin for name in written for scheme in ("http", "https") for origin in _origins(scheme, name)
        ],
    )


def _origins(scheme: str, name: str) -> tuple[str, str]:
    return f"{scheme}://{name}", f"{scheme}://{name}:*"


def _resource_host(auth: Auth | None) -> tuple[str, ...]:
    if auth is None or auth.oauth is None:
        return ()
    return (_URL.validate_python(auth.oauth.resource).host or "",)
