"""Whose link a server's is: a session's own, or one for all sessions where the configuration says so.

Over a shared link a server's question goes to the session whose call is in flight there, and is declined where that is
not certain; what it tells goes to every session.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from anyio.abc import TaskGroup
from mcp_types import INVALID_REQUEST

from paste_mcp.config import ServerConfig
from paste_mcp.proxy.downstream import Link
from paste_mcp.proxy.greeting import Host
from paste_mcp.proxy.sdk import Connect, MCPError
from paste_mcp.store.catalogues import Catalogues

logger = logging.getLogger("paste_mcp")


class User(Protocol):
    """Who uses a link: a session."""

    async def from_server(self, link: Link, method: str, params: dict[str, Any]) -> dict[str, Any]: ...

    async def told_by_server(self, link: Link, method: str, params: dict[str, Any] | None) -> None: ...

    async def came_up(self, link: Link) -> None: ...

    def went_down(self, link: Link) -> None: ...

    def calls_on(self, alias: str) -> bool:
        """Whether a request of its host is in flight there."""
        ...

    def bar_guesses_on(self, alias: str, method: str) -> bool:
        """The server asked something while it was guessed at, if it was: those tools are never guessed again."""
        ...


class Links:
    """Opens and closes the links of all sessions. Shared ones live as long as the proxy, from their first use."""

    def __init__(
        self, servers: Mapping[str, ServerConfig], connects: Mapping[str, Connect], catalogues: Catalogues
    ) -> None:
        self.tasks: TaskGroup
        self.aliases = list(servers)
        self._servers = servers
        self._connects = connects
        self._catalogues = catalogues
        self._shared: dict[str, _Shared] = {}

    def open(self, alias: str, host: Host, user: User, tasks: TaskGroup) -> Link:
        """A link for this user, started if it is not; `tasks` are the user's own."""
        if not self._servers[alias].shared:
            link = self._make(alias, host)
            tasks.start_soon(link.run, user.from_server, user.told_by_server, user.came_up, user.went_down)
            return link
        if alias not in self._shared:
            link = self._make(alias, host)
            shared = self._shared[alias] = _Shared(link)
            self.tasks.start_soon(link.run, shared.from_server, shared.told_by_server, shared.came_up, shared.went_down)
        shared = self._shared[alias]
        shared.users.append(user)
        if shared.link.up:
            tasks.start_soon(user.came_up, shared.link)
        return shared.link

    def _make(self, alias: str, host: Host) -> Link:
        server = self._servers[alias]
        link = Link(alias, self._connects[alias], host, server.start_timeout_s, server.call_timeout_s)
        link.old = (self._catalogues.offer(alias).greeting or {}).get("old") is True
        return link

    def close(self, user: User) -> None:
        """The user hears nothing more, and what only it subscribed to is let go."""
        for shared in self._shared.values():
            if user in shared.users:
                shared.users.remove(user)
                for uri in [uri for uri, users in shared.link.subscribers.items() if user in users]:
                    if shared.link.unsubscribe(uri, user):
                        self.tasks.start_soon(_quietly, shared.link, "resources/unsubscribe", uri)


async def subscribe_again(link: Link, uri: str) -> None:
    """A server that was started anew knows nothing of what it was asked before."""
    await _quietly(link, "resources/subscribe", uri)


async def _quietly(link: Link, method: str, uri: str) -> None:
    try:
        await link.request(method, {"uri": uri})
    except MCPError as error:
        logger.debug("server %s: %s %s: %s", link.alias, method, uri, error)


class _Shared:
    """A link and those who use it."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.users: list[User] = []

    async def from_server(self, link: Link, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "ping":
            return {}
        guessing = [user for user in self.users if user.bar_guesses_on(link.alias, method)]
        calling = [user for user in self.users if user.calls_on(link.alias)]
        if guessing or len(calling) != 1:
            raise MCPError(INVALID_REQUEST, f"this server is shared, and {method} belongs to no one session")
        return await calling[0].from_server(link, method, params)

    async def told_by_server(self, link: Link, method: str, params: dict[str, Any] | None) -> None:
        hearing = list(self.users)
        if method == "notifications/message":
            # What it logs during a call may tell of that call.
            hearing = [user for user in hearing if user.calls_on(link.alias)] or hearing
        elif method == "notifications/resources/updated":
            hearing = [user for user in hearing if user in link.subscribers.get(str((params or {}).get("uri")), ())]
        for user in hearing:
            await user.told_by_server(link, method, params)

    async def came_up(self, link: Link) -> None:
        for user in list(self.users):
            await user.came_up(link)

    def went_down(self, link: Link) -> None:
        for user in list(self.users):
            user.went_down(link)
