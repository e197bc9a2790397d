"""JSON-RPC over streamable HTTP, the client's side: the fast way to a server that is reached without TLS. On asyncio.

Each request is a POST whose response is either the answer in JSON, or a stream of events that ends with it. Up to
2025-11-25 a session's server may also speak on a stream of its own, which a GET opens.
"""

from __future__ import annotations

import asyncio
import logging
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import anyio
import sniffio
from mcp.shared.dispatcher import CallOptions
from mcp_types import CONNECTION_CLOSED, INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR

from paste_mcp.proxy.events import EventReader
from paste_mcp.proxy.http import TURNED_AWAY, Refused, nobody, not_run, retry_after_s
from paste_mcp.proxy.http1 import ConnectionLost, Connections, NotReached, Response
from paste_mcp.proxy.jsonrpc import JsonRpc, Message, cancellation, is_message
from paste_mcp.proxy.pipes import MAX_LINE_BYTES
from paste_mcp.proxy.sdk import MODERN_PROTOCOL_VERSIONS, MCPError
from paste_mcp.proxy.wire import decode, encode
from paste_mcp.version import __version__

logger = logging.getLogger("paste_mcp")

SESSION, VERSION = "mcp-session-id", "mcp-protocol-version"
MAX_REDIRECTS = 5
MAX_RESUMPTIONS = 2
"""How often in a row a broken stream is asked for again without hearing anything."""
RETRY_S = 1.0
"""How long a server that does not say is left alone before it is asked for the rest of a stream."""
FAREWELL_S = 1.0


def available(url: str) -> bool:
    """Whether the fast way can be had: no TLS, no proxy, no credentials in the address, and asyncio."""
    address = urlsplit(url)
    if address.scheme != "http" or not address.hostname or address.username or address.password:
        return False
    proxies = urllib.request.getproxies()
    proxied = ("http" in proxies or "all" in proxies) and not urllib.request.proxy_bypass(address.hostname)
    return sniffio.current_async_library() == "asyncio" and not proxied


@asynccontextmanager
async def http_dispatcher(
    url: str, headers: Mapping[str, str], refused: Refused = nobody
) -> AsyncIterator[HttpDispatcher]:
    """The server at `url`; its session is ended on the way out."""
    dispatcher = HttpDispatcher(url, headers, refused)
    try:
        yield dispatcher
    finally:
        with anyio.move_on_after(FAREWELL_S, shield=True):
            await dispatcher.leave()
        dispatcher.close()


