"""A link to one server: start it, agree on a protocol era, carry raw requests, start it again when it dies.

A link knows nothing of speculation or of other servers. It never repeats a request that the server may have seen.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from anyio.abc import TaskStatus
from mcp_types import CONNECTION_CLOSED

from paste_mcp.proxy import clock
from paste_mcp.proxy.greeting import Greeting, Host, OldServer, dress, greet
from paste_mcp.proxy.http import surely_not_run
from paste_mcp.proxy.listening import ACKNOWLEDGED, Listening, unstamped
from paste_mcp.proxy.logins import LoginError
from paste_mcp.proxy.patience import Patience
from paste_mcp.proxy.reports import METHOD, Reports, Tell
from paste_mcp.proxy.sdk import Connect, MCPError, Peer

logger = logging.getLogger("paste_mcp")

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
PATIENCE_S = 5.0
"""How long a request waits for a pause between two starts to end, before it is told that the server is down."""
MAX_PAGES = 1000
"""Pages of one listing that are asked for; a server that has more is cut off, not looped with for ever."""


class LinkDown(MCPError):
    """The server is not running; the message says why."""

    def __init__(self, alias: str, reason: str) -> None:
        super().__init__(CONNECTION_CLOSED, f"server {alias!r} is not available: {reason}")


OnRequest = Callable[["Link", str, dict[str, Any]], Awaitable[dict[str, Any]]]
OnNotify = Callable[["Link", str, dict[str, Any] | None], Awaitable[None]]
OnUp = Callable[["Link"], Awaitable[None]]


class Link:
    """One server, for one session. `run` keeps it up; `request` may be called side by side from many tasks."""

    def __init__(
        self, alias: str, connect: Connect, host: Host, start_timeout_s: float, call_timeout_s: float | None = None
    ) -> None:
        self.alias = alias
        self.greeting: Greeting | None = None
        self.problem: str | None = None
        """Why the server is not available, while it is not."""
        self.subscribers: dict[str, set[Any]] = {}
        """Who wants to hear of changes of which resource."""
        self._connect = connect
        self._host = host
        self._start_timeout_s = start_timeout_s
        self._patience = Patience(call_timeout_s)
        self._reports = Reports()
        self._peer: Peer | None = None
        self._listening: Listening | None = None
        self.old = False
        """Whether the server is known to fall silent, or to die, when it is asked for its era."""
        self._next_start = 0.0
        self._end_life: Callable[[], None] | None = None
        self._renewing = False
        self._settled = anyio.Event()
        self._wanted = anyio.Event()
        self._cleared = anyio.Event()
        """Set while nothing is left of an earlier life of the server."""
        self._cleared.set()

    @property
    def up(self) -> bool:
        return self._peer is not None

    @property
    def modern(self) -> bool:
        """Whether it is known to speak 2026-07-28 or later."""
        return self.greeting is not None and self.greeting.modern

    async def settled(self) -> None:
        """Wait until the present attempt to start has succeeded or failed."""
        await self._settled.wait()

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_up: OnUp,
        on_down: Callable[[Link], None],
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Keep the server up until cancelled. After a failure it is started again when somebody asks for it, with
        pauses that grow to a minute and begin anew after a success.
        """
        task_status.started()
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await self._serve_once(on_request, on_notify, on_up, on_down)
                self.problem = "its connection ended"
                pause_s = FIRST_PAUSE_S
                if self._renewing:
                    logger.info("server %s: it lost our session", self.alias)
                    self._renewing = False
                    # A server that loses every session is not greeted in a tight loop.
                    await anyio.sleep_until(self._up_since + FIRST_PAUSE_S)
                    self._cleared.set()
                    continue
            except Exception as error:
                if isinstance(cause := _first_cause(error), OldServer):
                    self.old = True
                    continue
                self.problem = _one_line(cause)
            logger.warning("server %s: %s", self.alias, self.problem)
            self._next_start = clock.now() + pause_s
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            self._settled.set()
            self._cleared.set()
            await self._wanted.wait()
            await anyio.sleep_until(self._next_start)
            self._wanted = anyio.Event()

    def want(self) -> None:
        """Have the server started again, if it is down, as soon as its pause is over."""
        if self._peer is None and self._cleared.is_set() and self._settled.is_set():
            self._settled = anyio.Event()
            self._wanted.set()

    async def request(
        self,
        method: str,
        params: dict[str, Any],
        *,
        timeout_s: float | None = None,
        schema: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The server's raw result. Raises `MCPError`, among them `LinkDown`. `schema` is the called tool's input
        schema, from which a modern server's `Mcp-Param-*` headers are made.
        """
        peer, greeting = await self._ready()
        try:
            return await self._send(peer, greeting, method, params, timeout_s, schema)
        except MCPError as error:
            if not surely_not_run(error):
                raise
            self._renew(peer)
        peer, greeting = await self._ready()
        try:
            return await self._send(peer, greeting, method, params, timeout_s, schema)
        except MCPError as error:
            raise LinkDown(self.alias, error.message) if surely_not_run(error) else error from None

    async def call(
        self,
        method: str,
        params: dict[str, Any],
        *,
        tell: Tell | None = None,
        schema: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What `request` does, for a host: given up when the server is silent for longer than it may be."""

        if tell is None and not self._patience.limited:
            return await self.request(method, params, schema=schema)

        async def request(tell: Tell) -> dict[str, Any]:
            with self._reports.under(params, tell) as reported:
                return await self.request(method, reported, schema=schema)

        await self._ready()
        return await self._patience.wait(request, tell)

    async def list_all(self, method: str, key: str) -> dict[str, Any]:
        """All pages of a listing as one result; fields beside the items are those of the first page.

        A page may take as long as the start: a server that never lists what it has must not hold up the others.
        """
        first = page = await self.request(method, {}, timeout_s=self._start_timeout_s)
        items = _items(page, key)
        cursors: set[str] = set()
        while isinstance(cursor := page.get("nextCursor"), str) and cursor:
            if cursor in cursors or len(cursors) == MAX_PAGES:
                logger.warning("server %s: %s does not end; cut off at %d items", self.alias, method, len(items))
                break
            cursors.add(cursor)
            page = await self.request(method, {"cursor": cursor}, timeout_s=self._start_timeout_s)
            items += _items(page, key)
        return {**{name: value for name, value in first.items() if name != "nextCursor"}, key: items}

    def subscribe(self, uri: str, user: Any) -> None:
        """This user wants to hear of changes of this resource, and was told that it will."""
        self.subscribers.setdefault(uri, set()).add(user)

    def unsubscribe(self, uri: str, user: Any) -> bool:
        """This user no longer does. Whether nobody does now, so that the server is to be told."""
        users = self.subscribers.get(uri, set())
        users.discard(user)
        if not users:
            self.subscribers.pop(uri, None)
        return not users

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        """Tell the server, if it is up."""
        if self._peer is not None and self.greeting is not None:
            await self._peer.notify(method, params, {"mcp-protocol-version": self.greeting.version})

    # --- starting ---------------------------------------------------------------------------------------------------

    async def _ready(self) -> tuple[Peer, Greeting]:
        if self._peer is not None and self.greeting is not None:
            return self._peer, self.greeting  # every call comes by here, and scopes are dear
        with anyio.move_on_after(self._start_timeout_s):
            await self._cleared.wait()
        self.want()
        # A server that failed again and again is not waited for until its long pause is over.
        if self._peer is None and self._next_start - clock.now() <= PATIENCE_S:
            with anyio.move_on_after(self._start_timeout_s):
                await self._settled.wait()
        if self._peer is None or self.greeting is None:
            raise LinkDown(self.alias, self.problem or "it is still starting")
        return self._peer, self.greeting

    async def _send(
        self,
        peer: Peer,
        greeting: Greeting,
        method: str,
        params: dict[str, Any],
        timeout_s: float | None,
        schema: dict[str, Any] | None,
    ) -> dict[str, Any]:
        if self._listening is not None and method in ("resources/subscribe", "resources/unsubscribe"):
            change = self._listening.subscribe if method == "resources/subscribe" else self._listening.unsubscribe
            await change(str(params.get("uri")))
            return {}
        params, headers = dress(greeting, self._host, method, params, schema)
        return await peer.request(method, params, timeout_s=timeout_s, headers=headers)

    def _renew(self, peer: Peer) -> None:
        """Start the server anew, at once: it has forgotten us, or was not there."""
        if self._peer is peer and self._end_life is not None:
            self._renewing = True
            self._settled = anyio.Event()
            self._end_life()

    async def _serve_once(
        self, on_request: OnRequest, on_notify: OnNotify, on_up: OnUp, on_down: Callable[[Link], None]
    ) -> None:
        """One life of the server: start, greet, serve until the connection ends."""

        async def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
            with self._patience.question():
                return await on_request(self, method, params)

        async def notification(method: str, params: dict[str, Any] | None) -> None:
            if method == METHOD:
                await self._reports.heard(params)
            elif self._listening is None:
                await on_notify(self, method, params)
            elif method == ACKNOWLEDGED:
                await self._listening.acknowledged(params)
            else:
                await on_notify(self, method, unstamped(params))

        async def listen(id: str, filter: dict[str, Any]) -> None:
            assert self.greeting is not None
            method = "subscriptions/listen"
            params, headers = dress(self.greeting, self._host, method, {"notifications": filter}, None)
            await peer.request(method, params, headers=headers, request_id=id)

        async with self._connect() as peer, anyio.create_task_group() as tasks:

            async def pump(*, task_status: TaskStatus[None]) -> None:
                try:
                    await peer.run(request, notification, task_status=task_status)
                finally:
                    # Here, not when the transport is closed: that takes a while, and nobody answers meanwhile.
                    self._lost(on_down)
                tasks.cancel_scope.cancel()

            def end() -> None:
                self._lost(on_down)
                tasks.cancel_scope.cancel()

            await tasks.start(pump)
            try:
                with anyio.fail_after(self._start_timeout_s):
                    self.greeting = await greet(peer, self._host, try_modern=self._host.modern and not self.old)
            except TimeoutError:
                raise LinkDown(self.alias, f"no answer within {self._start_timeout_s:g} s of its start") from None
            self._peer, self.problem = peer, None
            self._end_life, self._up_since = end, clock.now()
            # On the new protocol a server speaks of changes only where it was asked to.
            self._listening = Listening(tasks, listen, notification) if self.greeting.modern else None
            await on_up(self)
            self._settled.set()
            if self._listening is not None:
                self._listening.to_lists()

    def _lost(self, on_down: Callable[[Link], None]) -> None:
        """The server no longer answers, if it ever did."""
        if self._peer is not None:
            self._peer = self._listening = None
            self._cleared = anyio.Event()
            on_down(self)


def _items(page: dict[str, Any], key: str) -> list[Any]:
    items = page.get(key)
    return list(items) if isinstance(items, list) else []


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _one_line(error: BaseException) -> str:
    """An error in one line fit for a log and for a host's eyes."""
    if isinstance(error, LinkDown):
        return error.message.partition(": ")[2]
    if isinstance(error, MCPError):
        return error.message
    if isinstance(error, LoginError):
        return str(error)
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
