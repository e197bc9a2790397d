"""The calls of one session that are in flight, guesses and demands, with the slots that they hold in the budget."""

from __future__ import annotations

from itertools import takewhile

from paste_mcp.core.commands import Demand
from paste_mcp.core.keys import CallKey
from paste_mcp.core.speculation.budget import Budget, Places
from paste_mcp.core.speculation.queueing import Run


class Flights:
    """By id of the guess, in the order of the launches, also where the guess itself has ended; and by demand."""

    def __init__(self, budget: Budget) -> None:
        self.places: Places = {}
        self._budget = budget
        self._guesses: dict[int, Run] = {}
        self._demands: dict[Demand, Run] = {}

    def __len__(self) -> int:
        """Guesses in flight."""
        return len(self._guesses)

    def launch(self, id: int, key: CallKey, now: float) -> bool:
        """Guess `id` is sent, if there is a slot for it."""
        run = self._budget.take(key.server, key.tool, self.places, now, in_session=len(self._guesses))
        if run is not None:
            self._guesses[id] = run
        return run is not None

    def land(self, id: int, now: float, *, ok: bool, answered: bool) -> None:
        """Guess `id` is no longer executed."""
        self._budget.ended(self._guesses.pop(id), self.places, now, ok=ok, answered=answered)

    def forward(self, demand: Demand, now: float) -> None:
        """The demand goes to its server; guesses that are there may hold it up, stopped or not."""
        server = demand.call.server
        behind = [run for run in self._guesses.values() if run.server == server]
        self._demands[demand] = self._budget.forwarded(server, demand.call.tool, self.places, now, behind)

    def back(self, demand: Demand, now: float, *, ok: bool, answered: bool) -> None:
        """The demand is over, if it was ever sent."""
        if (run := self._demands.pop(demand, None)) is not None:
            self._budget.ended(run, self.places, now, ok=ok, answered=answered)

    def to_stop(self, server: str, before: int | None) -> list[int]:
        """The guesses at `server` that must make way: all, or those that were launched before guess `before`.

        None where it would work on regardless: nothing is gained by stopping them, and their results may be wanted.
        """
        if not self._guesses or self._budget.queueing(server).deaf:
            return []
        ahead = takewhile(lambda id: id != before, self._guesses)
        return [id for id in ahead if self._guesses[id].server == server]
