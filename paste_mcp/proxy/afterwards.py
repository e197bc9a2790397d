"""What follows from calls once their answers have gone: they are recorded and learnt from, and the next is foreseen.

All of it waits for a lull, so that a host that asks again at once is answered at once: nothing is gained by foreseeing
what is asked within milliseconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel

from paste_mcp.core.commands import Demand
from paste_mcp.core.engine import Engine
from paste_mcp.core.model import Payload, Status
from paste_mcp.core.patterns.extract import payload_of
from paste_mcp.proxy import clock
from paste_mcp.proxy.recorder import Recorder
from paste_mcp.proxy.speculate import Guesses

LULL_S = 0.005
"""How long no call has returned before what follows from them is done."""
MAX_WAITING = 32
"""Calls that may wait for a lull. Of a program that makes more without one, only the latest are learnt from."""


@dataclass(slots=True, eq=False)
class Returned:
    """A call that has its answer. `answered` says how it came by it: hit, late_hit, promoted or miss."""

    demand: Demand
    answered: str
    status: Status
    result: dict[str, Any] | None
    at: float


class Afterwards:
    """The calls of one session that have returned and are not dealt with yet."""

    def __init__(self, engine: Engine, recorder: Recorder, guesses: Guesses) -> None:
        self._engine = engine
        self._recorder = recorder
        self._guesses = guesses
        self._waiting: deque[Returned] = deque()
        self._added = 0
        self._some = anyio.Event()

    def add(self, returned: Returned) -> None:
        self._waiting.append(returned)
        self._added += 1
        if len(self._waiting) == 1:
            self._some.set()
        elif len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self._engine.overlook()

    async def run(self) -> None:
        """Deal with them in the lulls, until cancelled."""
        while True:
            await self._some.wait()
            self._some = anyio.Event()
            while self._waiting:
                await self._lull()
                await self._deal()
            self._engine.think(clock.now())
            self._guesses.start(self._engine.launch(clock.now()))
            self._recorder.flush()

    def finish(self) -> None:
        """Deal with all that wait, lull or not, but for what comes next: nothing does."""
        while self._waiting:
            self._learn(self._waiting.popleft())

    async def _lull(self) -> None:
        added = None
        while added != self._added:
            added = self._added
            await anyio.sleep(LULL_S)

    async def _deal(self) -> None:
        """One after the other, as long as the lull lasts."""
        added = self._added
        while self._waiting and added == self._added:
            self._learn(self._waiting.popleft())
            await anyio.lowlevel.checkpoint()

    def _learn(self, call: Returned) -> None:
        payload = payload_of(call.result) if call.result is not None else Payload()
        self._recorder.call(call.demand, call.answered, call.status, payload, call.result, call.at, self._engine.values)
        self._engine.observe(call.demand, call.status, payload, call.at)
