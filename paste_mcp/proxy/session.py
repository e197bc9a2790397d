"""One host session: its links to servers, its engine, and the way back to the host.

Everything that belongs to one host and must never be seen by another hangs here and ends with it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp_types import INVALID_REQUEST, METHOD_NOT_FOUND

from paste_mcp.core.engine import Engine
from paste_mcp.core.model import ToolCall
from paste_mcp.proxy import clock
from paste_mcp.proxy.catalogue import Catalogue
from paste_mcp.proxy.downstream import Host, Link
from paste_mcp.proxy.recorder import Recorder
from paste_mcp.proxy.sdk import Connect, MCPError, Request
from paste_mcp.proxy.speculate import Guesses

logger = logging.getLogger("paste_mcp")

FIRST_WAIT_S = 5.0
"""How long a host's greeting waits for servers to start; later ones announce themselves by list_changed."""
_EVENTS: dict[str, ServerEvent] = {
    "notifications/tools/list_changed": ToolsListChanged(),
    "notifications/prompts/list_changed": PromptsListChanged(),
    "notifications/resources/list_changed": ResourcesListChanged(),
}


class Session:
    """Open one with `run` in a task group; it lives until `close`. `engine` is None where there is no session
    identity, and so no speculation.
    """

    def __init__(
        self,
        connects: Mapping[str, tuple[Connect, float]],
        engine: Engine | None,
        recorder: Recorder,
        *,
        prefix: bool,
        guess_timeouts_s: Mapping[str, float],
    ) -> None:
        self.engine = engine
        self.recorder = recorder
        self.catalogue = Catalogue(connects, prefix=prefix)
        self.links: dict[str, Link] = {}
        self.listen = ListenHandler(bus := InMemorySubscriptionBus())
        self.tasks: TaskGroup
        self.guesses: Guesses
        self._bus = bus
        self._connects = connects
        self._guess_timeouts_s = guess_timeouts_s
        self._active: defaultdict[str, list[Request]] = defaultdict(list)
        self._latest: Request | None = None
        self._announced = False
        self._opened = False
        self._closing = anyio.Event()
        self._closed = anyio.Event()

    # --- life -------------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: TaskStatus[Session] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until `close`, then settle every guess and stop every server of this session."""
        try:
            async with anyio.create_task_group() as self.tasks:
                if self.engine is not None:
                    self.guesses = Guesses(self.engine, self.tasks, self._send_guess, self._guess_timeouts_s)
                task_status.started(self)
                try:
                    await self._closing.wait()
                finally:
                    # Before the servers are stopped: some take their time, and a host may not wait for them.
                    if self.engine is not None:
                        self.engine.close(clock.now())
                        self.recorder.close(self.engine.ledger)
                self.tasks.cancel_scope.cancel()
        finally:
            self._closed.set()

    async def close(self) -> None:
        self._closing.set()
        with anyio.CancelScope(shield=True):
            await self._closed.wait()

    async def open(self, request: Request) -> None:
        """Start the servers on the host's first word, with what the host said of itself; later calls only wait."""
        self._latest = request
        if self._opened:
            return
        if not self.links:
            host = _host_of(request)
            for alias, (connect, start_timeout_s) in self._connects.items():
                self.links[alias] = Link(alias, connect, host, start_timeout_s)
            for link in self.links.values():
                self.tasks.start_soon(link.run, self._from_server, self._told_by_server, self._up, self._down)
        with anyio.move_on_after(FIRST_WAIT_S):
            for link in self.links.values():
                await link.settled()
        self._opened = True

    # --- towards the servers ----------------------------------------------------------------------------------------

    async def forward(self, link: Link, request: Request, params: dict[str, Any]) -> dict[str, Any]:
        """Send the host's request to one server; progress, cancellation and the server's questions keep flowing."""
        meta = dict(request.meta)
        wants_progress = meta.pop("progressToken", None) is not None
        if "_meta" in params:
            params = {**params, "_meta": meta}
        schema = self.catalogue.schema(link.alias, str(params.get("name"))) if request.method == "tools/call" else None
        active = self._active[link.alias]
        active.append(request)
        try:
            if not wants_progress:
                return await link.request(request.method, params, schema=schema)
            return await self._forward_with_progress(link, request, params, schema)
        finally:
            active.remove(request)

    async def _forward_with_progress(
        self, link: Link, request: Request, params: dict[str, Any], schema: dict[str, Any] | None
    ) -> dict[str, Any]:
        in_order = anyio.Lock()

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            async with in_order:
                await request.progress(progress, total, message)

        result = await link.request(request.method, params, on_progress=tell, schema=schema)
        # A host over HTTP hears nothing more of a call that was answered: let what came before it go first.
        async with in_order:
            return result

    async def list_tools(self, link: Link) -> dict[str, Any]:
        """A server's tools, raw; session and engine take note of them."""
        result = await link.list_all("tools/list", "tools")
        tools = self.catalogue.set_tools(link.alias, result["tools"])
        if self.engine is not None:
            self.guesses.cancel(self.engine.set_tools(link.alias, tools, clock.now()))
        return result

    async def _send_guess(self, call: ToolCall) -> dict[str, Any]:
        """A call that nobody asked for yet: no progress, no host behind it."""
        params = {"name": call.tool, "arguments": dict(call.arguments)}
        return await self.links[call.server].request(
            "tools/call", params, schema=self.catalogue.schema(call.server, call.tool)
        )

    async def _up(self, link: Link) -> None:
        """A server is there, for the first time or again."""
        self._forget(link.alias)
        assert link.greeting is not None
        if "tools" in link.greeting.capabilities:
            try:
                await self.list_tools(link)
            except MCPError as error:
                logger.warning("server %s does not list its tools: %s", link.alias, error)
        if self._announced:
            for method in _EVENTS:
                await self._tell_host(method, None)

    def _down(self, link: Link) -> None:
        self._forget(link.alias)

    def _forget(self, alias: str) -> None:
        if self.engine is not None:
            self.guesses.cancel(self.engine.invalidate(alias, clock.now()))

    # --- from the servers -------------------------------------------------------------------------------------------

    async def _from_server(self, link: Link, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """A server asks the host something, on behalf of a call that the host made. Never on behalf of a guess."""
        if method == "ping":
            return {}
        active = self._active[link.alias]
        if self.engine is not None and self.guesses.on(link.alias):
            self.guesses.bar_all_on(link.alias, f"it asked the user something ({method})")
            if not active:
                raise MCPError(INVALID_REQUEST, "nobody asked for this call yet")
        if self._latest is None:
            raise MCPError(METHOD_NOT_FOUND, f"no host to answer {method}")
        await self._latest.host_ready.wait()
        channel = active[0].channel if len(active) == 1 else self._latest.standalone
        return await channel.send_raw_request(method, params)

    async def _told_by_server(self, link: Link, method: str, params: dict[str, Any] | None) -> None:
        """A server tells something: guesses may be stale now, and the host hears of it (but not of guesses' noise)."""
        if method in ("notifications/progress", "notifications/cancelled"):
            return  # matched to their requests already
        if method == "notifications/message":
            await self._log_to_host(link, params)
            return
        if method.endswith("/list_changed") or method == "notifications/resources/updated":
            self._forget(link.alias)
        if method == "notifications/tools/list_changed":
            try:
                await self.list_tools(link)
            except MCPError as error:
                logger.debug("server %s: %s", link.alias, error)
        await self._tell_host(method, params)

    async def _log_to_host(self, link: Link, params: dict[str, Any] | None) -> None:
        active = self._active[link.alias]
        if active:
            # An older server logs unasked; on 2026-07-28 a request hears only what it asked for.
            level = (params or {}).get("level")
            if listening := [request for request in active if request.hears(level)]:
                await listening[-1].channel.notify("notifications/message", params)
        elif self._latest is None or self._latest.modern:
            return
        elif not (self.engine is not None and self.guesses.on(link.alias)):
            await self._latest.standalone.notify("notifications/message", params)

    async def _tell_host(self, method: str, params: dict[str, Any] | None) -> None:
        if self._latest is None:
            return
        if not self._latest.modern:
            await self._latest.standalone.notify(method, params)
        elif method in _EVENTS:
            await self._bus.publish(_EVENTS[method])
        elif method == "notifications/resources/updated" and params and isinstance(params.get("uri"), str):
            await self._bus.publish(ResourceUpdated(uri=params["uri"]))

    def announced(self) -> None:
        """The host was told what there is; from now on it hears of changes."""
        self._announced = True


def _host_of(request: Request) -> Host:
    """What the host said of itself: in its handshake, or with the request on 2026-07-28."""
    if request.method == "initialize":
        info, capabilities = request.params.get("clientInfo"), request.params.get("capabilities")
    else:
        info = request.meta.get("io.modelcontextprotocol/clientInfo")
        capabilities = request.meta.get("io.modelcontextprotocol/clientCapabilities")
    return Host(
        info if isinstance(info, dict) else {"name": "paste-mcp", "version": "0"},
        capabilities if isinstance(capabilities, dict) else {},
        request.modern and request.method != "initialize",
    )
