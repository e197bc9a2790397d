"""`paste-mcp login`: the part of a login that takes a person. The browser goes to the server's authorization server,
which sends it back to a port of ours with a code; the SDK makes a token of it, and a file keeps that.
"""

from __future__ import annotations

import asyncio
import html
import logging
import webbrowser
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.shared.auth import AuthorizationCodeResult
from pydantic import ValidationError

from paste_mcp.config import ServerConfig
from paste_mcp.proxy.logins import Kept, LoginError, provider, to_keep, trustworthy
from paste_mcp.proxy.sdk import LATEST_HANDSHAKE_VERSION
from paste_mcp.store.logins import LoginFile

PATIENCE_S = 300.0
"""How long the person may take."""
MAX_HEAD_BYTES = 16 * 1024


class Refused(Exception):
    """The login did not come about; the text says why."""


async def login(server: ServerConfig, file: LoginFile, *, browser: bool, tell: Callable[[str], None]) -> bool:
    """Log in and keep it. False where the server lets us in as we are. Raises `Refused`."""
    url, kept = server.url or "", Kept()
    async with _Callback().listening() as callback:

        async def show(where: str) -> None:
            if not trustworthy(where, url):
                raise Refused("it sends the browser to a place that is neither safe (https) nor on this machine")
            tell(f"log in here: {where}")
            if browser:
                # The browser may say things of its own on our streams; what it is given is a URL, never a command.
                await asyncio.to_thread(webbrowser.open, where)

        of = provider(url, kept, callback.address, redirect_handler=show, callback_handler=callback.came)
        logging.getLogger("mcp.client.auth").setLevel(logging.CRITICAL)  # tells by traceback what is told here
        try:
            status = await _knock(server, _Watched(of, url))
        except TimeoutError:
            raise Refused(f"nobody logged in within {PATIENCE_S:g} s") from None
        except (OAuthFlowError, ValidationError) as error:
            raise Refused(_first_line(error)) from None
        except (httpx2.HTTPError, OSError) as error:
            raise Refused(f"cannot be reached: {error or type(error).__name__}") from None
    if kept.tokens is None:
        if status >= 400:
            raise Refused(f"it answered HTTP status {status}")
        return False
    if status in (401, 403):
        raise Refused("it does not accept the token that its authorization server made out")
    file.write(to_keep(kept, of))
    return True


async def _knock(server: ServerConfig, auth: httpx2.Auth) -> int:
    """The HTTP status of a first request."""
    about = {"name": "paste-mcp login", "version": "0"}
    params = {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": about}
    greeting = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    headers = {**server.headers, "accept": "application/json, text/event-stream"}
    method, body = ("GET", None) if server.type == "sse" else ("POST", greeting)
    timeout = httpx2.Timeout(30.0)
    async with (
        httpx2.AsyncClient(timeout=timeout, auth=auth) as client,
        client.stream(method, server.url or "", json=body, headers=headers) as response,
    ):
        status = response.status_code
        if (session := response.headers.get("mcp-session-id")) is not None:
            await client.delete(server.url or "", headers={**headers, "mcp-session-id": session})
    return status


class _Watched(httpx2.Auth):
    """The SDK's login, asked only where a server may send us."""

    def __init__(self, of: OAuthClientProvider, url: str) -> None:
        self._of = of
        self._url = url

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        flow = self._of.async_auth_flow(request)
        try:
            outgoing = await anext(flow)
            while True:
                if outgoing is not request and not trustworthy(str(outgoing.url), self._url):
                    raise Refused("it sends us to a place that is neither safe (https) nor on this machine")
                outgoing = await flow.asend((yield outgoing))
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()


class _Callback:
    """Where the browser comes back to: one port, one path, one answer."""

    def __init__(self) -> None:
        self.address = ""
        self._result: asyncio.Future[AuthorizationCodeResult] = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[_Callback]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
        port = server.sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/callback"
        async with server:
            yield self

    async def came(self) -> AuthorizationCodeResult:
        """What the browser brought. Raises TimeoutError, `Refused`."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._result

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                head = await reader.readuntil(b"\r\n\r\n")
            status, words = self._hear(head.split(b" ", 2)[1].decode("latin-1"))
            body = f"<!doctype html><title>paste-mcp</title><p>{html.escape(words)}".encode()
            start = f"HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\nreferrer-policy: no-referrer\r\n"
            writer.write(f"{start}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
            await writer.drain()
        except (OSError, ValueError, LookupError, EOFError, asyncio.LimitOverrunError):
            pass  # no browser
        finally:
            writer.close()

    def _hear(self, target: str) -> tuple[str, str]:
        found = urlsplit(target)
        if found.path != "/callback":
            return "404 Not Found", "Nothing is here."
        query: dict[str, Any] = {name: values[0] for name, values in parse_qs(found.query).items()}
        if self._result.done():
            return "410 Gone", "This was used already."
        if "code" in query:
            self._result.set_result(
                AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))
            )
            return "200 OK", "Done. You may close this page."
        if "error" in query:
            self._result.set_exception(Refused(f"it was refused: {query['error'][:80]}"))
            return "200 OK", "It was refused. You may close this page."
        return "400 Bad Request", "No code came with this."


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


__all__ = ["LoginError", "Refused", "login"]
