"""What each server of a session offers: live where it answers, remembered from an earlier run until then.

The host is told at once what is known, and of every change by list_changed. What is only remembered is for its eyes:
nothing is ever speculated on that this server, in this life, has not listed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp_types import METHOD_NOT_FOUND

from paste_mcp.proxy import clock
from paste_mcp.proxy.coalesced import Coalesced
from paste_mcp.proxy.downstream import Link
from paste_mcp.proxy.greeting import Greeting
from paste_mcp.proxy.sdk import MCPError
from paste_mcp.store.catalogues import Catalogues

logger = logging.getLogger("paste_mcp")

GREETING_WAIT_S = 1.0
"""How long a host's greeting waits for servers of which nothing is remembered."""
FIRST_WAIT_S = 5.0
"""How long listings of a new session wait for such servers; later ones are announced by list_changed. A greeting waits
as long where it has nothing to say but what a single server says.
"""
LIVE_WAIT_S = 0.75
"""How long a listing waits for a server that runs; then its last answer must do."""
CHANGES_PAUSE_S = 0.25
"""Between two notices of the same kind of change; what comes between is told with the second."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One of the protocol's lists: where its items are, who has it, how its change is told."""

    key: str
    capability: str
    named: bool

    @property
    def changed(self) -> str:
        return f"notifications/{self.capability}/list_changed"


LISTINGS = {
    "tools/list": Listing("tools", "tools", named=True),
    "prompts/list": Listing("prompts", "prompts", named=True),
    "resources/list": Listing("resources", "resources", named=False),
    "resources/templates/list": Listing("resourceTemplates", "resources", named=False),
}


@dataclass(slots=True, eq=False)
class _Asked:
    """A listing that was asked for, whoever still waits for it."""

    answered: anyio.Event = field(default_factory=anyio.Event)
    result: dict[str, Any] | None = None
    late: bool = False


