"""A link to one server: start it, agree on a protocol era, carry raw requests, start it again when it dies.

A link knows nothing of speculation or of other servers. It never repeats a request that the server may have seen.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskStatus
from mcp.shared.dispatcher import ProgressFnT
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value, mcp_param_headers, x_mcp_header_map
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    PROTOCOL_VERSION_META_KEY,
    REQUEST_TIMEOUT,
    UNSUPPORTED_PROTOCOL_VERSION,
)

from paste_mcp.proxy import clock
from paste_mcp.proxy.sdk import (
    ENVELOPE,
    LATEST_HANDSHAKE_VERSION,
    LATEST_MODERN_VERSION,
    MODERN_PROTOCOL_VERSIONS,
    Connect,
    MCPError,
    Peer,
)

logger = logging.getLogger("paste_mcp")

PROBE_TIMEOUT_S = 5.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
PATIENCE_S = 5.0
"""How long a request waits for a pause between two starts to end, before it is told that the server is down."""
MAX_PAGES = 100
"""Pages of one listing that are asked for; a server that has more is cut off, not looped with for ever."""
_SUBSCRIPTIONS = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}


class LinkDown(MCPError):
    """The server is not running; the message says why."""

    def __init__(self, alias: str, reason: str) -> None:
        super().__init__(CONNECTION_CLOSED, f"server {alias!r} is not available: {reason}")


class _OldServer(Exception):
    """The era probe got no answer: the server must be started anew and greeted the old way."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the host said of itself, to be said again to servers."""

    info: dict[str, Any]
    capabilities: dict[str, Any]
    modern: bool


@dataclass(slots=True)
class Greeting:
    """What a server said of itself when the link came up."""

    version: str
    capabilities: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    instructions: str | None = None

    @property
    def modern(self) -> bool:
        return self.version in MODERN_PROTOCOL_VERSIONS


OnRequest = Callable[["Link", str, dict[str, Any]], Awaitable[dict[str, Any]]]
OnNotify = Callable[["Link", str, dict[str, Any] | None], Awaitable[None]]
OnUp = Callable[["Link"], Awaitable[None]]


