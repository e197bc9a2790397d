"""The one module that touches private or provisional parts of the MCP SDK.

Everything above it deals in plain dicts: a `Request` from the host, a `Peer` towards a server. If a release of the
SDK moves something, it is mended here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import anyio
from anyio.abc import TaskStatus
from mcp import MCPError
from mcp.client._memory import InMemoryTransport as InMemoryTransport  # noqa: PLC0414 - handed on
from mcp.server import Server
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken, principal_components
from mcp.server.connection import Connection, NotifyOnlyOutbound, allowed_log_levels
from mcp.server.context import CallNext, ServerRequestContext
from mcp.server.lowlevel.server import NotificationOptions
from mcp.server.runner import (
    ServerRunner,
    _has_modern_envelope,
    _initialize_after_modern_data,
    _NoServerRequestsDispatchContext,
    aclose_shielded,
    modern_error_data,
    serve_dual_era_loop,
    serve_one,
)
from mcp.server.streamable_http import EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.dispatcher import CallOptions, DispatchContext, Dispatcher, ProgressFnT
from mcp.shared.inbound import InboundLadderRejection, classify_inbound_request
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.message import SessionMessage
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PROTOCOL_VERSION_META_KEY,
    UNSUPPORTED_PROTOCOL_VERSION,
)
from mcp_types.version import LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION, MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request as HttpRequest

__all__ = [
    "ENVELOPE",
    "LATEST_HANDSHAKE_VERSION",
    "LATEST_MODERN_VERSION",
    "MODERN_PROTOCOL_VERSIONS",
    "RELAYED",
    "AccessToken",
    "Connect",
    "HttpManager",
    "MCPError",
    "Peer",
    "Request",
    "RequestHandler",
    "Streams",
    "create_mcp_http_client",
    "has_envelope",
    "make_server",
    "no_answer",
    "serve_dispatcher",
    "serve_streams",
]

Streams: TypeAlias = tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]
Connect: TypeAlias = "Callable[[], AbstractAsyncContextManager[Peer]]"
"""Starts or reaches a server."""

ENVELOPE = frozenset({PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY})
"""`_meta` keys by which a 2026-07-28 request carries what a handshake carried before."""


class Channel(Protocol):
    """A way to reach a peer: for one request, or for the whole connection."""

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]: ...

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None: ...


@dataclass(slots=True, eq=False)
class Request:
    """One request or notification of the host, raw."""

    method: str
    params: dict[str, Any]
    id: str | int | None
    version: str
    state: Any
    """What the transport was given as its state: a session, or the proxy where sessions come per connection."""
    http: HttpRequest | None
    _connection: Connection
    _channel: DispatchContext[Any]

    @property
    def modern(self) -> bool:
        return self.version in MODERN_PROTOCOL_VERSIONS

    @property
    def meta(self) -> dict[str, Any]:
        found = self.params.get("_meta")
        return found if isinstance(found, dict) else {}

    @property
    def capabilities(self) -> dict[str, Any]:
        """What the host declared with this very request, as it does on 2026-07-28."""
        found = self.meta.get(CLIENT_CAPABILITIES_META_KEY)
        return found if isinstance(found, dict) else {}

    def continue_as(self, later: Request) -> None:
        """Be the host's `later` request from now on: what is said of the call goes on that one's stream. What is asked
        for stays the same.
        """
        self.params = {**self.params, "_meta": later.meta}
        self.id, self.http = later.id, later.http
        self._connection, self._channel = later._connection, later._channel

    def another(self, method: str, params: dict[str, Any], id: str | int, http: HttpRequest, channel: Any) -> Request:
        """A later request on the same connection."""
        return Request(method, params, id, self.version, self.state, http, self._connection, channel)

    def hears(self, level: Any) -> bool:
        """Whether a log message of this level may be sent for this request: on 2026-07-28 it must ask for logs."""
        return not self.modern or (isinstance(level, str) and level in allowed_log_levels(self.version, self.meta))

    @property
    def channel(self) -> Channel:
        """Reaches the host on this request's own stream."""
        return self._channel

    @property
    def standalone(self) -> Channel:
        """Reaches the host outside any request, where its transport can."""
        return self._connection.outbound

    @property
    def connection_state(self) -> dict[str, Any]:
        """Scratch space that lives as long as the host's connection; per request on 2026-07-28."""
        return self._connection.state

    def on_disconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Call back when the host's connection closes."""
        self._connection.exit_stack.push_async_callback(callback)

    @property
    def host_ready(self) -> anyio.Event:
        """Set once the host may be asked something."""
        return self._connection.initialized

    async def progress(self, progress: float, total: float | None, message: str | None) -> None:
        await self._channel.progress(progress, total, message)

    @property
    def principal(self) -> str | None:
        """Who the host proved to be, where authentication is on."""
        token = get_access_token()
        return None if token is None else "\0".join(part or "" for part in principal_components(token))


