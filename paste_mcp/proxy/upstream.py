"""What hosts see: the proxy as an MCP server over stdio, SSE and streamable HTTP, in both protocol eras.

Which session a request belongs to is settled here: the process on stdio, the connection on SSE, `Mcp-Session-Id` on
streamable HTTP up to 2025-11-25. On 2026-07-28, where the protocol has no sessions, it is the authenticated principal
together with a name in the path (`/mcp/s/<name>`); without a name there is no session, and so no speculation.
"""

from __future__ import annotations

import logging
import socket
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from types import FrameType
from typing import Any

import anyio
import uvicorn
from anyio.abc import TaskGroup
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp
from mcp.server.transport_security import TransportSecurityMiddleware
from mcp_types import INTERNAL_ERROR, JSONRPCMessage, jsonrpc_message_adapter
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Mount, Route, request_response
from starlette.types import ASGIApp, Receive, Scope, Send

from paste_mcp.config import Config
from paste_mcp.core.engine import Engine
from paste_mcp.core.prediction.forecaster import Forecaster
from paste_mcp.core.speculation.arms import arm_of
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.conduct import Conduct
from paste_mcp.core.speculation.journal import Note, Withheld
from paste_mcp.proxy import clock, pipes, relay
from paste_mcp.proxy.access import Access
from paste_mcp.proxy.dial import follow_dial
from paste_mcp.proxy.edited import EditedPatterns
from paste_mcp.proxy.learning import Learning
from paste_mcp.proxy.lines import LineDispatcher
from paste_mcp.proxy.links import Links
from paste_mcp.proxy.named import NamedSessions
from paste_mcp.proxy.recorder import Recorder
from paste_mcp.proxy.sdk import (
    Connect,
    HttpManager,
    MCPError,
    Request,
    make_server,
    serve_dispatcher,
    serve_streams,
)
from paste_mcp.proxy.session import Session
from paste_mcp.proxy.short_posts import ShortPosts
from paste_mcp.proxy.vetting import Vetting
from paste_mcp.proxy.wire import has_half_pairs
from paste_mcp.store.audit import AuditLog, SessionAudit
from paste_mcp.store.catalogues import Catalogues
from paste_mcp.version import __version__

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

logger = logging.getLogger("paste_mcp")

SERVER_BUSY = -32000
"""JSON-RPC's first code of an implementation's own."""

MAX_SESSIONS = 2000
"""Sessions of hosts that are open at once, each with its own servers; a further one is refused until one ends."""
MAX_REQUESTS = 1024
"""Requests of one session that are under way at once; further ones are refused at once, and do not wait."""
MAX_CONNECTIONS = 4096
"""Connections of hosts at once, if the system lets us have as many."""
RETRY_INTERVAL_MS = 1000
"""How soon a host whose stream broke is asked to come back for the rest of it."""
AUDIT_PAUSE_S = 0.5
"""How long lines of the audit log may wait to be written."""
MAX_EVENTS = 256
MAX_EVENTS_BYTES = 4 * 2**20
"""What one session remembers of what it sent, for hosts that come back; the oldest is forgotten first."""


class Events(EventStore):
    """What one HTTP session was sent lately, so that a host whose stream broke gets the rest of it.

    An event's id is its number and its stream, so that a stream can be resumed after an event that is forgotten.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[int, str, bytes]] = deque()
        self._bytes = 0
        self._last = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self._last += 1
        if message is not None:
            try:
                self._keep(stream_id, message.model_dump_json(by_alias=True, exclude_unset=True).encode())
            except ValueError:
                # Half a surrogate pair cannot be written. An error here would end the session, not just this message.
                logger.debug("a message cannot be kept for resumption")
        return f"{self._last}-{stream_id}"

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        number, found, stream_id = last_event_id.partition("-")
        if not (found and number.isdecimal()):
            return None
        for id, of, text in list(self._kept):
            if id > int(number) and of == stream_id:
                await send_callback(EventMessage(jsonrpc_message_adapter.validate_json(text), f"{id}-{of}"))
        return stream_id

    def _keep(self, stream_id: str, text: bytes) -> None:
        self._kept.append((self._last, stream_id, text))
        self._bytes += len(text)
        while len(self._kept) > MAX_EVENTS or self._bytes > MAX_EVENTS_BYTES:
            self._bytes -= len(self._kept.popleft()[2])


class _Sent(Response):
    """A response that went out already; sending another one after it would be an error of ours."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        return None


