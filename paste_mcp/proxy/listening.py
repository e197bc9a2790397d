"""How a modern server is listened to: `subscriptions/listen` streams, one for its lists and one for its resources.

What older hosts ask with `resources/subscribe` is asked of it this way. A stream that ends while its server lives on is
opened anew, and whatever it was to tell of counts as changed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import INVALID_PARAMS, REQUEST_TIMEOUT

from paste_mcp.proxy.sdk import MCPError

logger = logging.getLogger("paste_mcp")

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
ACKNOWLEDGE_TIMEOUT_S = 10.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
LISTS = {"toolsListChanged": "tools", "promptsListChanged": "prompts", "resourcesListChanged": "resources"}

Send = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Sends `subscriptions/listen` under this id and with this filter; returns when the stream has ended."""
Tell = Callable[[str, dict[str, Any] | None], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _Stream:
    filter: dict[str, Any]
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    settled: anyio.Event = field(default_factory=anyio.Event)
    honoured: dict[str, Any] | None = None
    error: MCPError | None = None


class Listening:
    """The streams of one life of a server. `tell` is what hears of changes that must be taken for granted."""

    def __init__(self, tasks: TaskGroup, send: Send, tell: Tell) -> None:
        self._tasks = tasks
        self._send = send
        self._tell = tell
        self._streams: dict[str, _Stream] = {}
        self._resources = _Stream({"resourceSubscriptions": []})
        self._changing = anyio.Lock()
        self._opened = 0

    def to_lists(self) -> None:
        """Hear of changed lists from now on, if the server tells of them."""
        self._tasks.start_soon(self._hold, _Stream(dict.fromkeys(LISTS, True)))

    async def subscribe(self, uri: str) -> None:
        """Hear of this resource's changes. Raises `MCPError` where the server does not tell of them."""
        async with self._changing:
            if uri not in self._uris:
                await self._listen_to([*self._uris, uri])

    async def unsubscribe(self, uri: str) -> None:
        async with self._changing:
            if uri in self._uris:
                await self._listen_to([other for other in self._uris if other != uri])

    @property
    def _uris(self) -> list[str]:
        return list(self._resources.filter["resourceSubscriptions"])

    async def _listen_to(self, uris: list[str]) -> None:
        """A stream cannot be changed: the new one is opened before the old one is let go, so that nothing is missed."""
        new = _Stream({"resourceSubscriptions": uris})
        if uris:
            self._tasks.start_soon(self._hold, new)
            try:
                await self._acknowledged(new, uris)
            except BaseException:
                new.scope.cancel()
                raise
        self._resources.scope.cancel()
        self._resources = new

    async def _acknowledged(self, stream: _Stream, uris: list[str]) -> None:
        with anyio.move_on_after(ACKNOWLEDGE_TIMEOUT_S):
            await stream.settled.wait()
        if stream.error is not None:
            raise stream.error
        if stream.honoured is None:
            raise MCPError(REQUEST_TIMEOUT, "the server did not acknowledge the subscription")
        if not set(uris) <= set(stream.honoured.get("resourceSubscriptions") or ()):
            raise MCPError(INVALID_PARAMS, "the server does not tell of changes of this resource")

    async def _hold(self, stream: _Stream) -> None:
        pause_s = FIRST_PAUSE_S
        with stream.scope:
            while True:
                began = anyio.current_time()
                await self._stretch(stream)
                if stream.honoured is None:
                    return
                # The server, or something on the way, ended it.
                pause_s = FIRST_PAUSE_S if anyio.current_time() - began > pause_s else pause_s
                await anyio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _stretch(self, stream: _Stream) -> None:
        """One stream, from its opening to its end."""
        self._opened += 1
        id = f"paste-listen-{self._opened}"
        self._streams[id] = stream
        try:
            await self._send(id, stream.filter)
        except MCPError as error:
            stream.error = error
            logger.debug("a change subscription ended: %s", error)
        finally:
            del self._streams[id]
            stream.settled.set()

    # --- what comes on the streams ----------------------------------------------------------------------------------

    async def acknowledged(self, params: dict[str, Any] | None) -> None:
        params = params or {}
        meta = params.get("_meta")
        id = meta.get(SUBSCRIPTION_ID_META_KEY) if isinstance(meta, dict) else None
        stream = self._streams.get(id) if isinstance(id, str) else None
        if stream is None:
            return
        again = stream.honoured is not None
        honoured = params.get("notifications")
        stream.honoured = honoured if isinstance(honoured, dict) else {}
        stream.settled.set()
        if again:
            await self._catch_up(stream.honoured)

    async def _catch_up(self, honoured: dict[str, Any]) -> None:
        for flag, kind in LISTS.items():
            if honoured.get(flag) is True:
                await self._tell(f"notifications/{kind}/list_changed", None)
        for uri in honoured.get("resourceSubscriptions") or ():
            await self._tell("notifications/resources/updated", {"uri": uri})


def unstamped(params: dict[str, Any] | None) -> dict[str, Any] | None:
    """What came on a stream, without the mark of the stream, which is ours."""
    meta = (params or {}).get("_meta")
    if params is None or not isinstance(meta, dict) or SUBSCRIPTION_ID_META_KEY not in meta:
        return params
    kept = {key: value for key, value in meta.items() if key != SUBSCRIPTION_ID_META_KEY}
    bare = {key: value for key, value in params.items() if key != "_meta"}
    return {**bare, "_meta": kept} if kept else bare or None
