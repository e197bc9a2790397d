"""Any order of events, two sessions over one budget: the engine against a naive model of it.

The model keeps every guess in a list and scans it; it shares no code with the engine, and calls are told apart by
their place in tables, not by keys. Beside it a log of what was executed and written says, without any model, what may
be served. Deeper: HYPOTHESIS_PROFILE=deep.
"""

from collections import Counter
from math import log
from statistics import median

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from paste_mcp.core.commands import Hit, Join, Miss, Outcome, Promote
from paste_mcp.core.engine import Engine
from paste_mcp.core.model import Hints, Ingredient, Payload, Prediction, Tool, ToolCall
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.journal import Issued, Settled, Withheld
from paste_mcp.core.speculation.settings import Limits, ServerPolicy, Site

LIMITS = Limits(
    total=3,
    per_session=2,
    per_server=2,
    per_trigger=3,
    ttl_s=5.0,
    result_bytes=100,
    buffer_bytes=100,
    call_timeout_s=30,
)
TOOLS = (("a", "read"), ("b", "look"), ("a", "write"))
READS = frozenset(TOOLS[:2])
HINTS = {"read": Hints(read_only=True, open_world=False), "look": Hints(), "write": Hints(read_only=False)}
POLICIES = {"a": ServerPolicy("annotated"), "b": ServerPolicy("listed", allow=("look",))}
SITES = {"b": Site(shared=True)}
ARGUMENTS = ({"x": 1}, {"x": True}, {"x": 1.0})
"""Equal in Python, different to a server."""

GONE = {"hit", "late hit", "promoted", "squashed", "unused", "preempted", "stale", "failed"}


def call(tool, argument):
    return ToolCall(*TOOLS[tool], ARGUMENTS[argument])


def place(made):
    """The place of a call in the tables, by identity of its arguments."""
    argument = next(index for index, arguments in enumerate(ARGUMENTS) if arguments is made.arguments)
    return TOOLS.index((made.server, made.tool)), argument


# --- the naive model -------------------------------------------------------------------------------------------------


