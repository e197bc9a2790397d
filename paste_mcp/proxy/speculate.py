"""Carries out what the engine decided about guesses: starts them, cancels them, lets demands join. Decides nothing."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup

from paste_mcp.core.commands import Cancel, Launch, Outcome
from paste_mcp.core.engine import Engine
from paste_mcp.core.model import ToolCall
from paste_mcp.core.patterns.extract import payload_of
from paste_mcp.core.speculation.lifecycle import State
from paste_mcp.proxy import clock
from paste_mcp.proxy.outcome import is_complete, outcome_of
from paste_mcp.proxy.sdk import MCPError

logger = logging.getLogger("paste_mcp")

LEFT_OPEN = "it left something open instead of answering"
FAILED = Outcome(None, "error", servable=False)
"""The server answered with an error of the protocol, or not at all."""


@dataclass(slots=True, eq=False)
class _Running:
    call: ToolCall
    scope: anyio.CancelScope
    ended: anyio.Event = field(default_factory=anyio.Event)
    result: dict[str, Any] | None = None


class Guesses:
    """The speculative calls of one session that are under way."""

    def __init__(
        self,
        engine: Engine,
        tasks: TaskGroup,
        send: Callable[[ToolCall], Awaitable[dict[str, Any]]],
        timeouts_s: Mapping[str, float],
        bar: Callable[..., None],
        note: Callable[[Launch], bool],
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """`bar` (alias, tool, reason, lasting) is called where a tool must not run early any more; `note` before a call
        is sent, which it is not where that says no; `ended` when a guess is over, by which time nobody waits for it.
        """
        self._engine = engine
        self._tasks = tasks
        self._send = send
        self._timeouts_s = timeouts_s
        self._bar = bar
        self._note = note
        self._ended = ended
        self.cut_off: set[str] = set()
        """Servers at which a guess was stopped. Some work on, and may yet ask something for it."""
        self._running: dict[int, _Running] = {}

    def start(self, launches: Iterable[Launch]) -> None:
        """Begin these calls. Must follow the engine's `launch` without an await between."""
        for launch in launches:
            # The scope is made here, not in the task: else a guess preempted before its task first runs would be
            # booked as preempted and still be sent.
            running = self._running[launch.id] = _Running(launch.call, anyio.CancelScope())
            self._tasks.start_soon(self._run, launch, running)

    def cancel(self, cancels: Iterable[Cancel]) -> None:
        for cancel in cancels:
            if running := self._running.get(cancel.id):
                running.scope.cancel()

    async def join(self, id: int) -> dict[str, Any] | None:
        """The result of a running guess, when it comes; None if it has none to give."""
        running = self._running.get(id)
        if running is None:
            return None
        await running.ended.wait()
        return running.result

    def on(self, alias: str) -> list[ToolCall]:
        """The guesses under way at this server."""
        return [running.call for running in self._running.values() if running.call.server == alias]

    async def _run(self, launch: Launch, running: _Running) -> None:
        id = launch.id
        outcome: Outcome | None = None
        stopped = True
        try:
            with running.scope, anyio.move_on_after(self._timeouts_s[running.call.server]):
                if not running.scope.cancel_called and self._note(launch):
                    result = await self._send(running.call)
                    outcome = outcome_of(result)
                    if not is_complete(result):
                        self._bar(running.call.server, running.call.tool, LEFT_OPEN, lasting=True)
                stopped = False
        except MCPError as error:
            stopped = False
            outcome = FAILED
            logger.debug("a guess for %s failed: %s", running.call.tool, error)
        finally:
            del self._running[id]
            if stopped:
                self.cut_off.add(running.call.server)
            state = self._engine.ended(id, outcome, clock.now())
            if state is State.LATE_HIT and outcome is not None:
                running.result = outcome.result
            running.ended.set()
            while self._engine.standing.newly_barred:
                found = self._engine.standing.newly_barred.popleft()
                self._bar(found.server, found.tool, found.reason, lasting=found.lasting)
        # Perhaps it shows what comes after it; and a slot is free.
        self._engine.think_ahead(clock.now(), payload_of)
        self.start(self._engine.launch(clock.now()))
        self._ended()

    def bar_all_on(self, alias: str, reason: str, *, lasting: bool) -> None:
        """The server turned to the user while guesses ran there: stop them, and never guess these tools again."""
        for running in [running for running in self._running.values() if running.call.server == alias]:
            self._bar(alias, running.call.tool, reason, lasting=lasting)
            # Also one that a demand has joined: what comes now comes without the answer.
            running.scope.cancel()
