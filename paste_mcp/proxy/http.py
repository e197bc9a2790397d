"""The HTTP client of links: tells a request that surely did not run from one that may have."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import httpx2
from mcp_types import CONNECTION_CLOSED, METHOD_NOT_FOUND

from paste_mcp.proxy import clock
from paste_mcp.proxy.logins import LoginError
from paste_mcp.proxy.sdk import MCPError

_NOT_RUN = {"did not run": secrets.token_hex()}
"""The data of an error that stands for a request that surely did not run; no server can know it."""
CONNECT_TIMEOUT_S = 30.0


def not_run(message: str) -> MCPError:
    """An error of a request that surely did not run."""
    return MCPError(CONNECTION_CLOSED, message, _NOT_RUN)


def surely_not_run(error: MCPError) -> bool:
    """Whether the server never got the request, or refused it because it has lost our session."""
    return bool(error.data == _NOT_RUN)


Refused: TypeAlias = Callable[[float | None], None]
"""Told when a server turns a request away that it might take at another time, with the seconds it asks to wait."""
TURNED_AWAY = frozenset({401, 403, 429})


def nobody(retry_after_s: float | None) -> None:
    """Nobody wants to know."""


def retry_after_s(value: str | None) -> float | None:
    """The header `Retry-After` as seconds from now (RFC 9110, 10.2.3: seconds or a date); None where there is none."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - clock.wall())
    except (ValueError, OverflowError):
        return None


class HttpClient(httpx2.AsyncClient):
    """Answers a request that fails on its way by a JSON-RPC error of its own: one lost request must not take down the
    others of its link. A response may take as long as it likes; the limit on a call is the link's.
    """

    def __init__(self, headers: dict[str, str], auth: httpx2.Auth | None = None, refused: Refused = nobody) -> None:
        self._refused = refused
        super().__init__(headers=headers, timeout=httpx2.Timeout(CONNECT_TIMEOUT_S, read=None), auth=auth)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        if request.method != "POST":
            try:
                return await super().send(request, **options)
            except LoginError as error:
                raise httpx2.RequestError(str(error)) from None
        try:
            response = await super().send(request, **options)
        except LoginError as error:
            return _error(request, 401, str(error), None)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return _error(request, 503, f"cannot be reached: {error or type(error).__name__}", _NOT_RUN)
        except httpx2.TransportError as error:
            return _error(request, 502, f"connection lost: {error or type(error).__name__}", None)
        if response.status_code in TURNED_AWAY:
            self._refused(retry_after_s(response.headers.get("retry-after")))
        if response.status_code == 404 and "mcp-session-id" in request.headers:
            if _code(await response.aread()) == METHOD_NOT_FOUND:
                return response
            return _error(request, 404, "session lost", _NOT_RUN)
        return response


def _error(request: httpx2.Request, status: int, message: str, data: Any) -> httpx2.Response:
    error = {"code": CONNECTION_CLOSED, "message": message, "data": data}
    return httpx2.Response(status, json={"jsonrpc": "2.0", "id": None, "error": error}, request=request)


def _code(body: bytes) -> Any:
    try:
        return json.loads(body)["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return None