class Shared:
    """What all sessions share, recounted from lists whenever it is asked for."""

    def __init__(self):
        self.sessions = []
        self.durations = {tool: [] for tool in TOOLS}
        self.leads = []
        self.flights = []
        self.nets = {"a": [], "b": [], "p": []}
        self.held = {"a": 0, "b": 0, "p": 0}
        self.serial = {"a": 0.0, "b": 0.0}
        self.deaf = {"a": 0.0, "b": 0.0}

    # --- calls in flight, and what is learnt from how they overlapped

    def in_flight(self, server, session):
        """The calls in flight where this session's calls to `server` go."""
        return [
            flight
            for flight in self.flights
            if flight["ended"] is None
            and flight["tool"][0] == server
            and (server == "b" or flight["session"] is session)
        ]

    def takes_off(self, tool, session, guess, now, behind=()):
        others = self.in_flight(tool[0], session)
        watched = len(others) < 8
        flight = {"tool": tool, "session": session, "guess": guess, "began": now, "behind": bool(behind)}
        flight["rest"] = 0.0
        if all(self.durations[one["tool"]] for one in behind):
            flight["rest"] = sum(max(0.0, one["began"] + self.service_s(one["tool"]) - now) for one in behind)
        flight["number"] = len(self.flights)
        flight |= {"ahead": others if watched else [], "ended": None, "told": False}
        for other in others if watched else ():
            if other["began"] == now:
                other["ahead"].append(flight)
        self.flights.append(flight)
        return flight

    def lands(self, flight, ok, answered, now):
        server = flight["tool"][0]
        others = [one for one in self.in_flight(server, flight["session"]) if one is not flight]
        flight.update(ended=now, told=answered and len(others) < 8)
        if flight["guess"] and not answered and self.deaf[server] >= 2:
            flight["busy"] = max(now, flight["began"] + self.service_s(flight["tool"]))
        if not ok:
            return
        durations = self.durations[flight["tool"]]
        took = now - flight["began"]
        freed = [one["ended"] for one in flight["ahead"] if one["told"] and one["ended"] is not None]
        waited = max([0.0, *(ended - flight["began"] for ended in freed)])
        if durations:
            usual = median(durations[-9:] if len(durations) >= 9 else durations)
            if any(one["ended"] is None and one["began"] < flight["began"] for one in flight["ahead"]):
                self.serial[server] = bounded(self.serial[server], -1.5)
            elif waited > 0:
                self.serial[server] = bounded(self.serial[server], evidence(took, usual + waited, usual))
            if flight["rest"]:
                self.deaf[server] = bounded(self.deaf[server], evidence(took, usual + flight["rest"], usual))
        if flight["behind"] and self.deaf[server] >= 0:
            served = None
        elif waited > 0 and self.serial[server] >= 0:
            served = took - waited if self.serial[server] >= 2 else None
        else:
            served = took
        if served is not None or took < self.service_s(flight["tool"]):
            durations.append(took if served is None else served)

    def has_room(self, server, session, now):
        if self.serial[server] >= 2:
            busy = [
                one.get("busy", 0.0)
                for one in self.flights
                if one["tool"][0] == server and (server == "b" or one["session"] is session)
            ]
            return not self.in_flight(server, session) and max([0.0, *busy]) <= now
        return sum(one["guess"] for one in self.in_flight(server, session)) < LIMITS.per_server

    def guesses_at(self, server, session):
        here = self.in_flight(server, session)
        return [flight for flight in here if flight["guess"] and flight["session"] is session]

    # --- what is worth it

    def holds_back(self, server):
        for subject in (server, "p"):
            recent = self.nets[subject][-24:]
            if len(recent) >= 12 and sum(recent) < 0:
                self.held[subject] += 1
                return self.held[subject] % 16 != 0
        return False

    def executing(self):
        return [guess for session in self.sessions for guess in session.guesses if guess["executing"]]

    def issued(self):
        return sum(guess["launched"] is not None for session in self.sessions for guess in session.guesses)

    def useful(self):
        return sum(guess["state"] in ("hit", "late hit") for session in self.sessions for guess in session.guesses)

    def width(self):
        accuracy = (self.useful() + 2) / (self.issued() + 4)
        return max(1, round(LIMITS.per_trigger * min(1.0, accuracy / (1 / 3))))

    def service_s(self, tool):
        return median([1.0, *self.durations[tool]][-9:])

    def utility(self, p, tool, leads):
        pressure = (sum(len(session.outstanding) for session in self.sessions) + len(self.executing())) / LIMITS.total
        price = 0.10 if pressure <= 0.5 else 0.15 if pressure <= 1 else 0.20 if pressure <= 2 else 0.30
        service_s = self.service_s(tool)
        hidden = sum(min(service_s, lead) for lead in leads) / len(leads)
        blocks = self.serial[tool[0]] >= 2 and self.deaf[tool[0]] >= 0
        blocked = service_s - hidden if blocks else 0.0
        return p * hidden - (1 - p) * (price * service_s + blocked) - 0.02


def evidence(took, so, other):
    far, near = (log(max(took, 1e-3) / max(usual, 1e-3)) ** 2 for usual in (other, so))
    return (far - near) / (2 * 0.5**2)


def bounded(score, by):
    return max(-4.0, min(4.0, score + max(-1.5, min(1.5, by))))