RequestHandler: TypeAlias = Callable[
    [Request, Callable[[], Awaitable[dict[str, Any] | None]]], Coroutine[Any, Any, Any]
]


def make_server(
    name: str,
    version: str,
    state: Any,
    handle: RequestHandler,
    input_schema: Callable[[str], Mapping[str, Any] | None],
) -> Server[Any]:
    """The SDK's server with one middleware that answers everything by `handle(request, sdk_answer)`.

    The SDK keeps the handshake, era routing and HTTP sessions. `state` is what requests of streamable HTTP carry;
    stream transports bring their own.
    """

    async def relay(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> Any:
        async def sdk_answer() -> Any:
            return await call_next(ctx)

        return await handle(_request(ctx), sdk_answer)

    @asynccontextmanager
    async def lifespan(_: Server[Any]) -> AsyncIterator[Any]:
        yield state

    server: Server[Any] = Server(name, version=version, get_tool_input_schema=input_schema, lifespan=lifespan)
    server.middleware[:] = [relay]
    return server


def _request(ctx: ServerRequestContext[Any, Any]) -> Request:
    return Request(
        method=ctx.method,
        params=dict(ctx.params or {}),
        id=ctx.request_id,
        version=ctx.protocol_version,
        state=ctx.lifespan_context,
        http=ctx.request if isinstance(ctx.request, HttpRequest) else None,
        # No public accessors in mcp 2.3.
        _connection=ctx.session._connection,
        _channel=ctx.session._request_outbound,
    )


class HttpManager(StreamableHTTPSessionManager):
    """The SDK's keeper of HTTP sessions, with `make_events()` for each session.

    The SDK would give all sessions one event store, in which streams go by the hosts' request ids alone: whoever
    resumed the stream of his request 1 would be sent the answers to everybody's request 1.
    """

    def __init__(
        self,
        server: Server[Any],
        make_events: Callable[[], EventStore],
        retry_interval_ms: int,
        security: TransportSecuritySettings | None,
        max_sessions: int,
    ) -> None:
        self._make_events = make_events
        super().__init__(
            server, retry_interval=retry_interval_ms, security_settings=security, max_sessions=max_sessions
        )

    @property
    def event_store(self) -> EventStore | None:
        return self._make_events()  # Read once for each new session.

    @event_store.setter
    def event_store(self, _: EventStore | None) -> None: ...

    def touch(self, session_id: str) -> bool:
        """A request that the SDK does not see is proof of life as well. Whether there is such a session."""
        transport = self._server_instances.get(session_id)
        if transport is None or transport.is_terminated:
            return False
        if (scope := transport.idle_scope) is not None and transport._idle_timeout is not None:
            if scope.cancel_called:
                return False
            # Not each time: a deadline is not moved for nothing.
            if scope.deadline - (now := anyio.current_time()) < transport._idle_timeout / 2:
                scope.deadline = now + transport._idle_timeout
        return True


async def serve_streams(server: Server[Any], read: Any, write: Any, state: Any) -> None:
    """Serve one host over a stream pair, in the era its first request opens with, until it leaves."""
    options = server.create_initialization_options(NotificationOptions(True, True, True))
    await serve_dual_era_loop(server, read, write, lifespan_state=state, init_options=options)


RELAYED = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
"""Requests that `handle` answers without the SDK, and which are not led through its server where that can be spared."""


async def serve_dispatcher(
    server: Server[Any], dispatcher: Dispatcher[Any], state: Any, handle: RequestHandler
) -> None:
    """What `serve_streams` does, for a host behind a dispatcher of our own. The dispatcher must answer `initialize`
    before it reads on. `handle` is the server's own.
    """
    options = server.create_initialization_options(NotificationOptions(True, True, True))
    connection = Connection.for_loop(dispatcher)
    legacy = ServerRunner(server, connection, state, init_options=options)
    modern: bool | None = None

    async def on_request(dctx: DispatchContext[Any], method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        nonlocal modern
        enveloped = method != "initialize" and _has_modern_envelope(params)
        if modern is None:
            modern = enveloped
        if modern:
            return await _answer_modern(server, dispatcher, state, dctx, method, params)
        if enveloped:
            raise MCPError(
                INVALID_REQUEST, "this connection was opened by a handshake; the envelope has no place on it"
            )
        if method in RELAYED:
            version = connection.protocol_version
            request = Request(method, dict(params or {}), dctx.request_id, version, state, None, connection, dctx)
            result: dict[str, Any] = await handle(request, no_answer)
            return result
        return await legacy.on_request(dctx, method, params)

    try:
        await dispatcher.run(on_request, legacy.on_notify)
    finally:
        await aclose_shielded(connection)


def has_envelope(params: Mapping[str, Any]) -> bool:
    """Whether a request with these parameters is one of 2026-07-28."""
    return _has_modern_envelope(params)


async def no_answer() -> None:
    """What the SDK knows of a relayed request."""
    raise MCPError(INTERNAL_ERROR, "the SDK knows no answer to a relayed request")


async def _answer_modern(
    server: Server[Any],
    dispatcher: Dispatcher[Any],
    state: Any,
    dctx: DispatchContext[Any],
    method: str,
    params: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """One request of 2026-07-28: it carries its own connection."""
    if method == "initialize":
        raise MCPError(
            UNSUPPORTED_PROTOCOL_VERSION,
            "this connection serves 2026-07-28; there is no handshake on it",
            _initialize_after_modern_data(params),
        )
    route = classify_inbound_request({"method": method, "params": params})
    if isinstance(route, InboundLadderRejection):
        raise MCPError(route.code, route.message, route.data)
    connection = Connection.from_envelope(
        route.protocol_version, route.client_info, route.client_capabilities, outbound=NotifyOnlyOutbound(dispatcher)
    )
    quiet = _NoServerRequestsDispatchContext(dctx)
    try:
        return await serve_one(server, quiet, method, params, connection=connection, lifespan_state=state)
    except Exception as error:
        told = modern_error_data(error)
        if isinstance(error, MCPError) and error.error == told:
            raise  # as it came, with what the model of an error has no place for
        raise MCPError.from_error_data(told) from error


class Peer:
    """A server at the other end of a stream pair: raw requests out, its own requests and notifications in."""

    def __init__(self, dispatcher: Dispatcher[Any]) -> None:
        self._dispatcher = dispatcher

    @classmethod
    def over(cls, streams: Streams) -> Peer:
        """A server behind one of the SDK's own transports."""
        return cls(JSONRPCDispatcher(*streams))

    async def run(
        self,
        on_request: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]],
        on_notify: Callable[[str, dict[str, Any] | None], Awaitable[None]],
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Pump messages until the connection ends."""

        async def request(_: Any, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
            return await on_request(method, dict(params or {}))

        async def notification(_: Any, method: str, params: Mapping[str, Any] | None) -> None:
            await on_notify(method, None if params is None else dict(params))

        await self._dispatcher.run(request, notification, task_status=task_status)

    async def request(
        self,
        method: str,
        params: dict[str, Any],
        *,
        timeout_s: float | None = None,
        on_progress: ProgressFnT | None = None,
        headers: dict[str, str] | None = None,
        cancellable: bool = True,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """The raw result. Raises `MCPError`. Cancelling the caller cancels the request at the server."""
        options: CallOptions = {"cancel_on_abandon": cancellable}
        if timeout_s is not None:
            options["timeout"] = timeout_s
        if on_progress is not None:
            options["on_progress"] = on_progress
        if headers:
            options["headers"] = headers
        if request_id is not None:
            options["request_id"] = request_id
        return await self._dispatcher.send_raw_request(method, params, options)

    async def notify(self, method: str, params: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        await self._dispatcher.notify(method, params, {"headers": headers} if headers else None)
