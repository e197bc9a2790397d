"""One host session: its links to servers, its engine, and the way back to the host.

Everything that belongs to one host and must never be seen by another hangs here and ends with it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    HEADER_MISMATCH,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
)

from paste_mcp.core.engine import Engine
from paste_mcp.core.model import Tool, ToolCall
from paste_mcp.proxy import clock, reports, rounds
from paste_mcp.proxy.afterwards import Afterwards
from paste_mcp.proxy.bridge import Bridge
from paste_mcp.proxy.catalogue import Catalogue
from paste_mcp.proxy.changes import Changes, Wanted, asked
from paste_mcp.proxy.downstream import Link
from paste_mcp.proxy.greeting import Host
from paste_mcp.proxy.levels import Levels
from paste_mcp.proxy.links import Links, subscribe_again
from paste_mcp.proxy.offers import LIVE_WAIT_S, Offers
from paste_mcp.proxy.recorder import Recorder
from paste_mcp.proxy.reports import Reports
from paste_mcp.proxy.sdk import MCPError, Request
from paste_mcp.proxy.speculate import Guesses
from paste_mcp.proxy.vetting import Vetting
from paste_mcp.proxy.watch import Watch
from paste_mcp.store.audit import SessionAudit
from paste_mcp.store.catalogues import Catalogues

logger = logging.getLogger("paste_mcp")

_GONE = frozenset({"notifications/elicitation/complete"})
"""What the newer protocol no longer has a server tell."""


class Session:
    """Open one with `run` in a task group; it lives until `close`. `engine` is None where there is no session
    identity, and so no speculation. `met` hears of the tools that may be speculated on.
    """

    def __init__(
        self,
        links: Links,
        engine: Engine | None,
        recorder: Recorder,
        catalogues: Catalogues,
        *,
        prefix: bool,
        guess_timeouts_s: Mapping[str, float],
        met: Callable[[Iterable[Tool]], None],
        vetting: Vetting,
        audit: SessionAudit,
    ) -> None:
        self.engine = engine
        self.recorder = recorder
        self.audit = audit
        self.catalogue = Catalogue(links.aliases, prefix=prefix)
        self.offers = Offers(catalogues, self._tell_host, self._learn)
        self.links: dict[str, Link] = {}
        self.levels = Levels()
        self.changes = Changes()
        self.reports = Reports()
        """What the host reports on servers' requests to it."""
        self.tasks: TaskGroup
        self.bridge: Bridge
        self.guesses: Guesses
        self.afterwards: Afterwards
        self.in_use = 0
        """Requests of the host that are under way."""
        self.used_at = clock.now()
        self._looked_up: set[tuple[str, str]] = set()
        self._host: Host
        self._wanted: Wanted
        self._watch: Watch
        self._links = links
        self._guess_timeouts_s = guess_timeouts_s
        self._met = met
        self._vetting = vetting
        self._active: defaultdict[str, list[Request]] = defaultdict(list)
        self._latest: Request | None = None
        self._closing = anyio.Event()
        self._closed = anyio.Event()

    # --- life -------------------------------------------------------------------------------------------------------

    async def run(self, *, task_status: TaskStatus[Session] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until `close`, then settle every guess and stop every server of this session."""
        try:
            async with anyio.create_task_group() as self.tasks:
                self.offers.tasks = self.tasks
                self.bridge = Bridge(self.tasks, shared=self.engine is None)
                self._wanted = Wanted(self.tasks, self.links, self.catalogue, self)
                if self.engine is not None:
                    self.guesses = Guesses(
                        self.engine,
                        self.tasks,
                        self._send_guess,
                        self._guess_timeouts_s,
                        self._vetting.bar,
                        self.audit.speculation,
                        self.recorder.flush,
                    )
                    self._watch = Watch(self._vetting, self.engine, self.guesses, self.catalogue)
                    self.afterwards = Afterwards(self.engine, self.recorder, self.guesses)
                    self.tasks.start_soon(self.afterwards.run)
                task_status.started(self)
                try:
                    await self._closing.wait()
                finally:
                    self._links.close(self)
                    # Before the servers are stopped: some take their time, and a host may not wait for them.
                    if self.engine is not None:
                        self._watch.close()
                        self.afterwards.finish()
                        self.engine.close(clock.now())
                        self.recorder.close(self.engine.ledger)
                self.tasks.cancel_scope.cancel()
        finally:
            self._closed.set()

    async def close(self) -> None:
        self.changes.close()
        self._closing.set()
        with anyio.CancelScope(shield=True):
            await self._closed.wait()

    def open(self, request: Request) -> None:
        """Start the servers on the host's first word, with what the host said of itself. Nobody waits for them here."""
        self._latest = request
        if self.links:
            return
        self.offers.opened_at = clock.now()
        self._host = _host_of(request)
        self.recorder.opening["host"] = str(self._host.info.get("name", ""))[:80]
        for alias in self._links.aliases:
            for name in self.offers.remembered_tools(alias):
                self.catalogue.expose(alias, name)
            self.links[alias] = self._links.open(alias, self._host, self, self.tasks)

    @property
    def alone(self) -> Link | None:
        """The server, where it is a single one wrapped as it is."""
        return None if self.catalogue.prefixed else next(iter(self.links.values()))

    # --- towards the servers ----------------------------------------------------------------------------------------

    async def forward(self, link: Link, request: Request, params: dict[str, Any]) -> dict[str, Any]:
        """Send the host's request to one server; progress, cancellation and the server's questions keep flowing."""
        wants_progress = request.meta.get("progressToken") is not None
        if "progressToken" in request.meta:
            meta = {key: value for key, value in (params.get("_meta") or {}).items() if key != "progressToken"}
            params = {**params, "_meta": meta}
        if request.modern is not link.modern:
            params = await self._across(link, request, params)
        uri = params.get("uri")
        if request.method == "resources/unsubscribe" and not link.unsubscribe(str(uri), self):
            return {}  # another session still wants to hear
        active = self._active[link.alias]
        active.append(request)
        try:
            result = await self._send(link, request, params, wants_progress)
            if self.engine is not None and request.method == "tools/call":
                self._watch.answered(link.alias, str(params.get("name")), result)
            if result.get("resultType") == "input_required" and not request.modern:

                async def again(more: dict[str, Any]) -> dict[str, Any]:
                    return await self._send(link, request, {**params, **more}, wants_progress)

                result = await rounds.complete(result, self._host.capabilities, request.channel, again)
        finally:
            active.remove(request)
        if request.method == "resources/subscribe":
            link.subscribe(str(uri), self)
        return result

    async def _across(self, link: Link, request: Request, params: dict[str, Any]) -> dict[str, Any]:
        """What a server of the other era is told before the request, or with it; the request's params for it."""
        if request.modern:
            if link.alias in self.bridge.early:
                await self.bridge.ask_early(link.alias, request)
            await self.levels.ask(link, request)
            return params
        meta = params.get("_meta")
        envelope = {
            CLIENT_INFO_META_KEY: self._host.info,
            CLIENT_CAPABILITIES_META_KEY: self._host.capabilities,
            **self.levels.envelope,
        }
        return {**params, "_meta": {**(meta if isinstance(meta, dict) else {}), **envelope}}

    async def _send(self, link: Link, request: Request, params: dict[str, Any], wants_progress: bool) -> dict[str, Any]:
        send = self._forward_with_progress if wants_progress else self._forward_plain
        if request.method != "tools/call":
            return await send(link, request, params, None)
        tool = str(params.get("name"))
        schema = self.catalogue.schema(link.alias, tool)
        if schema is None and link.modern and (link.alias, tool) not in self._looked_up:
            # Once: some servers answer to tools that they never list.
            self._looked_up.add((link.alias, tool))
            schema = await self._listed_schema(link, tool)
        try:
            return await send(link, request, params, schema)
        except MCPError as error:
            if error.code != HEADER_MISMATCH:
                raise
            # Refused before it ran: what goes into its headers may have changed.
            changed = await self._listed_schema(link, tool)
            if changed == schema:
                raise
            return await send(link, request, params, changed)

    async def _listed_schema(self, link: Link, tool: str) -> dict[str, Any] | None:
        """The tool's schema as the server lists it now: on the new protocol, calls over HTTP are labelled by it."""
        with anyio.move_on_after(LIVE_WAIT_S):
            await self.offers.refresh(link)
        return self.catalogue.schema(link.alias, tool)

    async def _forward_plain(
        self, link: Link, request: Request, params: dict[str, Any], schema: dict[str, Any] | None
    ) -> dict[str, Any]:
        return await link.call(request.method, params, schema=schema)

    async def _forward_with_progress(
        self, link: Link, request: Request, params: dict[str, Any], schema: dict[str, Any] | None
    ) -> dict[str, Any]:
        in_order = anyio.Lock()

        async def tell(report: dict[str, Any]) -> None:
            # Asked for only now: a bridged call may be waited for by another request meanwhile.
            if (token := request.meta.get("progressToken")) is not None:
                async with in_order:
                    await request.channel.notify(reports.METHOD, {**report, "progressToken": token})

        result = await link.call(request.method, params, tell=tell, schema=schema)
        # A host over HTTP hears nothing more of a call that was answered: let what came before it go first.
        async with in_order:
            return result

    def _learn(self, alias: str, definitions: list[Any]) -> None:
        """The server listed its tools."""
        tools = self.catalogue.set_tools(alias, definitions)
        if self.engine is not None:
            self._met(self._watch.listed(self.links[alias], tools))

    async def _send_guess(self, call: ToolCall) -> dict[str, Any]:
        """A call that nobody asked for yet: no progress, no host behind it."""
        params = {"name": call.tool, "arguments": dict(call.arguments)}
        return await self.links[call.server].request(
            "tools/call", params, schema=self.catalogue.schema(call.server, call.tool)
        )

    async def came_up(self, link: Link) -> None:
        """A server is there, for the first time or again."""
        self.recorder.server(link.alias, up=True)
        self._forget(link.alias)
        self.tasks.start_soon(self.levels.came_up, link)
        await self.offers.came_up(link)
        for uri, users in link.subscribers.items():
            if self in users:
                self.tasks.start_soon(subscribe_again, link, uri)

    def went_down(self, link: Link) -> None:
        self.recorder.server(link.alias, up=False)
        self._unlist(link.alias)

    def _unlist(self, alias: str) -> None:
        """Nothing is guessed at this server until it has listed its tools again."""
        self._forget(alias)
        self.offers.unlisted(alias)
        if self.engine is not None:
            self.guesses.cancel(self.engine.set_tools(alias, (), clock.now()))

    def _forget(self, alias: str) -> None:
        if self.engine is not None:
            self.guesses.cancel(self.engine.invalidate(alias, clock.now()))

    # --- from the servers -------------------------------------------------------------------------------------------

    async def from_server(self, link: Link, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """A server asks the host something, on behalf of a call that the host made. Never on behalf of a guess."""
        if method == "ping":
            return {}
        active = self._active[link.alias]
        if (self.bar_guesses_on(link.alias, method) or self._may_be_a_guess(link.alias, method)) and not active:
            raise MCPError(INVALID_REQUEST, "nobody asked for this call yet")
        if self._latest is None:
            raise MCPError(METHOD_NOT_FOUND, f"no host to answer {method}")
        if self._latest.modern:
            return await self.bridge.ask(link.alias, method, params, active)
        await self._latest.host_ready.wait()
        channel = active[0].channel if len(active) == 1 else self._latest.standalone
        if (token := reports.token_of(params)) is None:
            return await channel.send_raw_request(method, params)

        async def tell(report: dict[str, Any]) -> None:
            await link.notify(reports.METHOD, {**report, "progressToken": token})

        with self.reports.under(params, tell) as reported:
            return await channel.send_raw_request(method, reported)

    def bar_guesses_on(self, alias: str, method: str) -> bool:
        """The server asked something: where guesses ran, they stop, and these tools are never guessed again."""
        return self.engine is not None and self._watch.asked(alias, method, self._active[alias])

    def _may_be_a_guess(self, alias: str, method: str) -> bool:
        """Whether this question may come late, of a guess that was stopped. Roots are asked for outside calls, too."""
        return method != "roots/list" and self.engine is not None and alias in self.guesses.cut_off

    def calls_on(self, alias: str) -> bool:
        """Whether a request of the host is in flight there."""
        return bool(self._active[alias])

    async def told_by_server(self, link: Link, method: str, params: dict[str, Any] | None) -> None:
        """A server tells something: guesses may be stale now, and the host hears of it (but not of guesses' noise)."""
        if method == "notifications/cancelled":
            return  # matched to its request already
        if method == "notifications/message":
            await self._log_to_host(link, params)
            return
        if method.endswith("/list_changed"):
            self._unlist(link.alias) if "/tools/" in method else self._forget(link.alias)
            await self.offers.changed(link, method, params)
            return
        if method == "notifications/resources/updated":
            self._forget(link.alias)
        elif method == "notifications/elicitation/complete":
            self.bridge.visited(params)
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
        elif method.endswith("/list_changed") or method == "notifications/resources/updated":
            self.changes.tell(method, params)
        elif method not in _GONE:
            await self._latest.standalone.notify(method, params)

    async def listen(self, request: Request) -> dict[str, Any]:
        """A modern host wants to hear of changes, for as long as it holds this request open."""
        honoured, uris = asked(request)
        wanted: list[str] = []
        try:
            for uri in uris:
                if await self._wanted.add(uri):
                    wanted.append(uri)  # noqa: PERF401 - what was added must be dropped, also when the next one fails
            return await self.changes.listen(request, honoured | ({"resourceSubscriptions": wanted} if wanted else {}))
        finally:
            for uri in wanted:
                self._wanted.drop(uri)


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