class Model:
    """One session as a list of guesses, each a dict that is never removed."""

    def __init__(self, shared):
        self.shared = shared
        self.guesses = []
        self.outstanding = []
        self.unobserved = 0
        self.observed = 0
        self.barred = set()
        self.leads = [2.0, *shared.leads][-9:]
        self.idle_since = None
        self.counts = {"demand": 0, "misses": 0, "eligible_misses": 0, "hidden_s": 0.0, "wasted_s": 0.0}
        shared.sessions.append(self)

    def live(self, *states):
        return [
            guess for guess in self.guesses if guess["state"] in (states or ("queued", "running", "joined", "ready"))
        ]

    def end(self, guess, state, now):
        """Ends a guess; whether an execution must be cancelled for it."""
        cancel = guess["state"] in ("running", "joined")
        guess["state"] = state
        if guess["launched"] is not None and state not in ("hit", "late hit"):
            until = guess["completed"] if guess["completed"] is not None else now
            self.counts["wasted_s"] += until - guess["launched"]
        if guess["launched"] is not None:
            until = guess["completed"] if guess["completed"] is not None else now
            worked = (guess["joined"] if state == "late hit" else until) - guess["launched"]
            net = (worked if state in ("hit", "late hit") else -0.1 * worked) - 0.02
            for subject in (TOOLS[guess["place"][0]][0], "p"):
                self.shared.nets[subject].append(net)
        return cancel

    def drop(self, now, concerns=lambda guess: True):
        return [
            guess["id"]
            for guess in self.live("queued", "running", "ready")
            if concerns(guess) and self.end(guess, "squashed" if guess["state"] == "queued" else "stale", now)
        ]

    def expire(self, now):
        for guess in self.live("queued"):
            if now - guess["queued"] > LIMITS.ttl_s:
                self.end(guess, "squashed", now)
        for guess in self.live("ready"):
            if now - guess["completed"] > LIMITS.ttl_s:
                self.end(guess, "unused", now)

    def demanded(self, wanted, plain, now):
        self.expire(now)
        if not self.outstanding and self.idle_since is not None:
            self.leads.append(now - self.idle_since)
            self.shared.leads.append(now - self.idle_since)
        tool = TOOLS[wanted[0]]
        read = plain and tool in READS - self.barred
        cancelled = [] if read else self.drop(now)
        found = [g for g in self.live("queued", "running", "ready") if g["place"] == wanted] if plain else []
        demand = {"place": wanted, "read": read, "began": now, "kind": "miss", "guess": None}
        if found:
            [guess] = found
            demand["guess"] = guess
            if guess["state"] == "ready":
                demand["kind"] = "hit"
                self.end(guess, "hit", now)
                self.counts["hidden_s"] += guess["completed"] - guess["launched"]
            elif guess["state"] == "running":
                demand["kind"] = "join"
                guess["state"], guess["joined"] = "joined", now
            else:
                demand["kind"] = "promote"
                self.end(guess, "promoted", now)
        self.counts["demand"] += 1
        if demand["kind"] == "miss":
            self.counts["misses"] += 1
            self.counts["eligible_misses"] += plain and tool in READS - self.barred
        if demand["kind"] in ("miss", "promote"):
            behind = self.shared.guesses_at(tool[0], self)
            cancelled += self.preempt(tool[0], self.live("running"), now)
            demand["flight"] = self.shared.takes_off(tool, self, False, now, behind)
        elif demand["kind"] == "join" and self.shared.serial[tool[0]] > 0:
            joined = demand["guess"]["flight"]["number"]
            ahead = [guess for guess in self.live("running") if guess["flight"]["number"] < joined]
            cancelled += self.preempt(tool[0], ahead, now)
        self.outstanding.append(demand)
        return demand, cancelled

    def preempt(self, server, guesses, now):
        if self.shared.deaf[server] >= 2:
            return []
        there = [guess for guess in guesses if TOOLS[guess["place"][0]][0] == server]
        return [guess["id"] for guess in there if self.end(guess, "preempted", now)]

    def over(self, demand, now, ok=False, answered=False):
        self.outstanding = [other for other in self.outstanding if other is not demand]
        if "flight" in demand:
            self.shared.lands(demand["flight"], ok, answered, now)
        if not self.outstanding:
            self.idle_since = now
        return [] if demand["read"] else self.drop(now)

    def returned(self, demand, status, now):
        cancelled = self.over(demand, now, ok=status == "ok", answered=True)
        self.unobserved += 1
        return cancelled

    def abandoned(self, demand, now):
        cancelled = self.over(demand, now)
        if demand["kind"] == "join" and demand["guess"]["state"] == "joined":
            self.end(demand["guess"], "unused", now)
            cancelled.append(demand["guess"]["id"])
        return cancelled

    def thinks(self):
        return not self.outstanding and not self.unobserved and self.observed > 0

    def think(self, foreseen, now):
        if not self.thinks():
            return
        self.expire(now)
        width = self.shared.width()
        for tool, argument, p, foreign in foreseen:
            known = any(guess["place"] == (tool, argument) for guess in self.live())
            safe = TOOLS[tool] in READS - self.barred and not foreign
            utility = self.shared.utility(p, TOOLS[tool], self.leads[-9:])
            if known or not safe or utility <= 0 or self.shared.holds_back(TOOLS[tool][0]) or width <= 0:
                continue
            width -= 1
            times = {"queued": now, "launched": None, "joined": None, "completed": None}
            guess = {"id": len(self.guesses) + 1, "place": (tool, argument), "state": "queued", "utility": utility}
            self.guesses.append(guess | times | {"executing": False, "size": 0, "result": None})

    def launch(self, now):
        launched = []
        if self.outstanding:
            return launched
        self.expire(now)
        for guess in sorted(self.live("queued"), key=lambda guess: -guess["utility"]):
            tool = TOOLS[guess["place"][0]]
            here = sum(other["executing"] for other in self.guesses)
            if (
                len(self.shared.executing()) < LIMITS.total
                and here < LIMITS.per_session
                and self.shared.has_room(tool[0], self, now)
            ):
                guess.update(state="running", launched=now, executing=True)
                guess["flight"] = self.shared.takes_off(tool, self, True, now)
                launched.append(guess)
        return launched

    def ended(self, guess, outcome, now):
        guess["executing"] = False
        wanted = guess["state"] in ("running", "joined")
        good = wanted and outcome is not None and outcome.status == "ok"
        self.shared.lands(guess["flight"], good, wanted and outcome is not None, now)
        if not wanted:
            return None
        fits = good and outcome.size_bytes <= LIMITS.result_bytes
        held = sum(other["size"] for other in self.live("ready"))
        if (
            guess["state"] == "running"
            and fits
            and outcome.servable
            and held + outcome.size_bytes <= LIMITS.buffer_bytes
        ):
            guess.update(state="ready", completed=now, size=outcome.size_bytes, result=outcome.result)
        elif guess["state"] == "joined" and fits and outcome.servable:
            guess["completed"] = now
            self.counts["hidden_s"] += guess["joined"] - guess["launched"]
            self.end(guess, "late hit", now)
        else:
            was_joined = guess["state"] == "joined"
            self.counts["misses"] += was_joined
            self.counts["eligible_misses"] += was_joined
            self.end(guess, "failed", now)
        return guess["state"]

    def close(self, now):
        for demand in list(self.outstanding):
            self.over(demand, now)
        return [
            guess["id"]
            for guess in self.live()
            if self.end(guess, "squashed" if guess["state"] == "queued" else "unused", now)
        ]


