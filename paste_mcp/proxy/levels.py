"""Log levels between the eras: up to 2025-11-25 a connection has one, after that each request names its own."""

from __future__ import annotations

import logging
from typing import Any, get_args

from mcp_types import LOG_LEVEL_META_KEY, LoggingLevel

from paste_mcp.proxy.downstream import Link
from paste_mcp.proxy.sdk import MCPError, Request

logger = logging.getLogger("paste_mcp")

LEVELS: tuple[str, ...] = get_args(LoggingLevel)
"""The most talkative first."""


class Levels:
    """What the host of one session asked for, and what was therefore asked of its servers."""

    def __init__(self) -> None:
        self.host: str | None = None
        """What a legacy host asked for; modern servers are told with each request."""
        self._asked: dict[str, str] = {}

    async def ask(self, link: Link, request: Request) -> None:
        """Before a modern host's request: have a legacy server log what the request is to hear. It is never asked for
        less: another request may want it, and what this one did not ask for is kept from it anyhow.
        """
        level = request.meta.get(LOG_LEVEL_META_KEY)
        if level not in LEVELS or not _has_level(link):
            return
        asked = self._asked.get(link.alias)
        if asked is not None and LEVELS.index(asked) <= LEVELS.index(level):
            return
        self._asked[link.alias] = level
        await _set(link, level)

    async def came_up(self, link: Link) -> None:
        """A server that was started anew knows nothing of what it was asked before."""
        level = self.host or self._asked.get(link.alias)
        if level is not None and _has_level(link):
            await _set(link, level)

    @property
    def envelope(self) -> dict[str, Any]:
        return {} if self.host is None else {LOG_LEVEL_META_KEY: self.host}


def _has_level(link: Link) -> bool:
    return link.greeting is not None and not link.modern and "logging" in link.greeting.capabilities


async def _set(link: Link, level: str) -> None:
    try:
        await link.request("logging/setLevel", {"level": level})
    except MCPError as error:
        logger.debug("server %s: logging/setLevel: %s", link.alias, error)
