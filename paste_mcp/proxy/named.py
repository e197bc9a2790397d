"""Sessions that hosts name where their protocol has none; closed when nobody has used them for a while."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import anyio
from mcp_types import INVALID_REQUEST

from paste_mcp.proxy import clock
from paste_mcp.proxy.sdk import MCPError
from paste_mcp.proxy.session import Session

logger = logging.getLogger("paste_mcp")

MAX_NAMED = 256
"""Sessions by name that are open at once; a further name is refused until one of them expires."""
IDLE_S = 1800.0
"""Without a request for so long, a session is closed and its servers stopped. A later request opens it anew."""

Key: TypeAlias = tuple[str | None, str | None]
"""Who asks, where that is proven, and the name in the path; without a name there is no speculation."""


class NamedSessions:
    """The sessions by key. `run` closes those that idle."""

    def __init__(
        self, open_session: Callable[[bool], Awaitable[Session]], close_session: Callable[[Session], Awaitable[None]]
    ) -> None:
        self._open_session = open_session
        self._close_session = close_session
        self._sessions: dict[Key, Session] = {}
        self._opening = anyio.Lock()

    async def get(self, key: Key) -> Session:
        """The session of this key, opened if it is not."""
        async with self._opening:
            if key not in self._sessions:
                if len(self._sessions) >= MAX_NAMED:
                    raise MCPError(INVALID_REQUEST, "too many named sessions")
                if key[1] is None:
                    logger.info("no session identity (2026-07-28 without /mcp/s/<name>): nothing is speculated")
                self._sessions[key] = await self._open_session(key[1] is not None)
            session = self._sessions[key]
            session.used_at = clock.now()
            return session

    async def run(self) -> None:
        while True:
            await anyio.sleep(IDLE_S / 10)
            for key, session in list(self._sessions.items()):
                if not session.in_use and clock.now() - session.used_at >= IDLE_S:
                    del self._sessions[key]
                    await self._close_session(session)