# --- the machine -----------------------------------------------------------------------------------------------------


class Scripted(Predictor):
    def __init__(self):
        super().__init__(Pool())
        self.foreseen = []

    def predict(self, history, tools, index):
        return self.foreseen


class Session:
    """The engine, its model, and the log of what really happened."""

    def __init__(self, budget, shared):
        self.predictor = Scripted()
        self.told = []
        self.engine = Engine(self.predictor, budget, POLICIES, journal=lambda note, now: self.told.append(note))
        self.model = Model(shared)
        self.versions = {"a": 0, "b": 0}
        for server in ("a", "b"):
            self.engine.set_tools(server, self.offered(server), 0.0)
        self.demands = []
        self.to_observe = []
        self.executions = {}
        self.disturbances = []
        self.served = set()

    def offered(self, server):
        return [
            Tool(server, name, HINTS[name], definition=f"v{self.versions[server]}")
            for alias, name in TOOLS
            if alias == server
        ]

    def may_be_served(self, id, wanted):
        """By the log alone: the same call, executed after whatever could have changed its answer, not served yet."""
        execution = self.executions[id]
        assert execution["place"] == wanted
        assert id not in self.served
        self.served.add(id)
        for began, ended, server in self.disturbances:
            concerns = server is None or server == TOOLS[wanted[0]][0]
            assert not concerns or (ended is not None and ended < execution["launched"]), (began, ended, server)


