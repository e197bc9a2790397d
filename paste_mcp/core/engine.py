"""One session: events in, answers and commands out. The single place where prediction, policy and budget meet.

Every method is synchronous and takes `now`; the shell carries out what is returned before it awaits anything else,
which is why no locks are needed. The order of a call's life:

    demanded -> (Hit | Join | Promote | Miss) -> returned -> observe -> think -> launch -> ended
                                              -> abandoned

The engine never sees a clock, a transport or the host. Results are opaque to it: it hands back what it was given.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from paste_mcp.core.commands import (
    Answer,
    Cancel,
    Demand,
    Hit,
    Join,
    Launch,
    Miss,
    Outcome,
    Promote,
)
from paste_mcp.core.keys import CallKey, Unkeyable, call_key
from paste_mcp.core.model import Event, Json, Payload, Prediction, Status, Tool, ToolCall
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.patterns.supposed import SupposedIndex
from paste_mcp.core.prediction.forecaster import Forecaster
from paste_mcp.core.prediction.foreseen import Foreseen
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.cache import MAX_LIVE, Speculations
from paste_mcp.core.speculation.conduct import Conduct
from paste_mcp.core.speculation.flights import Flights
from paste_mcp.core.speculation.journal import Journal, Withheld, nobody
from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.core.speculation.lifecycle import EXECUTING, Cause, Speculation, State
from paste_mcp.core.speculation.settings import ServerPolicy
from paste_mcp.core.speculation.shadows import Shadows
from paste_mcp.core.speculation.standing import Standing
from paste_mcp.core.speculation.thinking import Thinking
from paste_mcp.core.speculation.verify import Check, Checks

MAX_EVENTS = 512
"""Past events that predictions may look at; older ones are forgotten."""

_MISS = Miss()
_FORWARDED = (Miss, Promote)


class Engine:
    """The state of one session. Predictor and budget are shared by all sessions of the proxy.

    `sends` is False where nothing is to be sent and all else is to be as if it were: the control arm of a comparison.
    """

    def __init__(
        self,
        predictor: Forecaster,
        budget: Budget,
        policies: Mapping[str, ServerPolicy],
        *,
        journal: Journal = nobody,
        sends: bool = True,
        conduct: Conduct | None = None,
    ) -> None:
        self.ledger = Ledger()
        self.standing = Standing(policies, conduct or Conduct())
        self._checks = Checks()
        self.values = ValueIndex()
        self._predictor = predictor
        self._budget = budget
        self._policies = policies
        self._journal = journal
        self._sends = sends
        self._speculations = Speculations(self.ledger, journal, budget.settled)
        self._flights = Flights(budget)
        self._history: list[Event] = []
        self._events = 0
        self._unobserved = 0
        self._outstanding: set[Demand] = set()
        self._turn = -1
        self._thinking = Thinking(budget.lead)
        self._foreseen = Foreseen(predictor)
        self._shadows = Shadows(self.ledger, journal)
        self._unfollowed: deque[Speculation] = deque(maxlen=MAX_LIVE)
        """Guesses that have their results, from which nothing was foreseen yet."""
        self._next_id = 0
        self._closed = False

    # --- what the servers offer ---------------------------------------------------------------------------------

    def set_tools(self, server: str, tools: Iterable[Tool], now: float) -> list[Cancel]:
        """The server's tools as it defines them now. What was guessed about a changed one is dropped."""
        changed = self.standing.set_tools(server, tools)
        return self._drop_calls(lambda key: (key.server, key.tool) in changed, now)

    def invalidate(self, server: str, now: float) -> list[Cancel]:
        """Nothing that `server` said before may be served any more: it restarted, or says that things changed."""
        return self._drop_calls(lambda key: key.server == server, now)

    def bar(self, server: str, tool: str, reason: str, now: float) -> list[Cancel]:
        """This tool showed that it must not run unasked (it asked the user something, left a task behind)."""
        self.standing.bar(server, tool, reason)
        return self._drop_calls(lambda key: (key.server, key.tool) == (server, tool), now)

    # --- a demand call ----------------------------------------------------------------------------------------------

    def demanded(self, call: ToolCall, now: float, *, plain: bool = True) -> tuple[Demand, list[Cancel]]:
        """The agent makes this call. `plain` is False for calls that carry more than name and arguments (a task, the
        continuation of an interim result): these are passed through and never matched.
        """
        self._expire(now)
        if not self._outstanding:
            self._turn += 1
            self._thinking.ends(now)
        known = self.standing.get(call.server, call.tool)
        read = plain and known is not None and known.read
        # A write makes guesses stale when it starts and again when it ends: its effect may come at any time between.
        cancels = [] if read else self._drop_written(call.server, now)
        key = self._key(call) if plain else None
        seems_read = plain and known is not None and known.looks_read
        shadow = self._count_shadow(call.server, key, now, seems_read=seems_read)
        if key is not None:
            cancels += self._drop_unfit(key, now)
        answer = self._answer(key, now) if key is not None else _MISS
        eligible = key is not None and known is not None and known.eligible
        demand = Demand(call, key, self._turn, now, read, answer, eligible=eligible, shadow=shadow)
        self._outstanding.add(demand)
        self._budget.demand_began()
        self.ledger.demand += 1
        if isinstance(answer, Miss):
            self.ledger.misses += 1
            if eligible:
                self.ledger.eligible_misses += 1
        if isinstance(answer, _FORWARDED):
            # It goes to the server now, and on its own server a demand waits for no guess.
            self._flights.forward(demand, now)
            cancels += self._yield_server(call.server, now)
        elif isinstance(answer, Join) and self._budget.queueing(call.server).perhaps_serial:
            # Nor for a guess that is ahead of the one that it joined.
            cancels += self._yield_server(call.server, now, before=answer.id)
        return demand, cancels

    def returned(self, demand: Demand, status: Status, now: float) -> list[Cancel]:
        """The call has its answer. Bookkeeping only: cheap, and done before the answer leaves."""
        cancels = self._ended_demand(demand, now, answered=True, ok=status == "ok")
        self._unobserved += 1
        return cancels

    def observe(self, demand: Demand, status: Status, payload: Payload, now: float) -> None:
        """What the call brought, once its answer has left: the heavier half of `returned`, called once after it."""
        self._unobserved -= 1
        event = Event(self._events, demand.turn, demand.call, status, payload, now)
        self._predictor.observe(event, self._history, self.standing.guessable, self.values)
        self._history.append(event)
        self._events += 1
        del self._history[:-MAX_EVENTS]
        self.values.add(event)

    def overlook(self) -> None:
        """One call that has returned will never be observed: they come faster than can be learnt from."""
        self._unobserved -= 1
        self.ledger.overlooked += 1

    def abandoned(self, demand: Demand, now: float) -> list[Cancel]:
        """The agent cancelled the call, or the server never answered it."""
        cancels = self._ended_demand(demand, now)
        if isinstance(demand.answer, Join) and (joined := self._speculations.get(demand.answer.id)):
            cancels += self._cancelled(self._speculations.sweep(Cause.ABANDON, now, [joined]))
        return cancels

    # --- guessing ---------------------------------------------------------------------------------------------------

    def think(self, now: float) -> None:
        """Foresee what comes next, once all of a turn's calls have returned, and queue what is safe and worth it."""
        if self._outstanding or self._unobserved or self._closed or not self._history or not self.standing.guessable:
            return
        self._expire(now)
        self._weigh(self._predictor.predict(self._history, self.standing.guessable, self.values), now)

    def think_ahead(self, now: float, read: Callable[[Json], Payload]) -> None:
        """Foresee what would follow the guesses whose results have come, as if the agent had made them: the second step
        of a chain, with the product of both probabilities. There is no third. `read` makes sense of a result.
        """
        if self._outstanding or self._unobserved or self._closed:
            return
        while self._unfollowed:
            guess = self._unfollowed.popleft()
            if guess.state is not State.READY:
                continue
            event = Event(self._events, self._turn + 1, guess.prediction.call, "ok", read(guess.result), now)
            supposed = SupposedIndex(self.values, event)
            foreseen = self._predictor.predict([*self._history, event], self.standing.guessable, supposed)
            certainty = guess.prediction.probability
            self._weigh([replace(p, probability=certainty * p.probability) for p in foreseen], now, after=event)

    def launch(self, now: float) -> list[Launch]:
        """Move as many queued guesses as there are slots for into execution. The caller starts them at once."""
        launches: list[Launch] = []
        if self._outstanding or self._closed:
            return launches
        self._expire(now)
        for speculation in self._speculations.queued():
            if self._flights.launch(speculation.id, speculation.key, now):
                self._speculations.move(speculation, Cause.LAUNCH, now)
                foreseen = speculation.prediction
                launches.append(Launch(speculation.id, foreseen.call, foreseen.pattern, speculation.row))
        return launches + self._launch_checks(now)

    def ended(self, id: int, outcome: Outcome | None, now: float) -> State | None:
        """Execution `id` is over, with this outcome or (None) without one. Returns the speculation's state by now,
        or None where it had ended before and nobody waits.
        """
        if self._checks.runs(id):
            self._flights.land(id, now, ok=False, answered=outcome is not None)
            self._checked(self._checks.end(id), outcome)
            return None
        speculation = self._speculations.get(id)
        wanted = speculation is not None and speculation.state in EXECUTING
        ok = wanted and outcome is not None and outcome.status == "ok"
        self._flights.land(id, now, ok=ok, answered=wanted and outcome is not None)
        if speculation is None or not wanted:
            return None
        if outcome is not None:
            self.standing.guessed(speculation.key, outcome.status)
        if outcome is None or not self._speculations.may_serve(speculation, outcome, self._budget.limits):
            if speculation.state is State.JOINED:
                # The demand goes to the server after all.
                self.ledger.misses += 1
                self.ledger.eligible_misses += 1
            return self._speculations.move(speculation, Cause.FAIL, now)
        self._speculations.complete(speculation, outcome.result, outcome.size_bytes, now)
        if speculation.state is State.LATE_HIT:
            self._budget.useful()
        elif not speculation.chained:
            self._unfollowed.append(speculation)
        return speculation.state

    def close(self, now: float) -> list[Cancel]:
        """The session ends. Everything still live is settled."""
        self._closed = True
        for demand in list(self._outstanding):
            self._ended_demand(demand, now)
        self._shadows.close(now)
        checks = [Cancel(id) for id in self._checks.drop(lambda key: True)]
        return self._cancelled(self._speculations.sweep(Cause.CLOSE, now)) + checks

    # --- checks of what was served ----------------------------------------------------------------------------------

    def _checked(self, check: Check | None, outcome: Outcome | None) -> None:
        """A served result was fetched once more."""
        if check is None or outcome is None or not outcome.servable:
            return
        self.ledger.verified += 1
        self.ledger.differing += not self.standing.checked(check.key, check.served, outcome.result)

    def _launch_checks(self, now: float) -> list[Launch]:
        launches: list[Launch] = []
        while (check := self._checks.next()) and self._flights.launch(self._next_id + 1, check.key, now):
            self._next_id += 1
            self._checks.start(self._next_id)
            launches.append(Launch(self._next_id, check.call, check.pattern, "verify"))
        return launches

    # --- parts --------------------------------------------------------------------------------------------------------

    def _key(self, call: ToolCall) -> CallKey | None:
        known = self.standing.get(call.server, call.tool)
        try:
            return call_key(call, known.tool.definition) if known else None
        except Unkeyable:
            return None

    def _drop_unfit(self, key: CallKey, now: float) -> list[Cancel]:
        """What was allowed when it was queued must be so when it is served."""
        held = self._speculations.find(key)
        if held is None or self.standing.decide(held.prediction).eligible:
            return []
        return self._drop(lambda of: of == key, now)

    def _answer(self, key: CallKey, now: float) -> Answer:
        self._foreseen.made(key)
        speculation = self._speculations.find(key)
        if speculation is None:
            return _MISS
        match self._speculations.move(speculation, Cause.DEMAND, now):
            case State.HIT:
                self._budget.useful()
                foreseen = speculation.prediction
                check = Check(key, foreseen.call, foreseen.pattern, speculation.result)
                self._checks.served(check, self._policies[key.server].verify)
                return Hit(speculation.id, speculation.result)
            case State.JOINED:
                return Join(speculation.id)
            case _:
                return Promote(speculation.id)

    def _weigh(self, foreseen: Iterable[Prediction], now: float, after: Event | None = None) -> None:
        width = self._budget.width()
        for prediction in foreseen:
            self.ledger.predicted += 1
            width -= self._consider(prediction, now, width, after)

    def _consider(self, prediction: Prediction, now: float, width: int, after: Event | None = None) -> int:
        """Queue `prediction` if it is new, safe and worth it; 1 if it took one of the trigger's places. It follows the
        agent's last call, or `after`, which is a guess.
        """
        key = self._key(prediction.call)
        if key is None or self._speculations.holds(key) or key in self._shadows:
            return 0
        self._foreseen.add(key, prediction)
        server_policy = self._policies[key.server]
        decision = self.standing.decide(prediction, after.index if after is not None else None)
        if not decision.eligible:
            return self._withhold(prediction, self.ledger.refused, decision.row, now)
        further_s = self._thinking.left_s(now) if after is not None else 0.0
        utility = self._budget.worth(prediction.probability, key.server, key.tool, self._thinking.lead, further_s)
        if utility <= 0:
            return self._withhold(prediction, self.ledger.rejected, "not worth it", now)
        if (why := self._budget.holds_back(key.server, prediction.pattern)) is not None:
            return self._withhold(prediction, self.ledger.rejected, why, now)
        if width <= 0:
            return self._withhold(prediction, self.ledger.rejected, "too many for one trigger", now)
        if len(self._speculations) + len(self._shadows) >= MAX_LIVE:
            return self._withhold(prediction, self.ledger.rejected, "too many live", now)
        self._next_id += 1
        if server_policy.mode == "shadow" or not self._sends:
            self._shadows.add(self._next_id, key, prediction, now)
            return 1
        row, chained = decision.row, after is not None
        self._speculations.add(Speculation(self._next_id, key, prediction, now, utility, row, chained=chained))
        return 1

    def _withhold(self, prediction: Prediction, counter: Counter[str], why: str, now: float) -> int:
        counter[why] += 1
        self._journal(Withheld(prediction, why), now)
        return 0

    def _count_shadow(self, server: str, key: CallKey | None, now: float, *, seems_read: bool) -> int | None:
        """What trusting the hints would have brought; the guess that would have answered."""
        if not self._shadows:
            return None
        found = None
        if key is not None:
            found = self._shadows.demanded(key, self._budget.service_s(key.server, key.tool), now)
        if not seems_read:
            self._shadows.invalidate(now, self.standing.touched_by(server))
        return found

    def _expire(self, now: float) -> None:
        if self._speculations:
            self._speculations.expire(self._ttl_s, now)
        if self._shadows:
            self._shadows.expire(self._ttl_s, now)

    def _ttl_s(self, key: CallKey) -> float:
        return self.standing.ttl_s(key, self._budget.limits.ttl_s)

    def _yield_server(self, server: str, now: float, before: int | None = None) -> list[Cancel]:
        """Stop the guesses at `server`, or those that were launched before guess `before`."""
        if not (self._flights or self._checks):
            return []
        stopped = [s for id in self._flights.to_stop(server, before) if (s := self._speculations.get(id)) is not None]
        checks = [Cancel(id) for id in self._checks.drop(lambda key: key.server == server)]
        return self._cancelled(self._speculations.sweep(Cause.PREEMPT, now, stopped)) + checks

    def _ended_demand(self, demand: Demand, now: float, *, answered: bool = False, ok: bool = False) -> list[Cancel]:
        if demand.ended:
            return []
        demand.ended = True
        self._outstanding.discard(demand)
        self._flights.back(demand, now, ok=ok, answered=answered)
        self._budget.demand_ended()
        if not self._outstanding:
            self._thinking.begins(now)
        return [] if demand.read else self._drop_written(demand.call.server, now)

    def _drop_written(self, server: str, now: float) -> list[Cancel]:
        """Something on `server` may have changed, and with it what other servers answer."""
        anything = self._speculations or self._flights or self._checks
        return self._drop(self.standing.touched_by(server), now) if anything else []

    def _drop(self, concerns: Callable[[CallKey], bool], now: float) -> list[Cancel]:
        among = [speculation for speculation in self._speculations if concerns(speculation.key)]
        checks = [Cancel(id) for id in self._checks.drop(concerns)]
        return self._cancelled(self._speculations.sweep(Cause.WRITE, now, among)) + checks

    def _drop_calls(self, concerns: Callable[[CallKey], bool], now: float) -> list[Cancel]:
        self._shadows.invalidate(now, concerns)
        return self._drop(concerns, now)

    def _cancelled(self, speculations: list[Speculation]) -> list[Cancel]:
        return [Cancel(speculation.id) for speculation in speculations]