class Offers:
    """The lists and greetings of one session's servers. `tell_host` is how the host hears of a change, `learn` takes
    note of tools that were listed live.
    """

    def __init__(
        self,
        catalogues: Catalogues,
        tell_host: Callable[[str, dict[str, Any] | None], Awaitable[None]],
        learn: Callable[[str, list[Any]], None],
    ) -> None:
        self.tasks: TaskGroup
        self.opened_at = 0.0
        """When the servers were first asked to start."""
        self._catalogues = catalogues
        self._tell_host = tell_host
        self._learn = learn
        self._told: dict[tuple[str, str], list[Any] | None] = {}
        self._listed: dict[tuple[str, str], dict[str, Any]] = {}
        """What each server answered in its present life."""
        self._shown: dict[str, tuple[dict[str, Sequence[Any]], list[Any]]] = {}
        """Lists as the host saw them last, and what they were made of."""
        self._pages: dict[tuple[str, str], tuple[Any, dict[str, Any]]] = {}
        """The next page's cursor and the pages so far, of a host that pages by itself."""
        self._changes: dict[tuple[str, str], dict[str, Any] | None] = {}
        self._notices: dict[tuple[str, str], Coalesced] = {}
        self._refreshes: dict[str, Coalesced] = {}

    # --- greetings --------------------------------------------------------------------------------------------------

    async def introduced(self, links: Mapping[str, Link], *, alone: bool) -> None:
        """Wait until every server has greeted us, now or in an earlier run; not long."""
        with anyio.move_on_after(FIRST_WAIT_S if alone else GREETING_WAIT_S):
            for link in links.values():
                if self.greeting(link) is None:
                    await link.settled()

    def greeting(self, link: Link) -> Greeting | None:
        """What the server said of itself, in this run or an earlier one."""
        if link.greeting is not None:
            return link.greeting
        match self._catalogues.offer(link.alias).greeting:
            case {"version": str(version), "capabilities": dict(capabilities), "info": dict(info), **rest}:
                told, more = rest.get("instructions"), rest.get("rest")
                return Greeting(
                    version,
                    capabilities,
                    info,
                    told if isinstance(told, str) else None,
                    more if isinstance(more, dict) else {},
                )
        return None

    # --- lists ------------------------------------------------------------------------------------------------------

    def last(self, alias: str, method: str) -> dict[str, Any] | None:
        """The server's last answer to this listing, in this run or an earlier one."""
        result = self._catalogues.offer(alias).lists.get(method)
        return result if result is not None and isinstance(result.get(LISTINGS[method].key), list) else None

    def remembered_tools(self, alias: str) -> list[str]:
        """Names that the host may know from an earlier run."""
        items = (self.last(alias, "tools/list") or {}).get("tools", [])
        return [item["name"] for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)]

    async def known(self, link: Link, method: str) -> dict[str, Any] | None:
        """What the host is told that the server lists: live if it answers in time, else its last answer, if any."""
        result = await self._in_time(link, method)
        self.tell(link.alias, method, (result or {}).get(LISTINGS[method].key, []))
        return result

    def shown(self, method: str, listed: dict[str, Sequence[Any]], show: Callable[[str, Any], Any]) -> list[Any]:
        """All items as the host sees them; the same list as before where nothing has changed."""
        last = self._shown.get(method)
        if last is None or last[0] != listed:
            last = (listed, [show(alias, item) for alias, items in listed.items() for item in items])
            self._shown[method] = last
        return last[1]

    async def started(self, link: Link, method: str) -> bool:
        """Whether the server is there to be asked; it is waited for where nothing is known of its last answer."""
        if not link.up:
            link.want()
            if self.last(link.alias, method) is None:
                with anyio.move_on_after(self._patience()):
                    await link.settled()
        return link.up

    async def fetch(self, link: Link, method: str) -> dict[str, Any]:
        """The server's live answer, all pages of it. Raises `MCPError`."""
        result = await link.list_all(method, LISTINGS[method].key)
        self.listed(link.alias, method, result)
        return result

    def listed(self, alias: str, method: str, result: dict[str, Any]) -> None:
        """The server answered with this, the whole of it."""
        if self._listed.get((alias, method)) == result:
            return
        self._listed[alias, method] = result
        self._catalogues.listed(alias, method, result)
        if method == "tools/list":
            self._learn(alias, result["tools"])

    def unlisted(self, alias: str) -> None:
        """What the server listed is no longer counted on: it has to list it again."""
        for method in LISTINGS:
            self._listed.pop((alias, method), None)

    def page(self, alias: str, method: str, cursor: Any, result: dict[str, Any]) -> None:
        """A host that pages by itself is given this page. When it has them all, the list is known."""
        key, more = LISTINGS[method].key, result.get("nextCursor")
        items = result.get(key)
        before = self._pages.pop((alias, method), None)
        self.tell(alias, method, None)
        if cursor is None:
            before = (None, {**result, key: []})
        if before is None or before[0] != cursor or not isinstance(items, list):
            return
        whole = {**before[1], key: [*before[1][key], *items]}
        if more:
            self._pages[alias, method] = (more, whole)
            return
        whole.pop("nextCursor", None)
        self.listed(alias, method, whole)
        self.tell(alias, method, whole[key])

    def tell(self, alias: str, method: str, items: list[Any] | None) -> None:
        """The host is told that these are the server's items; None where it is told a part of them."""
        self._told[alias, method] = items

    async def _in_time(self, link: Link, method: str) -> dict[str, Any] | None:
        last = self.last(link.alias, method)
        if not await self.started(link, method) or link.greeting is None:
            return last
        if LISTINGS[method].capability not in link.greeting.capabilities:
            return None
        asked = await self._soon(link, method, LIVE_WAIT_S if last is not None else self._patience())
        return last if asked.late else asked.result

    async def _soon(self, link: Link, method: str, patience_s: float) -> _Asked:
        """Ask for a listing, and wait so long for the answer; what comes later is announced."""
        asked = _Asked()
        self.tasks.start_soon(self._ask, link, method, asked)
        with anyio.move_on_after(patience_s):
            await asked.answered.wait()
        asked.late = not asked.answered.is_set()
        return asked

    async def _ask(self, link: Link, method: str, asked: _Asked) -> None:
        """Goes on when nobody waits any more."""
        try:
            asked.result = await self.fetch(link, method)
        except MCPError as error:
            if error.code != METHOD_NOT_FOUND:
                logger.warning("server %s: %s: %s", link.alias, method, error)
                asked.result = self.last(link.alias, method)
        asked.answered.set()
        if asked.late:
            await self._announce(link.alias, [method])

    def _patience(self) -> float:
        return max(LIVE_WAIT_S, self.opened_at + FIRST_WAIT_S - clock.now())

    # --- changes ----------------------------------------------------------------------------------------------------

    async def came_up(self, link: Link) -> None:
        """A server is there, for the first time or again."""
        assert link.greeting is not None
        self._catalogues.greeted(link.alias, {**asdict(link.greeting), "old": link.old})
        if "tools" in link.greeting.capabilities:
            # Calls wait for this, since they are told by it; but not for ever.
            await self._soon(link, "tools/list", FIRST_WAIT_S)
        self.tasks.start_soon(self._catch_up, link)

    async def changed(self, link: Link, notification: str, params: dict[str, Any] | None) -> None:
        """The server says that a list changed."""
        key = (link.alias, notification)
        self._changes[key] = params
        if key not in self._notices:

            async def notice() -> None:
                await self._tell_host(notification, self._changes[key])

            self._notices[key] = Coalesced(self.tasks, CHANGES_PAUSE_S, notice)
        await self._notices[key].ask()
        if notification == LISTINGS["tools/list"].changed:
            self.tasks.start_soon(self.refresh, link)

    async def refresh(self, link: Link) -> None:
        """Take note of the server's tools anew."""
        if link.alias not in self._refreshes:

            async def fetch() -> None:
                try:
                    await self.fetch(link, "tools/list")
                except MCPError as error:
                    logger.debug("server %s: %s", link.alias, error)

            self._refreshes[link.alias] = Coalesced(self.tasks, CHANGES_PAUSE_S, fetch)
        await self._refreshes[link.alias].ask()

    async def _catch_up(self, link: Link) -> None:
        """Where the host was told what no longer holds, tell it so."""
        methods = [method for alias, method in self._told if alias == link.alias]
        for method in methods:
            offered = link.greeting is not None and LISTINGS[method].capability in link.greeting.capabilities
            if method != "tools/list" and offered:
                try:
                    await self.fetch(link, method)
                except MCPError as error:
                    logger.debug("server %s: %s: %s", link.alias, method, error)
        await self._announce(link.alias, methods)

    async def _announce(self, alias: str, methods: list[str]) -> None:
        outdated = [LISTINGS[method].changed for method in methods if self._is_outdated(alias, method)]
        for notification in dict.fromkeys(outdated):
            await self._tell_host(notification, None)

    def _is_outdated(self, alias: str, method: str) -> bool:
        if (alias, method) not in self._told:
            return False
        last = self.last(alias, method) or {}
        return bool(self._told[alias, method] != last.get(LISTINGS[method].key, []))