COUNTED = {
    "hit": "hits",
    "late hit": "late_hits",
    **{state: state for state in ("unused", "preempted", "stale", "failed")},
}
"""The ends of guesses that were sent, and the ledger's names for them."""


SESSIONS = st.sampled_from([0, 0, 0, 0, 1])
SECONDS = st.sampled_from([0.0, 0.5, 1.0, 2.5, 5.0])
DURATIONS = st.sampled_from([0.5, 1.0, 2.5, 10.0])
PLACES = st.tuples(st.sampled_from([0, 0, 0, 0, 0, 1, 1, 1, 2]), st.integers(0, 2))
READ_PLACES = st.tuples(st.integers(0, 1), st.integers(0, 2))
PREDICTIONS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 0, 1, 1, 1, 2]),
        st.integers(0, 2),
        st.sampled_from([0.9, 0.9, 0.5, 0.05]),
        st.sampled_from([False] * 5 + [True]),
    ),
    min_size=1,
    max_size=4,
)
OUTCOMES = st.sampled_from(["ok", "ok", "ok", "ok", "large", "too large", "error", "empty", "unservable", "none"])
STATUSES = st.sampled_from(["ok", "ok", "ok", "error", "empty"])
PICK = st.integers(0, 20)
ODDS = st.sampled_from([0.0, 0.0, 1.0, 3.0, 4.0, -4.0])
"""What was learnt of a server before."""