class Link:
    """One server, for one session. `run` keeps it up; `request` may be called side by side from many tasks."""

    def __init__(self, alias: str, connect: Connect, host: Host, start_timeout_s: float) -> None:
        self.alias = alias
        self.greeting: Greeting | None = None
        self.problem: str | None = None
        """Why the server is not available, while it is not."""
        self._connect = connect
        self._host = host
        self._start_timeout_s = start_timeout_s
        self._peer: Peer | None = None
        self._try_modern = host.modern
        self._next_start = 0.0
        self._settled = anyio.Event()
        self._wanted = anyio.Event()
        self._cleared = anyio.Event()
        """Set while nothing is left of an earlier life of the server."""
        self._cleared.set()

    @property
    def up(self) -> bool:
        return self._peer is not None

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
            except Exception as error:
                if isinstance(cause := _first_cause(error), _OldServer):
                    self._try_modern = False
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
        on_progress: ProgressFnT | None = None,
        schema: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The server's raw result. Raises `MCPError`, among them `LinkDown`. `schema` is the called tool's input
        schema, from which a modern server's `Mcp-Param-*` headers are made.
        """
        peer, greeting = await self._ready()
        params, headers = self._dress(greeting, method, params, schema)
        return await peer.request(method, params, timeout_s=timeout_s, on_progress=on_progress, headers=headers)

    async def list_all(self, method: str, key: str) -> dict[str, Any]:
        """All pages of a listing as one result; fields beside the items are those of the first page.

        A page may take as long as the start: a server that never lists what it has must not hold up the others.
        """
        first = page = await self.request(method, {}, timeout_s=self._start_timeout_s)
        items = list(page.get(key) or ())
        for _ in range(MAX_PAGES):
            if not (cursor := page.get("nextCursor")):
                break
            page = await self.request(method, {"cursor": cursor}, timeout_s=self._start_timeout_s)
            items += page.get(key) or ()
        return {**_without(first, "nextCursor"), key: items}

    async def notify(self, method: str, params: dict[str, Any] | None) -> None:
        """Tell the server, if it is up."""
        if self._peer is not None and self.greeting is not None:
            await self._peer.notify(method, params, {"mcp-protocol-version": self.greeting.version})

    # --- starting ---------------------------------------------------------------------------------------------------

    async def _ready(self) -> tuple[Peer, Greeting]:
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

    async def _serve_once(
        self, on_request: OnRequest, on_notify: OnNotify, on_up: OnUp, on_down: Callable[[Link], None]
    ) -> None:
        """One life of the server: start, greet, serve until the connection ends."""

        async def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
            return await on_request(self, method, params)

        async def notification(method: str, params: dict[str, Any] | None) -> None:
            await on_notify(self, method, params)

        async with self._connect() as peer, anyio.create_task_group() as tasks:

            async def pump(*, task_status: TaskStatus[None]) -> None:
                try:
                    await peer.run(request, notification, task_status=task_status)
                finally:
                    # Here, not when the transport is closed: that takes a while, and nobody answers meanwhile.
                    self._lost(on_down)
                tasks.cancel_scope.cancel()

            await tasks.start(pump)
            try:
                with anyio.fail_after(self._start_timeout_s):
                    self.greeting = await self._greet(peer)
            except TimeoutError:
                raise LinkDown(self.alias, f"no answer within {self._start_timeout_s:g} s of its start") from None
            self._peer, self.problem = peer, None
            await on_up(self)
            self._settled.set()
            if self.greeting.modern:
                tasks.start_soon(self._listen, peer)

    def _lost(self, on_down: Callable[[Link], None]) -> None:
        """The server no longer answers, if it ever did."""
        if self._peer is not None:
            self._peer = None
            self._cleared = anyio.Event()
            on_down(self)

    async def _greet(self, peer: Peer) -> Greeting:
        if self._try_modern and (greeting := await self._discover(peer)) is not None:
            return greeting
        try:
            result = await peer.request(
                "initialize",
                {
                    "protocolVersion": LATEST_HANDSHAKE_VERSION,
                    "capabilities": self._host.capabilities,
                    "clientInfo": self._host.info,
                },
                cancellable=False,
            )
        except MCPError as error:
            # A server of the new era only: it names its versions instead of shaking hands.
            if error.code == UNSUPPORTED_PROTOCOL_VERSION and (greeting := await self._discover(peer)) is not None:
                return greeting
            raise
        version = str(result.get("protocolVersion"))
        await peer.notify("notifications/initialized", None, {"mcp-protocol-version": version})
        return Greeting(
            version, result.get("capabilities") or {}, result.get("serverInfo") or {}, result.get("instructions")
        )

    async def _discover(
        self, peer: Peer, version: str = LATEST_MODERN_VERSION, *, again: bool = True
    ) -> Greeting | None:
        """Greet in the new era; None if the server answers that it does not know it."""
        greeting = Greeting(version)
        params, headers = self._dress(greeting, "server/discover", {}, None)
        try:
            result = await peer.request(
                "server/discover", params, headers=headers, cancellable=False, timeout_s=PROBE_TIMEOUT_S
            )
        except MCPError as error:
            # Servers on old SDKs never answer the probe, and some die of it.
            if error.code in (REQUEST_TIMEOUT, CONNECTION_CLOSED):
                raise _OldServer from None
            if again and (common := _versions_in_common(error)):
                return await self._discover(peer, common[-1], again=False)
            return None
        if version not in (result.get("supportedVersions") or ()):
            return None
        greeting.capabilities = result.get("capabilities") or {}
        greeting.instructions = result.get("instructions")
        greeting.info = (result.get("_meta") or {}).get("io.modelcontextprotocol/serverInfo") or {}
        return greeting

    async def _listen(self, peer: Peer) -> None:
        """Hear of changes: on the new protocol a server speaks of them only where it was asked to."""
        greeting = Greeting(LATEST_MODERN_VERSION)
        params, headers = self._dress(greeting, "subscriptions/listen", {"notifications": _SUBSCRIPTIONS}, None)
        try:
            await peer.request("subscriptions/listen", params, headers=headers, request_id="paste-listen")
        except MCPError as error:
            logger.debug("server %s offers no change notifications: %s", self.alias, error)

    def _dress(
        self, greeting: Greeting, method: str, params: dict[str, Any], schema: dict[str, Any] | None
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """Params and HTTP headers as this server's era wants them. Other transports ignore the headers."""
        headers = {"mcp-protocol-version": greeting.version}
        meta = dict(params.get("_meta") or {})
        if not greeting.modern:
            kept = {key: value for key, value in meta.items() if key not in ENVELOPE}
            return {**_without(params, "_meta"), **({"_meta": kept} if kept else {})}, headers
        meta.setdefault(CLIENT_INFO_META_KEY, self._host.info)
        meta.setdefault(CLIENT_CAPABILITIES_META_KEY, self._host.capabilities)
        meta[PROTOCOL_VERSION_META_KEY] = greeting.version
        headers["mcp-method"] = method
        if (key := NAME_BEARING_METHODS.get(method)) and isinstance(params.get(key), str):
            headers["mcp-name"] = encode_header_value(params[key])
        if schema is not None and isinstance(params.get("arguments"), dict):
            headers |= mcp_param_headers(x_mcp_header_map(schema), params["arguments"])
        return {**params, "_meta": meta}, headers


def _without(params: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != key}


def _versions_in_common(refusal: MCPError) -> list[str]:
    """What a server that refused the version it was asked in names of ours instead."""
    if refusal.code != UNSUPPORTED_PROTOCOL_VERSION or not isinstance(refusal.data, dict):
        return []
    named = refusal.data.get("supported")
    return [version for version in MODERN_PROTOCOL_VERSIONS if isinstance(named, list) and version in named]


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _one_line(error: BaseException) -> str:
    """An error in one line fit for a log and for a host's eyes."""
    if isinstance(error, LinkDown):
        return error.message.partition(": ")[2]
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
