"""What modern hosts hear of changes: their `subscriptions/listen` streams, fed by all servers of a session.

Every change is a level trigger: what is told twice before the host has read it is told once, so that no stream can grow
beyond the kinds and resources that it asked for.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from paste_mcp.proxy.catalogue import Catalogue
from paste_mcp.proxy.downstream import Link
from paste_mcp.proxy.listening import ACKNOWLEDGED, LISTS
from paste_mcp.proxy.sdk import MCPError, Request

logger = logging.getLogger("paste_mcp")

SUBSCRIBE_TIMEOUT_S = 5.0
"""How long a server may take to agree to a subscription before the host is told that it does not."""
MAX_STREAMS = 256
"""Streams that the hosts of one session may hold open at a time."""
_FLAGS = {f"notifications/{kind}/list_changed": flag for flag, kind in LISTS.items()}
_UPDATED = "notifications/resources/updated"


@dataclass(slots=True, eq=False)
class _Stream:
    honoured: dict[str, Any]
    news: anyio.Event = field(default_factory=anyio.Event)
    pending: dict[tuple[str, str | None], dict[str, Any]] = field(default_factory=dict)
    closed: bool = False

    def wants(self, method: str, uri: str | None) -> bool:
        if method != _UPDATED:
            return _FLAGS.get(method) in self.honoured
        return uri is not None and any(_within(uri, of) for of in self.honoured.get("resourceSubscriptions", ()))


def _within(uri: str, of: str) -> bool:
    """Whether this is the resource subscribed to, or a part of it, of which a server may tell as well."""
    return uri == of or uri.startswith(of.rstrip("/") + "/")


class Changes:
    """The streams of one session."""

    def __init__(self) -> None:
        self._streams: set[_Stream] = set()

    async def listen(self, request: Request, honoured: dict[str, Any]) -> dict[str, Any]:
        """Serve one stream: acknowledge it, tell of changes, and return its end, unless the host goes away before."""
        if len(self._streams) >= MAX_STREAMS:
            raise MCPError(INTERNAL_ERROR, "too many subscriptions")
        mark = {SUBSCRIPTION_ID_META_KEY: request.id}
        stream = _Stream(honoured)
        self._streams.add(stream)
        try:
            await request.channel.notify(ACKNOWLEDGED, {"notifications": honoured, "_meta": mark})
            while not stream.closed or stream.pending:
                await stream.news.wait()
                stream.news = anyio.Event()
                told, stream.pending = stream.pending, {}
                for (method, _), params in told.items():
                    meta = params.get("_meta")
                    marked = {**(meta if isinstance(meta, dict) else {}), **mark}
                    await request.channel.notify(method, {**params, "_meta": marked})
        finally:
            self._streams.discard(stream)
        return {"_meta": mark}

    def tell(self, method: str, params: dict[str, Any] | None) -> None:
        """Every stream that asked for this kind of change hears of it."""
        params = params or {}
        uri = params["uri"] if isinstance(params.get("uri"), str) else None
        for stream in self._streams:
            if stream.wants(method, uri):
                stream.pending[method, uri] = params
                stream.news.set()

    def close(self) -> None:
        """End every stream, once it has told what it has to tell."""
        for stream in self._streams:
            stream.closed = True
            stream.news.set()


def asked(request: Request) -> tuple[dict[str, Any], list[str]]:
    """The lists and the resources of which the host wants to hear. Raises `MCPError`."""
    wanted = request.params.get("notifications")
    uris = wanted.get("resourceSubscriptions") or [] if isinstance(wanted, dict) else None
    if not isinstance(wanted, dict) or not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        raise MCPError(INVALID_PARAMS, "Invalid request parameters")
    return {flag: True for flag in LISTS if wanted.get(flag) is True}, list(dict.fromkeys(uris))


class Wanted:
    """The resources of which a session's streams are to tell. Each is subscribed to once, at the server that has it; at
    all that agree, where it is not known which has it.
    """

    def __init__(self, tasks: TaskGroup, links: Mapping[str, Link], catalogue: Catalogue, user: object) -> None:
        self._tasks = tasks
        self._links = links
        self._catalogue = catalogue
        self._user = user
        self._streams: Counter[str] = Counter()
        self._changing = anyio.Lock()

    async def add(self, uri: str) -> bool:
        """One more stream wants it. Whether any server will tell of it."""
        async with self._changing:
            if not self._streams[uri] and not await self._subscribe(uri):
                return False
            self._streams[uri] += 1
            return True

    def drop(self, uri: str) -> None:
        """One stream less does."""
        self._streams[uri] -= 1
        if not self._streams[uri]:
            del self._streams[uri]
            for link in self._links.values():
                if self._user in link.subscribers.get(uri, ()) and link.unsubscribe(uri, self._user):
                    self._tasks.start_soon(_unsubscribe, link, uri)

    async def _subscribe(self, uri: str) -> bool:
        if owners := self._catalogue.owners(uri):
            for alias in owners:
                if await self._agrees(self._links[alias], uri):
                    return True
            return False
        return any([await self._agrees(link, uri) for link in self._links.values()])

    async def _agrees(self, link: Link, uri: str) -> bool:
        agreed = False
        with anyio.move_on_after(SUBSCRIBE_TIMEOUT_S):
            if not link.up:
                link.want()
                await link.settled()
            if link.greeting is not None and "resources" in link.greeting.capabilities:
                try:
                    await link.request("resources/subscribe", {"uri": uri})
                    agreed = True
                except MCPError as error:
                    logger.debug("server %s does not tell of %s: %s", link.alias, uri, error)
        if agreed:
            link.subscribe(uri, self._user)
        return agreed


async def _unsubscribe(link: Link, uri: str) -> None:
    try:
        await link.request("resources/unsubscribe", {"uri": uri})
    except MCPError as error:
        logger.debug("server %s: resources/unsubscribe %s: %s", link.alias, uri, error)
