"""One session of the agent: it thinks, makes a turn's calls, waits for all of them, and thinks again.

The engine is the real one, and is driven as the proxy drives it: `proxy/call.py` and `proxy/speculate.py` are what is
followed here. What a call brings is what the trace says.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from paste_mcp.core.commands import Cancel, Demand, Hit, Join, Launch, Outcome
from paste_mcp.core.engine import Engine
from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Event, Payload
from paste_mcp.core.patterns.extract import ValueIndex
from paste_mcp.core.prediction.forecaster import Forecaster
from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.core.speculation.lifecycle import State
from paste_mcp.lab.evaluate.lessons import Lesson, Reads, key_of, meet, tool_of
from paste_mcp.lab.evaluate.play import PREDICTION
from paste_mcp.lab.simulate.servers import Job
from paste_mcp.lab.simulate.world import Connections, World


@dataclass(frozen=True, slots=True)
class Case:
    """A session to be played. `name` tells it from its copies; `known` are the tools met in training."""

    name: str
    lesson: Lesson
    known: Reads
    forecaster: Forecaster
    indexed: bool
    """The forecaster looks values up."""
    chains: bool = False
    """Guesses may follow guesses."""


@dataclass(slots=True)
class Session:
    """What came of one session, in seconds."""

    task: str
    session: str
    began: float
    ended: float = 0.0
    stall_s: float = 0.0
    """Of waiting for turns to be answered."""
    latencies_s: list[float] = field(default_factory=list)
    """Of each demand call."""
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def e2e_s(self) -> float:
        return self.ended - self.began


class NoIndex(ValueIndex):
    """For those who look no values up: keeping them is most of the work."""

    def add(self, event: Event) -> None:
        pass


class Agent:
    """Plays one case in a world; `ended` is called when its last answer is there."""

    def __init__(self, case: Case, world: World, ended: Callable[[Session], None]) -> None:
        self._case = case
        self._lesson = case.lesson
        self._world = world
        self._clock = world.clock
        self._ended = ended
        self._engine = _engine(case, world)
        self._session = Session(case.lesson.task, case.name, self._clock.now)
        self._connections = Connections(world, case.name, self._clock.now)
        self._places: dict[CallKey, list[int]] = defaultdict(list)
        for position, key in enumerate(case.lesson.keys):
            if key is not None:
                self._places[key].append(position)
        self._turn = -1
        self._asked_at = 0.0
        self._demands: dict[int, Demand] = {}
        self._unanswered: set[int] = set()
        self._running: dict[int, Job] = {}
        self._servers: dict[int, str] = {}
        self._joined: dict[int, int] = {}

    def begin(self) -> None:
        """Think for the first time."""
        self._think()

    # --- the agent ------------------------------------------------------------------------------------------------

    def _think(self) -> None:
        self._turn += 1
        self._clock.at(self._clock.now + self._world.times.think_s(self._case.name, self._turn), self._ask)

    def _ask(self) -> None:
        self._asked_at = self._clock.now
        if self._world.busy_until > self._clock.now:
            self._clock.at(self._world.busy_until, self._demand_all)
        else:
            self._demand_all()

    def _demand_all(self) -> None:
        positions = self._lesson.turns[self._turn]
        self._unanswered = set(positions)
        for position in positions:
            self._demand(position)

    def _answered(self, position: int) -> None:
        """The answer to one call is back with the agent."""
        now = self._clock.now
        demand = self._demands[position]
        self._session.latencies_s.append(now - self._asked_at)
        self._carry_out(self._engine.returned(demand, self._lesson.events[position].status, now))
        self._unanswered.discard(position)
        if not self._unanswered:
            self._turn_over()

    def _turn_over(self) -> None:
        now = self._clock.now
        self._session.stall_s += now - self._asked_at
        for position in self._lesson.turns[self._turn]:
            event = self._lesson.events[position]
            self._engine.observe(self._demands.pop(position), event.status, event.payload, now)
        self._engine.think(now)
        self._start(self._engine.launch(now))
        if self._turn + 1 < len(self._lesson.turns):
            self._think()
        else:
            self._session.ended = now
            # Nobody knows yet that nothing more comes: what was just guessed runs until the model has had its say.
            self._clock.at(now + self._world.times.think_s(self._case.name, self._turn + 1), self._close)
            self._ended(self._session)

    def _close(self) -> None:
        self._carry_out(self._engine.close(self._clock.now))
        self._session.ledger = self._engine.ledger

    # --- the proxy --------------------------------------------------------------------------------------------------

    def _demand(self, position: int) -> None:
        call = self._lesson.events[position].call
        demand, cancels = self._engine.demanded(call, self._clock.now, plain=self._lesson.reads[position])
        self._demands[position] = demand
        self._carry_out(cancels)
        match demand.answer:
            case Hit():
                self._clock.at(self._clock.now, partial(self._answered, position))
            case Join(id=id):
                self._joined[id] = position
            case _:
                self._forward(position)

    def _forward(self, position: int) -> None:
        service_s = self._world.times.latency_s(self._case.name, position)
        self._send(self._lesson.events[position].call.server, Job(service_s, partial(self._answered, position)))

    def _start(self, launches: Iterable[Launch]) -> None:
        for launch in launches:
            self._world.launched()
            position = self._next(key_of(launch.call))
            what = position if position is not None else str(key_of(launch.call))
            service_s = self._world.times.latency_s(self._case.name, what)
            outcome = _outcome(self._lesson.events[position] if position is not None else None)
            job = Job(service_s, partial(self._guess_ended, launch.id, outcome))
            self._running[launch.id] = job
            self._servers[launch.id] = launch.call.server
            self._send(launch.call.server, job)

    def _send(self, server: str, job: Job) -> None:
        ready_at = self._connections.ready_at(server)
        if ready_at > self._clock.now:
            self._clock.at(ready_at, partial(self._arrive, server, job))
        else:
            self._arrive(server, job)

    def _arrive(self, server: str, job: Job) -> None:
        if not job.stopped:
            self._world.server(server, self._case.name).ask(job)

    def _carry_out(self, cancels: Iterable[Cancel]) -> None:
        for cancel in cancels:
            job = self._running.get(cancel.id)
            if job is not None and not job.stopped:
                self._world.server(self._servers[cancel.id], self._case.name).cancel(job)
                # As in the proxy, where the task that waits hears of it a moment later.
                self._clock.at(self._clock.now, partial(self._guess_ended, cancel.id, None))

    def _guess_ended(self, id: int, outcome: Outcome | None) -> None:
        if self._running.pop(id, None) is None:
            return
        del self._servers[id]
        state = self._engine.ended(id, outcome, self._clock.now)
        position = self._joined.pop(id, None)
        if position is not None:
            if state is State.LATE_HIT:
                self._answered(position)
            else:
                self._forward(position)
        if self._case.chains:
            self._engine.think_ahead(self._clock.now, lambda payload: payload)
        # What a guess brings is kept as it may be read.
        self._engine.think_ahead(self._clock.now, lambda result: result)
        self._start(self._engine.launch(self._clock.now))

    def _next(self, key: CallKey | None) -> int | None:
        """The next call of the trace that is this one."""
        places = self._places.get(key, []) if key is not None else []
        done = self._lesson.turns[self._turn][-1]
        at = bisect_right(places, done)
        return places[at] if at < len(places) else None


def _engine(case: Case, world: World) -> Engine:
    """An engine that is told every tool; which of them may be guessed, whoever guesses decides."""
    known = dict(case.known)
    meet(known, case.lesson, range(len(case.lesson.events)))
    servers = {server for server, _ in known}
    engine = Engine(case.forecaster, world.budget, dict.fromkeys(servers, PREDICTION.policy))
    if not case.indexed:
        engine.values = NoIndex()
    for server in servers:
        tools = [tool_of(key, read_only=True) for key in known if key[0] == server]
        engine.set_tools(server, tools, world.clock.now)
    return engine


def _outcome(event: Event | None) -> Outcome:
    """What a guess brings: what the trace says, or, of a call that never came, something that nobody will see."""
    if event is None:
        return Outcome(Payload(), "ok", 0)
    return Outcome(event.payload, event.status, len(event.payload.text))
