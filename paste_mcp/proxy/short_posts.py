"""A call over HTTP that is answered soon is answered in plain JSON; only one that takes its time, or of which something
is to be said meanwhile, is led through the SDK and given a stream of events, which costs more than all else.

Whom to serve is the SDK's decision, never ours: it is asked first, and what follows with the very same headers is let
in as well (up to 2025-11-25, where a session's id is one of them).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mcp.shared.dispatcher import CallOptions
from mcp_types import CONNECTION_CLOSED
from starlette.requests import Request as HttpRequest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paste_mcp.proxy.jsonrpc import error_of, is_id
from paste_mcp.proxy.sdk import RELAYED, HttpManager, Request, RequestHandler, has_envelope, no_answer
from paste_mcp.proxy.wire import decode, encode

SOON_S = 0.25
"""How long a call may take before its stream is opened. Before, a host whose connection breaks has lost the answer."""
MAX_BODY_BYTES = 1024 * 1024
_SESSION = b"mcp-session-id"
_HELD = "paste_mcp.held"
"""Where a call is found in its request's ASGI scope."""

Headers: TypeAlias = list[tuple[bytes, bytes]]


@dataclass(slots=True, eq=False)
class _LetIn:
    """A session, and how the SDK let in its latest request."""

    headers: Headers
    path: str
    request: Request


class Held:
    """A call under way that has no stream yet. To the call itself, the channel: it opens a stream once used."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.task: asyncio.Task[Any]
        self.settled: asyncio.Future[None] = loop.create_future()
        """Done once the call is, or once it is to be handed over."""
        self.request: asyncio.Future[Request] = loop.create_future()
        """The call as it comes from the SDK."""

    def settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)

    async def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        """The call. Settled within its last step, not by a callback: that would take a turn of the loop more."""
        try:
            return await call
        finally:
            self.settle()

    async def handed_over(self, request: Request) -> Any:
        """What comes of the call, which the SDK now knows as `request`."""
        self.request.set_result(request)
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            self.task.cancel()
            raise

    async def _real(self) -> Request:
        self.settle()
        return await asyncio.shield(self.request)

    # --- the call's channel -----------------------------------------------------------------------------------------

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        await (await self._real()).channel.notify(method, params, opts)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        return await (await self._real()).channel.send_raw_request(method, params, opts)

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        await (await self._real()).progress(progress, total, message)


class ShortPosts:
    """An ASGI application before the SDK's. On asyncio, as the HTTP server is."""

    def __init__(self, app: ASGIApp, manager: HttpManager, handle: RequestHandler) -> None:
        self._app = app
        self._manager = manager
        self._handle = handle
        self._let_in: dict[str, _LetIn] = {}
        self._held: dict[str, set[Held]] = {}

    # --- from the SDK -----------------------------------------------------------------------------------------------

    def let_in(self, request: Request) -> None:
        """The SDK let this request in."""
        if request.http is None or request.modern or "user" in request.http.scope:
            return
        headers = _headers(request.http.scope)
        if (session := _session(headers)) is None:
            return
        if session not in self._let_in:

            async def forget() -> None:
                self._let_in.pop(session, None)

            request.on_disconnect(forget)
        self._let_in[session] = _LetIn(headers, request.http.scope["path"], request)

    @staticmethod
    def held(request: Request) -> Held | None:
        """The call that the SDK brings here, where it is under way already."""
        return request.http.scope.get(_HELD) if request.http is not None else None

    # --- from the HTTP server ---------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope) if scope["type"] == "http" else []
        if (session := _session(headers)) is None:
            return await self._app(scope, receive, send)
        known = self._let_in.get(session)
        if known is not None and (scope["method"], scope["path"], headers) == ("POST", known.path, known.headers):
            body, events = await _body(receive)
            receive = _again(events, receive)
            if (message := _call(body)) is not None and self._manager.touch(session):
                return await self._answer(session, known.request, message, scope, receive, send)
        # It may be about a call that the SDK does not know yet, as its cancellation is.
        for held in list(self._held.get(session, ())):
            held.settle()
            await asyncio.wait({held.task, held.request}, return_when=asyncio.FIRST_COMPLETED)
        return await self._app(scope, receive, send)

    async def _answer(
        self, session: str, before: Request, message: dict[str, Any], scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope[_HELD] = held = Held()
        method, id = message["method"], message["id"]
        request = before.another(method, message.get("params") or {}, id, HttpRequest(scope), held)
        loop = asyncio.get_running_loop()
        held.task = loop.create_task(held.run(self._handle(request, no_answer)))
        held.task.add_done_callback(_heard)
        alarm = loop.call_later(SOON_S, held.settle)
        others = self._held.setdefault(session, set())
        others.add(held)
        try:
            await held.settled
            if held.task.done():
                await _respond(send, session, {"jsonrpc": "2.0", "id": id, **_outcome(held.task, method)})
            else:
                await self._app(scope, receive, send)
                if held.request.done():
                    # The host may have gone, and come back for the answer later.
                    await asyncio.wait({held.task})
        finally:
            alarm.cancel()
            held.task.cancel()
            others.discard(held)
            if not others:
                self._held.pop(session, None)


def _heard(task: asyncio.Task[Any]) -> None:
    """Whoever waits for it hears of its failure; perhaps nobody does any more."""
    if not task.cancelled():
        task.exception()


def _outcome(task: asyncio.Task[Any], method: str) -> dict[str, Any]:
    if task.cancelled():
        return {"error": {"code": CONNECTION_CLOSED, "message": "Connection closed"}}
    error = task.exception()
    if isinstance(error, Exception):
        return {"error": error_of(error, method)}
    return {"result": task.result()}


async def _respond(send: Send, session: str, answer: dict[str, Any]) -> None:
    body = encode(answer)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (_SESSION, session.encode("latin-1")),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers(scope: Scope) -> Headers:
    """What must be the same for a request to be let in without asking the SDK: all but the length of the body."""
    return [header for header in scope["headers"] if header[0] != b"content-length"]


def _session(headers: Headers) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name == _SESSION), None)


async def _body(receive: Receive) -> tuple[bytes | None, list[Message]]:
    """The whole body, if it is not too long, and the events it came in."""
    events: list[Message] = []
    size = 0
    while size <= MAX_BODY_BYTES:
        event = await receive()
        events.append(event)
        if event["type"] != "http.request":
            return None, events
        size += len(event["body"])
        if not event.get("more_body"):
            break
    return b"".join(event["body"] for event in events) if size <= MAX_BODY_BYTES else None, events


def _again(events: list[Message], receive: Receive) -> Receive:
    """What was received, received once more, and what comes after it."""

    async def again() -> Message:
        return events.pop(0) if events else await receive()

    return again


def _call(body: bytes | None) -> dict[str, Any] | None:
    """The request in `body`, if it is one that the SDK need not see."""
    try:
        message = decode(body) if body is not None else None
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0" or message.get("method") not in RELAYED:
        return None
    params = message.get("params")
    plain = isinstance(params, dict) and not has_envelope(params)
    return message if plain and is_id(message.get("id")) else None
