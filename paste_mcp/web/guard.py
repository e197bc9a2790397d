"""Who may ask: only a page of ours on this machine, and only with the token that was printed to its user.

Other sites' pages are kept out by the names they call us (DNS rebinding), by their Origin and by lacking the token;
other users of the machine by lacking the token.
"""

from __future__ import annotations

from secrets import compare_digest
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guard:
    """Stands before the whole application."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        app = self._app if refusal is None else JSONResponse({"error": refusal}, 403)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _name(host) not in HOSTS:
            return "this page is served to this machine only; open the address that was printed"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "another site may not ask"
        if not str(scope["path"]).startswith("/api/"):
            return None
        given = headers.get("x-paste-token") or QueryParams(scope["query_string"]).get("token", "")
        if scope["method"] != "GET":
            given = headers.get("x-paste-token", "")
        if not compare_digest(given.encode(), self._token.encode()):
            return "the token is missing or old; open the address that was printed last"
        return None


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