class _Endpoint:
    """A handler of requests as an application, which a guard can stand before."""

    def __init__(self, handle: Callable[[HttpRequest], Awaitable[Response]]) -> None:
        self._app = request_response(handle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class Proxy:
    """Everything that sessions share: configuration, patterns, budget. Enter it before serving hosts."""

    def __init__(
        self,
        config: Config,
        forecaster: Forecaster,
        connects: Mapping[str, Connect],
        catalogues: Catalogues,
        make_recorder: Callable[[str], Recorder],
        learning: Learning | None,
        vetting: Vetting,
        audit: AuditLog,
        eagerness: Callable[[], float],
        edited: EditedPatterns | None = None,
    ) -> None:
        self._eagerness = eagerness
        self._config = config
        self._forecaster = forecaster
        self._learning = learning
        self._links = Links(config.servers, connects, catalogues)
        self._catalogues = catalogues
        self._make_recorder = make_recorder
        self.budget = Budget(config.limits, {alias: server.site() for alias, server in config.servers.items()})
        self._conduct = Conduct()
        self._vetting = vetting
        self._audit = audit
        self._edited = edited
        self._policies = {alias: config.policy(alias) for alias in config.servers}
        self._tasks: TaskGroup
        self._sessions: set[Session] = set()
        self._named = NamedSessions(self._open_session, self._close_session)
        self._opening = anyio.Lock()
        self._posts: ShortPosts | None = None
        self.server = make_server("paste-mcp", __version__, self, self._from_sdk, self._input_schema)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        """Hosts may be served inside; at the end every session is closed and every server stopped."""
        async with anyio.create_task_group() as self._tasks:
            self._links.tasks = self._tasks
            self._tasks.start_soon(self._named.run)
            self._tasks.start_soon(self._write_audit)
            self._tasks.start_soon(follow_dial, self._eagerness, self.budget)
            if self._learning is not None:
                self._tasks.start_soon(self._learning.run)
            if self._edited is not None:
                self._tasks.start_soon(self._edited.run)
            try:
                yield self
            finally:
                with anyio.CancelScope(shield=True):
                    async with anyio.create_task_group() as closing:
                        for session in list(self._sessions):
                            closing.start_soon(self._close_session, session)
                    if self._learning is not None:
                        await self._learning.flush()
                    self._audit.close()
                self._tasks.cancel_scope.cancel()

    async def _write_audit(self) -> None:
        """Soon after something happened, but off everybody's way."""
        while True:
            some = anyio.Event()
            self._audit.changed = some.set
            await some.wait()
            await anyio.sleep(AUDIT_PAUSE_S)
            self._audit.flush()

    # --- sessions ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def session(self, *, speculate: bool = True) -> AsyncIterator[Session]:
        """A session of its own for one host connection."""
        session = await self._open_session(speculate)
        try:
            yield session
        finally:
            await self._close_session(session)

    async def _open_session(self, speculate: bool) -> Session:
        id = uuid.uuid4().hex[:12]
        recorder, audit = self._make_recorder(id), self._audit.session(id)
        session = Session(
            self._links,
            self._engine(id, recorder, audit) if speculate else None,
            recorder,
            self._catalogues,
            prefix=self._config.paste.prefix,
            guess_timeouts_s={alias: self._config.call_timeout_s(alias) for alias in self._config.servers},
            met=self._learning.met if self._learning is not None else lambda _: None,
            vetting=self._vetting,
            audit=audit,
        )
        self._sessions.add(session)
        if self._learning is not None:
            self._learning.began(id)
        await self._tasks.start(session.run)
        return session

    def _engine(self, id: str, recorder: Recorder, audit: SessionAudit) -> Engine:
        def heard(note: Note, now: float) -> None:
            recorder.note(note, now)
            audit.heard(note)
            if isinstance(note, Withheld):
                call = note.prediction.call
                logger.debug("not called early: %s of %s (%s)", call.tool, call.server, note.why)

        arm = None if (percent := self._config.paste.ab) is None else arm_of(id, percent)
        if arm is not None:
            recorder.opening["arm"] = arm
        return Engine(
            self._forecaster,
            self.budget,
            self._policies,
            conduct=self._conduct,
            journal=heard,
            sends=arm != "control",
        )

    async def _close_session(self, session: Session) -> None:
        if session in self._sessions:
            self._sessions.discard(session)
            await session.close()
            if self._learning is not None and session.engine is not None:
                self._learning.learner.ended(session.engine.values)

    async def _session_of(self, request: Request) -> Session:
        """The session that a request belongs to, opened on its first request."""
        if isinstance(request.state, Session):
            return request.state
        if not request.modern:
            state = request.connection_state
            async with self._opening:
                if "paste" not in state:
                    session = state["paste"] = await self._open_session(True)
                    request.on_disconnect(lambda: self._close_session(session))
            found: Session = state["paste"]
            return found
        scope = request.http.path_params.get("scope") if request.http is not None else None
        return await self._named.get((request.principal, scope))

    # --- the SDK's hooks --------------------------------------------------------------------------------------------

    async def _from_sdk(self, request: Request, sdk_answer: relay.SdkAnswer) -> dict[str, Any] | None:
        if self._posts is not None:
            if (held := self._posts.held(request)) is not None:
                result: dict[str, Any] | None = await held.handed_over(request)
                return result
            self._posts.let_in(request)
        return await self._handle(request, sdk_answer)

    async def _handle(self, request: Request, sdk_answer: relay.SdkAnswer) -> dict[str, Any] | None:
        session = await self._session_of(request)
        if session.in_use >= MAX_REQUESTS:
            raise MCPError(SERVER_BUSY, f"more than {MAX_REQUESTS} requests of one session at once; ask again later")
        session.in_use += 1
        try:
            answer = await relay.answer(session, request, sdk_answer)
            if request.http is not None and has_half_pairs(answer):
                # The SDK's HTTP would fail to write it, and leave the host without any answer.
                raise MCPError(INTERNAL_ERROR, "the answer holds half a surrogate pair, which HTTP cannot carry")
            return answer
        finally:
            session.in_use -= 1
            session.used_at = clock.now()

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        """The schema by which the SDK checks `Mcp-Param-*` headers. Names are a pure function, so any session's do."""
        for session in self._sessions:
            if (found := session.catalogue.resolve(name)) and (schema := session.catalogue.schema(*found)) is not None:
                return schema
        return None

    # --- transports -------------------------------------------------------------------------------------------------

    async def serve_stdio(self) -> None:
        """Serve the one host on stdin and stdout until it leaves."""
        async with self.session() as session:
            if pipes.own_available():
                async with pipes.own_pipe() as pipe:
                    lines = LineDispatcher(pipe, inline=frozenset({"initialize"}))
                    await serve_dispatcher(self.server, lines, session, self._handle)
            else:
                async with stdio_server() as (read, write):
                    await serve_streams(self.server, read, write, session)

    def http_app(self, host: str = "127.0.0.1") -> ASGIApp:
        """Streamable HTTP at `/mcp` and `/mcp/s/<name>`, listened for on `host`."""
        access = Access(self._config.paste.auth, host)
        manager = HttpManager(self.server, Events, RETRY_INTERVAL_MS, access.security, MAX_SESSIONS)
        endpoint = access.required(StreamableHTTPASGIApp(manager))
        routes = [Route("/mcp", endpoint=endpoint), Route("/mcp/s/{scope}", endpoint=endpoint), *access.routes]
        app = Starlette(routes=routes, middleware=access.middleware, lifespan=lambda _: manager.run())
        self._posts = ShortPosts(app, manager, self._handle)
        return self._posts

    def sse_app(self, host: str = "127.0.0.1") -> ASGIApp:
        """The older transport: `GET /sse` for the stream, `POST /messages/` for the host's messages."""
        access = Access(self._config.paste.auth, host)
        transport = SseServerTransport("/messages/", access.security)

        async def connect(request: HttpRequest) -> Response:
            # Asked before the transport does, which refuses by raising: a traceback for every stranger who knocks.
            if (refusal := await TransportSecurityMiddleware(access.security).validate_request(request)) is not None:
                return refusal
            if len(self._sessions) >= MAX_SESSIONS:
                return Response("Too many open sessions", status_code=503)
            async with (
                transport.connect_sse(request.scope, request.receive, request._send) as (read, write),
                self.session() as session,
            ):
                await serve_streams(self.server, read, write, session)
            return _Sent()

        routes = [
            Route("/sse", endpoint=access.required(_Endpoint(connect)), methods=["GET"]),
            Mount("/messages/", app=access.required(transport.handle_post_message)),
            *access.routes,
        ]
        return Starlette(routes=routes, middleware=access.middleware)

    async def serve_http(self, app: ASGIApp, listener: socket.socket) -> None:
        """Serve hosts that connect to `listener` until the process is asked to stop."""
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=3, limit_concurrency=_most_connections()
        )
        await _Listener(config).serve(sockets=[listener])


def _most_connections() -> int:
    """A quarter of the files that we may open are kept for servers: without one to spare nothing can be accepted."""
    if resource is None:
        return MAX_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS * 4 // 3
    if 0 <= soft < wanted:
        soft = wanted if hard < 0 else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft < 0 else min(MAX_CONNECTIONS, soft * 3 // 4)


class _Listener(uvicorn.Server):
    """Asked to stop, it cuts off the streams that hosts still hold open: that is the point, and no error to report."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)
