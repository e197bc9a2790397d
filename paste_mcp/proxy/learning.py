"""Keeps what is learnt: read at the start, written now and then and at the end, never while a host waits for it.

Files are read and written in threads. A store that cannot be used is told once; learning goes on in memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Final, TypeVar

import anyio
from anyio import to_thread
from anyio.lowlevel import checkpoint

from paste_mcp.core.model import Tool
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.proxy import clock
from paste_mcp.store.admission import Delta
from paste_mcp.store.learner import Learner
from paste_mcp.store.learnt import ALL_CALLS, LearntStore, StoreError, session_key

logger = logging.getLogger("paste_mcp")

FLUSH_S: Final = 30.0
"""How long what was learnt may wait to be written down."""
_AT_ONCE: Final = 1_000
"""Counts that are taken over before others get their turn."""

Done = TypeVar("Done")


class Learning:
    """What all sessions of one proxy learn together. `history`: short texts may be kept, too."""

    def __init__(self, store: LearntStore, *, history: bool) -> None:
        self.learner = Learner(history=history, changed=self._change)
        self._store = store
        self._history = history
        self._some = anyio.Event()
        self._met = anyio.Event()
        self._sessions: dict[str, int] = {}
        self._warned = False

    def began(self, session: str) -> None:
        """A session began: whoever mines its record later need not."""
        self._sessions[session_key(session)] = ALL_CALLS

    def met(self, tools: Iterable[Tool]) -> None:
        """A server listed its tools."""
        self.learner.meet(tools)
        self._met.set()
        self._some.set()

    async def run(self) -> None:
        """Read what was kept, then write what is learnt, until cancelled."""
        kept = await self._in_thread(partial(self._store.load, _today(), literals=self._history))
        if kept is not None:
            await self._remember(kept)
        while True:
            await self._some.wait()
            self._some = anyio.Event()
            with anyio.move_on_after(FLUSH_S):
                while True:
                    with anyio.CancelScope(shield=True):
                        await self._bind()
                    await self._met.wait()
                    self._met = anyio.Event()
            await self.flush()

    async def flush(self) -> None:
        """Write down what was learnt since the last time."""
        delta = self.learner.take()
        if delta:
            sessions, self._sessions = self._sessions, {}
            if await self._in_thread(partial(self._add, delta, sessions)) is None:
                self.learner.put_back(delta)
                self._sessions |= sessions

    def _add(self, delta: Delta, sessions: dict[str, int]) -> bool:
        self._store.add(delta, _today(), sessions)
        return True

    async def _bind(self) -> None:
        """The tools that were met may be those of logs, where their definitions were not known."""
        if names := self.learner.take_new_tools():
            known = await self._in_thread(partial(self._store.bind, names, _today(), literals=self._history))
            if known is not None:
                await self._remember(known)

    async def _remember(self, kept: Counts) -> None:
        entries = iter(kept)
        while some := list(islice(entries, _AT_ONCE)):
            self.learner.remember(some)
            await checkpoint()

    async def _in_thread(self, work: Callable[[], Done]) -> Done | None:
        try:
            return await to_thread.run_sync(work)
        except StoreError as error:
            if not self._warned:
                self._warned = True
                logger.warning("what is learnt is not kept: %s", error)
            return None

    def _change(self) -> None:
        self._some.set()


def _today() -> int:
    return int(clock.wall() // 86_400)
