"""An action that many ask for and that is done only so often."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

logger = logging.getLogger("paste_mcp")


class Coalesced:
    """`action`, done at once when it is asked for, then at most once in `pause_s`, and always after the last asking."""

    def __init__(self, tasks: TaskGroup, pause_s: float, action: Callable[[], Awaitable[None]]) -> None:
        self._tasks = tasks
        self._pause_s = pause_s
        self._action = action
        self._resting = False
        self._again = False

    async def ask(self) -> None:
        """Returns when the action is done, or will be done later."""
        if self._resting:
            self._again = True
            return
        self._resting = True
        try:
            await self._act()
        finally:
            self._tasks.start_soon(self._rest)

    async def _rest(self) -> None:
        await anyio.sleep(self._pause_s)
        while self._again:
            self._again = False
            await self._act()
            await anyio.sleep(self._pause_s)
        self._resting = False

    async def _act(self) -> None:
        try:
            await self._action()
        except Exception:
            # Nobody waits for it, and it must not take down those it shares its tasks with.
            logger.exception("a change could not be passed on")