class EngineMachine(RuleBasedStateMachine):
    @initialize(
        serial=st.fixed_dictionaries({"a": ODDS, "b": ODDS}), deaf=st.fixed_dictionaries({"a": ODDS, "b": ODDS})
    )
    def begin(self, serial, deaf):
        self.now = 0.0
        self.step = 0
        self.budget = Budget(LIMITS, SITES)
        self.shared = Shared()
        self.shared.serial |= serial
        self.shared.deaf |= deaf
        for server in "ab":
            known = self.budget.queueing(server)
            known._serial.score, known._deaf.score = serial[server], deaf[server]
        self.sessions = [Session(self.budget, self.shared) for _ in range(2)]
        self.closed = []

    # --- events, each told to both -----------------------------------------------------------------------------------

    def tick(self, seconds=0.0):
        self.now += seconds
        self.step += 1

    def do_demand(self, session, wanted, plain=True):
        self.tick()
        demand, cancels = session.engine.demanded(call(*wanted), self.now, plain=plain)
        expected, cancelled = session.model.demanded(wanted, plain, self.now)
        assert sorted(cancel.id for cancel in cancels) == sorted(cancelled)
        guess = expected["guess"]
        match expected["kind"]:
            case "hit":
                assert demand.answer == Hit(guess["id"], guess["result"])
                assert 0 <= self.now - guess["completed"] <= LIMITS.ttl_s
            case "join":
                assert demand.answer == Join(guess["id"])
            case "promote":
                assert demand.answer == Promote(guess["id"])
            case _:
                assert demand.answer == Miss()
        if isinstance(demand.answer, Hit | Join):
            session.may_be_served(demand.answer.id, wanted)
        disturbance = None
        if not expected["read"]:
            disturbance = [self.step, None, None]
            session.disturbances.append(disturbance)
        session.demands.append((demand, expected, disturbance))

    def over(self, session, pick):
        demand, expected, disturbance = session.demands.pop(pick % len(session.demands))
        if disturbance is not None:
            disturbance[1] = self.step
        return demand, expected

    def do_return(self, session, pick, status):
        self.tick()
        demand, expected = self.over(session, pick)
        cancels = session.engine.returned(demand, status, self.now)
        assert sorted(c.id for c in cancels) == sorted(session.model.returned(expected, status, self.now))
        session.to_observe.append((demand, status))

    def do_observe(self, session, pick):
        self.tick()
        demand, status = session.to_observe.pop(pick % len(session.to_observe))
        session.engine.observe(demand, status, Payload(), self.now)
        session.model.unobserved -= 1
        session.model.observed += 1

    def do_think(self, session, foreseen):
        self.tick()
        session.predictor.foreseen = [
            Prediction(call(tool, argument), p, "p", (Ingredient("result", "c", 0),) if foreign else ())
            for tool, argument, p, foreign in foreseen
        ]
        session.engine.think(self.now)
        session.model.think(foreseen, self.now)

    def do_launch(self, session):
        self.tick()
        launches = session.engine.launch(self.now)
        expected = session.model.launch(self.now)
        assert [(launch.id, place(launch.call)) for launch in launches] == [(g["id"], g["place"]) for g in expected]
        for launch in launches:
            assert (launch.call.server, launch.call.tool) in READS - session.model.barred
            assert launch.id not in session.executions
            session.executions[launch.id] = {"place": place(launch.call), "launched": self.step}

    def do_end(self, pick, kind):
        self.tick()
        guess = (executing := self.shared.executing())[pick % len(executing)]
        session = next(s for s in self.sessions + self.closed if any(g is guess for g in s.model.guesses))
        outcome = {
            "ok": Outcome(f"result {self.step}", "ok", 40),
            "large": Outcome(f"result {self.step}", "ok", 100),
            "too large": Outcome("x", "ok", 101),
            "error": Outcome("x", "error", 1),
            "empty": Outcome("x", "empty", 1),
            "unservable": Outcome("x", "ok", 1, servable=False),
            "none": None,
        }[kind]
        state = session.engine.ended(guess["id"], outcome, self.now)
        assert (state and state.value) == session.model.ended(guess, outcome, self.now)
        return session

    def guessed(self, pick):
        """A session and a call that is guessed there; rather one that is ready, or running, than one that waits."""
        which = next(n for n in (0, 1) if self.sessions[n].model.live())
        model = self.sessions[which].model
        rather = model.live(("ready", "running", "ready", "joined")[pick % 4]) or model.live()
        return which, rather[pick // 4 % len(rather)]["place"]

    # --- rules -------------------------------------------------------------------------------------------------------

    @rule(seconds=SECONDS)
    def time_passes(self, seconds):
        self.tick(seconds)

    @rule(which=SESSIONS, wanted=PLACES, seconds=SECONDS, plain=st.sampled_from([True] * 7 + [False]))
    def demand(self, which, wanted, seconds, plain):
        self.tick(seconds)
        self.do_demand(self.sessions[which], wanted, plain)

    @precondition(lambda self: any(session.model.live() for session in self.sessions))
    @rule(pick=PICK, seconds=SECONDS)
    def demand_what_was_guessed(self, pick, seconds):
        which, wanted = self.guessed(pick)
        self.tick(seconds)
        self.do_demand(self.sessions[which], wanted)

    @rule(which=SESSIONS, pick=PICK, status=STATUSES, seconds=SECONDS)
    def a_demand_returns(self, which, pick, status, seconds):
        if self.sessions[which].demands:
            self.tick(seconds)
            self.do_return(self.sessions[which], pick, status)

    @rule(which=SESSIONS, pick=PICK)
    def a_demand_is_abandoned(self, which, pick):
        session = self.sessions[which]
        if session.demands:
            self.tick()
            demand, expected = self.over(session, pick)
            cancels = session.engine.abandoned(demand, self.now)
            assert sorted(c.id for c in cancels) == sorted(session.model.abandoned(expected, self.now))

    @rule(which=SESSIONS, pick=PICK)
    def a_result_is_observed(self, which, pick):
        if self.sessions[which].to_observe:
            self.do_observe(self.sessions[which], pick)

    @rule(which=SESSIONS, foreseen=PREDICTIONS)
    def think(self, which, foreseen):
        self.do_think(self.sessions[which], foreseen)

    @rule(which=SESSIONS)
    def launch(self, which):
        self.do_launch(self.sessions[which])

    @rule(which=SESSIONS, wanted=READ_PLACES, foreseen=PREDICTIONS, seconds=DURATIONS)
    def a_whole_turn(self, which, wanted, foreseen, seconds):
        """One more call is made, all that is under way returns, and the next are foreseen and launched."""
        session = self.sessions[which]
        self.do_demand(session, wanted)
        self.tick(seconds)
        while session.demands:
            self.do_return(session, 0, "ok")
        while session.to_observe:
            self.do_observe(session, 0)
        self.do_think(session, foreseen)
        self.do_launch(session)

    @precondition(lambda self: any(session.model.live() for session in self.sessions))
    @rule(pick=PICK, foreseen=PREDICTIONS, seconds=DURATIONS, thinking=SECONDS)
    def a_turn_that_was_guessed(self, pick, foreseen, seconds, thinking):
        which, wanted = self.guessed(pick)
        self.tick(thinking)
        self.a_whole_turn(which, wanted, foreseen, seconds)

    @precondition(lambda self: self.shared.executing())
    @rule(seconds=DURATIONS)
    def every_execution_ends_well(self, seconds):
        self.tick(seconds)
        for _ in self.shared.executing():
            self.do_end(0, "ok")
        for session in self.sessions:
            self.do_launch(session)  # slots are free

    @precondition(lambda self: self.shared.executing())
    @rule(pick=PICK, kind=OUTCOMES, seconds=SECONDS)
    def an_execution_ends(self, pick, kind, seconds):
        self.tick(seconds)
        session = self.do_end(pick, kind)
        if session in self.sessions:
            self.do_launch(session)  # a slot is free

    @rule(which=SESSIONS, server=st.sampled_from("ab"))
    def a_server_is_invalidated(self, which, server):
        session = self.sessions[which]
        self.tick()
        session.disturbances.append((self.step, self.step, server))
        cancels = session.engine.invalidate(server, self.now)
        expected = session.model.drop(self.now, lambda guess: TOOLS[guess["place"][0]][0] == server)
        assert sorted(c.id for c in cancels) == sorted(expected)

    @precondition(lambda self: self.step > 40)
    @rule(which=SESSIONS, tool=st.integers(0, 2))
    def a_tool_is_barred(self, which, tool):
        session = self.sessions[which]
        self.tick()
        cancels = session.engine.bar(*TOOLS[tool], "why", self.now)
        session.model.barred.add(TOOLS[tool])
        expected = session.model.drop(self.now, lambda guess: guess["place"][0] == tool)
        assert sorted(c.id for c in cancels) == sorted(expected)

    @precondition(lambda self: self.step > 40)
    @rule(which=SESSIONS, server=st.sampled_from("ab"), changes=st.booleans())
    def a_server_lists_its_tools_again(self, which, server, changes):
        session = self.sessions[which]
        self.tick()
        session.versions[server] += changes
        cancels = session.engine.set_tools(server, session.offered(server), self.now)
        expected = []
        if changes:
            session.disturbances.append((self.step, self.step, server))
            session.model.barred |= {tool for tool in TOOLS if tool[0] == server}
            expected = session.model.drop(self.now, lambda guess: TOOLS[guess["place"][0]][0] == server)
        assert sorted(c.id for c in cancels) == sorted(expected)

    @precondition(lambda self: self.step > 20)
    @rule(which=SESSIONS)
    def a_session_closes_and_another_opens(self, which):
        self.tick()
        session = self.sessions[which]
        cancels = session.engine.close(self.now)
        assert sorted(c.id for c in cancels) == sorted(session.model.close(self.now))
        for demand, _, _ in session.demands:
            assert session.engine.abandoned(demand, self.now) == []
        self.closed.append(session)
        self.sessions[which] = Session(self.budget, self.shared)

    # --- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def issued_is_settled_or_live(self):
        for session in self.sessions + self.closed:
            counted = session.engine.ledger
            ends = (
                counted.hits + counted.late_hits + counted.unused + counted.preempted + counted.stale + counted.failed
            )
            live = sum(s.state.value in ("running", "joined", "ready") for s in session.engine._speculations)
            assert counted.issued == ends + live
            assert counted.queued == counted.issued + counted.promoted + counted.squashed + sum(
                s.state.value == "queued" for s in session.engine._speculations
            )

    @invariant()
    def every_count_is_the_models(self):
        for session in self.sessions + self.closed:
            counted, guesses = session.engine.ledger, session.model.guesses
            ends = {state: sum(guess["state"] == state for guess in guesses) for state in GONE}
            assert {
                "hit": counted.hits,
                "late hit": counted.late_hits,
                "promoted": counted.promoted,
                "squashed": counted.squashed,
                "unused": counted.unused,
                "preempted": counted.preempted,
                "stale": counted.stale,
                "failed": counted.failed,
            } == ends
            assert counted.issued == sum(guess["launched"] is not None for guess in guesses)
            assert {name: getattr(counted, name) for name in session.model.counts} == session.model.counts

    @invariant()
    def what_was_told_adds_up_to_what_was_counted(self):
        for session in self.sessions + self.closed:
            counted, told = session.engine.ledger, session.told
            issued = [note for note in told if isinstance(note, Issued)]
            ends = [note for note in told if isinstance(note, Settled)]
            for shadow, sent in ((False, counted.issued), (True, counted.shadow_issued)):
                assert sum(note.shadow is shadow for note in issued) == sent
            assert len({note.id for note in ends}) == len(ends)
            assert {note.id for note in ends} <= {note.id for note in issued}
            real = Counter(note.state for note in ends if not note.shadow)
            assert real == {state: n for state, name in COUNTED.items() if (n := getattr(counted, name))}
            assert sum(note.hidden_s for note in ends if not note.shadow) == pytest.approx(counted.hidden_s)
            assert sum(note.hidden_s for note in ends if note.shadow) == pytest.approx(counted.shadow_hidden_s)
            assert sum(note.wasted_s for note in ends) == pytest.approx(counted.wasted_s)
            withheld = Counter(note.why for note in told if isinstance(note, Withheld))
            assert withheld == counted.refused + counted.rejected

    @invariant()
    def what_lives_is_what_the_model_says_and_no_key_twice(self):
        for session in self.sessions + self.closed:
            live = list(session.engine._speculations)
            assert {(s.id, s.state.value) for s in live} == {(g["id"], g["state"]) for g in session.model.live()}
            assert len({s.key for s in live}) == len(live)
            assert all(session.engine._speculations.holds(s.key) for s in live)

    @invariant()
    def ready_bytes_are_the_sum(self):
        for session in self.sessions + self.closed:
            held = sum(guess["size"] for guess in session.model.live("ready"))
            assert session.engine._speculations.ready_bytes == held <= LIMITS.buffer_bytes

    @invariant()
    def slots_are_those_of_what_executes_and_within_limits(self):
        assert self.budget._guesses == len(self.shared.executing()) <= LIMITS.total
        for session in self.sessions:
            for server in "ab":
                in_flight = self.shared.in_flight(server, session.model)
                place = self.budget._place(server, session.engine._flights.places)
                assert len(place) == len(in_flight)
                assert place.guesses == sum(flight["guess"] for flight in in_flight) <= LIMITS.per_server
            assert sum(guess["executing"] for guess in session.model.guesses) <= LIMITS.per_session

    def teardown(self):
        """Everything ends: nothing may be left over."""
        if not hasattr(self, "sessions"):
            return
        for which in range(2):
            self.a_session_closes_and_another_opens(which)
        while self.shared.executing():
            self.do_end(0, "none")
        self.issued_is_settled_or_live()
        self.every_count_is_the_models()
        assert not self.budget._guesses
        assert all(not len(place) for place in self.budget._places.values())
        assert self.budget.load_price == 0.10
        assert all(session.engine.ledger.live == 0 for session in self.closed)


deep = settings().max_examples > 1_000
TestEngine = EngineMachine.TestCase
TestEngine.settings = settings(
    max_examples=settings().max_examples * (1 if deep else 2), stateful_step_count=100 if deep else 50
)