class HttpDispatcher(JsonRpc):
    """One server, asked by POSTs."""

    def __init__(self, url: str, headers: Mapping[str, str], refused: Refused = nobody) -> None:
        super().__init__()
        self._refused = refused
        self._address = urlsplit(url)
        self._connections = Connections(self._address.hostname or "", self._address.port or 80)
        self._target = _target(self._address)
        given = {name.lower(): value for name, value in headers.items()}
        self._headers = {
            "host": self._address.netloc,
            "user-agent": f"paste-mcp/{__version__}",
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",
            "content-type": "application/json",
            **given,
        }
        self._session: str | None = None
        self._version: str | None = None
        self._last_own: dict[str, str | None] = {}
        self._last_head = _head(self._headers)

    def close(self) -> None:
        self._connections.close()

    async def leave(self) -> None:
        """Tell the server that the session is over, if there is one."""
        if self._session is not None:
            try:
                await (await self._request("DELETE", b"", {})).skip()
            except (NotReached, ConnectionLost) as error:
                logger.debug("a session could not be ended: %s", error)

    # --- the carrier's part -----------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Everything but the session's own stream comes in answer to something."""

    async def _send(self, message: Message, options: CallOptions) -> None:
        method, asks = message.get("method"), "method" in message and "id" in message
        if method == "initialize":
            # What a probe was asked in has no place in a handshake.
            self._version = None
        headers = options.get("headers") or {}
        self._version = headers.get(VERSION, self._version)
        try:
            response = await self._request("POST", encode(message), headers)
            if asks:
                await self._take_answer(message, response)
            else:
                await response.skip()
        except NotReached as error:
            if asks:
                raise not_run(f"cannot be reached: {error}") from None
            logger.debug("%s was not told: %s", method, error)
        except ConnectionLost as error:
            if asks:
                raise MCPError(CONNECTION_CLOSED, f"connection lost: {error}") from None
            logger.debug("%s was perhaps not told: %s", method, error)
        if method == "notifications/initialized" and self._session is not None:
            self._start(self._hear_session())

    def _abandon(self, message: Message, reason: str) -> None:
        # On the new protocol nothing is said: the response that was closed says it.
        if self._version not in MODERN_PROTOCOL_VERSIONS:
            self._start(self._send(cancellation(message["id"], reason), {}))

    # --- requests and their answers ---------------------------------------------------------------------------------

    async def _request(self, method: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """The response, redirects within the server followed. Raises `NotReached`, `ConnectionLost`."""
        own = {SESSION: self._session, VERSION: self._version, **headers}
        if own != self._last_own:
            self._last_own, self._last_head = own, _head(self._headers | own)
        for _ in range(MAX_REDIRECTS):
            start = f"{method} {self._target} HTTP/1.1\r\n{self._last_head}content-length: {len(body)}\r\n\r\n"
            response = await self._connections.request(start.encode() + body)
            if response.status not in (307, 308) or (target := self._moved(response)) is None:
                return response
            await response.skip()
            self._target = target
        return response

    def _moved(self, response: Response) -> str | None:
        """Where on the same server the endpoint has moved to."""
        there = urlsplit(urljoin(self._address.geturl(), response.headers.get("location", "")))
        return _target(there) if (there.scheme, there.netloc) == (self._address.scheme, self._address.netloc) else None

    async def _take_answer(self, request: Message, response: Response) -> None:
        if response.status == 202:
            await response.skip()
            raise MCPError(INVALID_REQUEST, "the server accepted a request and will not answer it")
        if response.status in TURNED_AWAY:
            self._refused(retry_after_s(response.headers.get("retry-after")))
        if response.status >= 300:
            raise await self._refusal(response)
        if request["method"] == "initialize":
            self._session = response.headers.get(SESSION)
        if response.content_type == "application/json":
            self._hear_answer(request, _message(await response.read(MAX_LINE_BYTES)))
        elif response.content_type == "text/event-stream":
            await self._take_stream(request, response)
        else:
            response.close()
            raise MCPError(INVALID_REQUEST, f"Unexpected content type: {response.content_type}")

    async def _refusal(self, response: Response) -> MCPError:
        """What an HTTP status that is no success is told as."""
        if response.status < 400:
            await response.skip()
            return MCPError(INVALID_REQUEST, f"redirected to {response.headers.get('location', '')}: not followed")
        body = await response.read(MAX_LINE_BYTES)
        error: Any = None
        if response.content_type == "application/json":
            try:
                error = decode(body)["error"]
                refusal = MCPError(error["code"], str(error["message"]), error.get("data"))
            except (ValueError, LookupError, TypeError, AttributeError):
                error = None
        if response.status == 404 and self._session is not None and (error is None or refusal.code != METHOD_NOT_FOUND):
            return not_run("session lost")
        if error is not None:
            return refusal
        if response.status == 404:
            return MCPError(METHOD_NOT_FOUND, "Not Found")
        return MCPError(INTERNAL_ERROR, f"Server returned HTTP status {response.status}")

    def _hear_answer(self, request: Message, message: Message) -> None:
        """The answer, whatever id the server gave it: nothing else can come here."""
        if "method" in message:
            raise MCPError(INVALID_REQUEST, "the server answered by a request")
        self.heard({**message, "id": request["id"]})

    # --- streams ----------------------------------------------------------------------------------------------------

    async def _take_stream(self, request: Message, response: Response) -> None:
        """Hear what comes until the answer has; a stream that breaks before is asked for the rest."""
        stream, attempts = _Stream(), 0
        try:
            while not await self._hear_stream(stream, response, request):
                attempts = 0 if stream.heard_something else attempts + 1
                if stream.last_id is None or attempts > MAX_RESUMPTIONS:
                    raise ConnectionLost("the stream ended without an answer")
                response = await self._resumed(stream)
        except BaseException:
            response.close()
            raise
        self._start(_drained(response))

    async def _resumed(self, stream: _Stream) -> Response:
        """The rest of a stream. Raises `ConnectionLost` where nobody can tell what became of the request."""
        await asyncio.sleep(stream.retry_s)
        try:
            response = await self._request("GET", b"", {"last-event-id": stream.last_id or ""})
        except NotReached as error:
            raise ConnectionLost(str(error)) from None
        if response.status != 200 or response.content_type != "text/event-stream":
            response.close()
            raise ConnectionLost(f"the stream cannot be resumed (HTTP status {response.status})")
        return response

    async def _hear_stream(self, stream: _Stream, response: Response, request: Message | None) -> bool:
        """Whether the answer to `request` came before the stream's end."""
        reader = EventReader(MAX_LINE_BYTES)
        stream.heard_something = False
        try:
            while piece := await response.piece():
                for event in reader.read(piece):
                    stream.last_id = event.id or stream.last_id
                    stream.retry_s = stream.retry_s if event.retry_ms is None else event.retry_ms / 1000
                    if event.type != "message" or not event.data:
                        continue
                    stream.heard_something = True
                    message = _message(event.data)
                    if "method" in message or request is None:
                        self.heard(message)
                        # What is told before an answer is heard before it.
                        await asyncio.sleep(0)
                    else:
                        self._hear_answer(request, message)
                        return True
        except ConnectionLost as error:
            logger.debug("a stream broke: %s", error)
        except ValueError as error:
            raise MCPError(PARSE_ERROR, f"no event stream: {error}") from None
        return False

    async def _hear_session(self) -> None:
        """What the server says of its own accord, as long as it lets us hear it."""
        stream = _Stream()
        attempts = 0
        while attempts < MAX_RESUMPTIONS:
            try:
                last = {} if stream.last_id is None else {"last-event-id": stream.last_id}
                response = await self._request("GET", b"", {"accept": "text/event-stream", **last})
                try:
                    if response.status != 200 or response.content_type != "text/event-stream":
                        return logger.debug("a server has nothing to say (HTTP status %d)", response.status)
                    await self._hear_stream(stream, response, None)
                finally:
                    response.close()
                attempts = 0
            except (NotReached, ConnectionLost, MCPError) as error:
                logger.debug("a session's stream failed: %s", error)
                attempts += 1
            await asyncio.sleep(stream.retry_s)
        return None


class _Stream:
    """How far a stream of events was heard."""

    def __init__(self) -> None:
        self.last_id: str | None = None
        self.retry_s = RETRY_S
        self.heard_something = False


async def _drained(response: Response) -> None:
    """Wait for the end of a stream that has said all: its connection can be used again then."""
    with suppress(TimeoutError, ConnectionLost):
        async with asyncio.timeout(FAREWELL_S):
            await response.skip()


def _message(data: bytes) -> Message:
    """Raises `MCPError` where it is none."""
    try:
        message = decode(data)
    except ValueError as error:
        raise MCPError(PARSE_ERROR, f"the server's message is no JSON: {error}") from None
    if isinstance(message, dict) and message.get("id", 0) is None:
        message = {**message, "id": 0}  # an error to a request that could not be read
    if not is_message(message):
        raise MCPError(PARSE_ERROR, "the server's message is no JSON-RPC")
    return dict(message)


def _head(headers: Mapping[str, str | None]) -> str:
    """Header lines. Raises `MCPError` for one that would be two."""
    given = {name: value for name, value in headers.items() if value is not None}
    if any(sign in part for item in given.items() for part in item for sign in "\r\n"):
        raise MCPError(INVALID_REQUEST, "a header has a line break in it")
    return "".join(f"{name}: {value}\r\n" for name, value in given.items())


def _target(address: SplitResult) -> str:
    """The path and the query, as they go on a request's first line."""
    return (address.path or "/") + (f"?{address.query}" if address.query else "")
