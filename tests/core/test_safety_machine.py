"""In whatever order things happen: what is sent early is allowed, and what is served is fresh, whole and served once.

A world of three servers with a version each, and a log of every execution, beside the engine. The rules of safety are
written here a second time, as a person would say them, and share no code with the decision table. Held against them:

    fidelity         a served result is that of exactly one execution of exactly this call, types and all
    freshness        no write that may touch it began or ended since that execution began
    single use, age  each execution serves once, and within its server's time to live
    no errors        only a plain success is ever served
    once each        what is not allowed early is executed by demands alone
    cancellation     whatever ends gives its slot back; nothing is left at the end
    isolation        what one session fetched, another is never served
    soundness        each early call is allowed by what holds at its launch, and again when it is served
    never first      no value of another server, no text of an earlier session, no private address without a word for it
    kill switch      from the moment that a server is switched off nothing is sent there early nor served from before

Bytes on the wire, progress and the host's view of it are the proxy's; its tests hold those against real servers.
"""

from dataclasses import replace
from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from paste_mcp.core.commands import Hit, Join, Outcome
from paste_mcp.core.engine import Engine
from paste_mcp.core.model import Hints, Ingredient, Payload, Prediction, Review, Tool, ToolCall
from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.lifecycle import State
from paste_mcp.core.speculation.settings import Limits, ServerPolicy

CLOSED = Hints(read_only=True, open_world=False)
TOOLS = {
    ("files", "read"): Tool("files", "read", CLOSED),
    ("files", "write"): Tool("files", "write", Hints(read_only=False)),
    ("files", "peek"): Tool("files", "peek", CLOSED, review=Review("consuming")),
    ("git", "show"): Tool("git", "show", Hints(), review=Review("read", closed_world=True, sure=True)),
    ("git", "list"): Tool("git", "list", Hints(open_world=False)),
    ("web", "fetch"): Tool("web", "fetch", Hints(read_only=True, open_world=True)),
    ("web", "post"): Tool("web", "post", CLOSED),
}
READS = {("files", "read"), ("git", "show"), ("web", "fetch")}
"""What counts as a read when the agent calls it, as long as nothing was found against it."""
POLICIES = {
    "files": ServerPolicy("annotated", verify=0.5, ignore=("$",)),
    "git": ServerPolicy("annotated", invalidates=(), ttl_s=3.0),
    "web": ServerPolicy("annotated", allow=("fetch",), hosts=("example.com",), cost="unknown"),
}
ALIASES = tuple(POLICIES)
ARGUMENTS = ({"x": 1}, {"x": True}, {"x": "a"}, {"url": "http://example.com/"}, {"url": "http://169.254.169.254/"})
SELDOM = st.sampled_from([False] * 15 + [True])
SOURCES = ("const", "learnt", *ALIASES)
LIMITS = Limits(total=4, per_session=3, per_server=2, ttl_s=6.0, result_bytes=10, buffer_bytes=15)


class Told:
    """A forecaster that foresees what it is told."""

    def __init__(self):
        self.next = []

    def predict(self, history, tools, index):
        told, self.next = self.next, []
        return [guess for guess in told if (guess.call.server, guess.call.tool) in tools]

    def observe(self, event, history, tools, index):
        pass

    def guessed(self, prediction):
        pass

    def hit(self, prediction):
        pass


def allowed(prediction, off, denied, barred):
    """May this call be made early, as a person would say it?"""
    server, tool, arguments = prediction.call.server, prediction.call.tool, prediction.call.arguments
    sources = {ingredient.server for ingredient in prediction.ingredients} - {None, server}
    learnt = any(ingredient.kind == "learnt" for ingredient in prediction.ingredients)
    url = arguments.get("url", "")
    if server in off or (server, tool) in denied or (server, tool) in barred or (server, tool) not in READS:
        return False
    if learnt or "169.254" in url or (server == "web" and "url" in arguments and "example.com" not in url):
        return False
    if server == "web":  # an open world
        return not sources and not prediction.composed
    return all((source, server) in prediction.flows for source in sources)


def touched(server):
    return {"git"} if server == "git" else set(ALIASES)


class Safety(RuleBasedStateMachine):
    @initialize(sessions=st.integers(1, 2))
    def begin(self, sessions):
        self.now = 0.0
        self.budget = Budget(LIMITS)
        self.policies = dict(POLICIES)
        self.off, self.denied = set(), set()
        self.step = 0
        """What happened before what, also within one moment."""
        self.writes = []
        """(step, server, session) of every beginning and end of a write."""
        self.foreseen = {}
        """Predictions, by the identity of their call."""
        self.sessions = [self.opened(number) for number in range(sessions)]
        self.served = set()
        self.made = 0

    def opened(self, number):
        told = Told()
        engine = Engine(told, self.budget, self.policies)
        for alias in ALIASES:
            engine.set_tools(alias, [tool for (server, _), tool in TOOLS.items() if server == alias], self.now)
        return SimpleNamespace(
            number=number, engine=engine, told=told, demands=[], running={}, barred=set(), executions={}
        )

    def session(self, which):
        return self.sessions[which % len(self.sessions)]

    # --- what the agent and the servers do ------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), tool=st.sampled_from(list(TOOLS)), arguments=st.sampled_from(ARGUMENTS))
    def the_agent_calls(self, which, tool, arguments):
        session = self.session(which)
        read = tool in READS - session.barred - self.denied and tool[0] not in self.off
        if not read:
            self.write(session, tool[0])
        demand, cancels = session.engine.demanded(ToolCall(*tool, arguments), self.now)
        self.stop(session, cancels)
        match demand.answer:
            case Hit(id=id, result=result):
                self.may_be_served(session, id, result, tool, arguments)
            case Join(id=id):
                assert session.running[id].call == demand.call
                session.running[id].joined = True
        session.demands.append(demand)

    def write(self, session, server):
        """Another session's writes are nothing that this one could see: each is held to its own."""
        self.step += 1
        self.writes.append((self.step, server, session.number))

    @precondition(lambda self: any(session.demands for session in self.sessions))
    @rule(
        which=st.integers(0, 1), at=st.integers(0, 9), status=st.sampled_from(["ok", "ok", "error"]), gone=st.booleans()
    )
    def a_call_ends(self, which, at, status, gone):
        session = self.session(which)
        if not session.demands:
            return
        demand = session.demands.pop(at % len(session.demands))
        if not demand.read:
            self.write(session, demand.call.server)
        if gone:
            self.stop(session, session.engine.abandoned(demand, self.now))
            return
        self.stop(session, session.engine.returned(demand, status, self.now))
        session.engine.observe(demand, status, Payload(), self.now)

    @rule(which=st.integers(0, 1), at=st.integers(0, 2))
    def the_agent_asks_for_what_was_made_early(self, which, at):
        session = self.session(which)
        made = list(session.executions.values())
        made = [one for one in made if one.ok and one.number not in self.served] or made
        if made:
            call = made[-1 - at % len(made)].call
            self.the_agent_calls(which, (call.server, call.tool), call.arguments)

    @rule(
        which=st.integers(0, 1),
        after=st.sampled_from(sorted(READS)),
        tools=st.lists(st.sampled_from([*sorted(READS), *sorted(READS), *TOOLS]), min_size=1, max_size=3),
        arguments=st.sampled_from(ARGUMENTS),
        source=st.sampled_from(("const", "own", *SOURCES)),
        composed=st.sampled_from([False, False, True]),
        flow=st.booleans(),
    )
    def a_turn_ends_and_something_is_foreseen(self, which, after, tools, arguments, source, composed, flow):
        session = self.session(which)
        while session.demands:
            self.a_call_ends(which, 0, "ok", gone=False)
        self.the_agent_calls(which, after, {"turn": self.step})
        self.now += 5.0  # else these tools are too fast to be worth an early call
        self.a_call_ends(which, 0, "ok", gone=False)
        self.foresee(session, tools, arguments, source, composed, flow)

    @rule(
        which=st.integers(0, 1),
        tool=st.sampled_from(sorted(READS)),
        arguments=st.sampled_from(ARGUMENTS[:3]),
        how=st.sampled_from(["ok", "ok", "ok", "error", "empty", "unservable", "large"]),
        between=st.sampled_from(["nothing", "a write", "a write under way", "3.1", "6.1"]),
        writer=st.sampled_from(sorted(set(TOOLS) - READS)),
    )
    def a_result_is_there_and_then_something_happens(self, which, tool, arguments, how, between, writer):
        session = self.session(which)
        self.a_turn_ends_and_something_is_foreseen(which, tool, [tool], arguments, "const", False, False)
        for running in list(session.running):
            self.ends(session, running, how)
        if between.startswith("a write"):
            self.the_agent_calls(which, writer, {"n": self.step})
            if between == "a write":
                self.a_call_ends(which, 0, "ok", gone=False)
        elif between != "nothing":
            self.now += float(between)
        self.the_agent_calls(which, tool, arguments)

    def foresee(self, session, tools, arguments, source, composed, flow):
        kind = source if source in ("const", "learnt") else "result"
        session.told.next = [
            Prediction(
                ToolCall(*tool, arguments),
                0.9,
                "p",
                (Ingredient(kind, {"own": tool[0], "const": None, "learnt": None}.get(source, source)),),
                composed=composed,
                flows=frozenset({(source, tool[0])}) if flow else frozenset(),
            )
            for tool in dict.fromkeys(tools)
        ]
        self.foreseen |= {id(guess.call): guess for guess in session.told.next}
        session.engine.think(self.now)
        session.told.next = []
        self.start(session)

    def start(self, session):
        for launch in session.engine.launch(self.now):
            tool = (launch.call.server, launch.call.tool)
            assert tool in READS
            if launch.row != "verify":
                assert allowed(self.foreseen[id(launch.call)], self.off, self.denied, session.barred)
            self.step += 1
            self.made += 1
            execution = SimpleNamespace(
                call=launch.call, step=self.step, row=launch.row, ended=None, joined=False, ok=False, number=self.made
            )
            assert launch.id not in session.executions
            session.executions[launch.id] = session.running[launch.id] = execution

    @precondition(lambda self: any(session.running for session in self.sessions))
    @rule(
        which=st.integers(0, 1),
        at=st.integers(0, 9),
        how=st.sampled_from(["ok", "ok", "ok", "error", "empty", "unservable", "large", "none"]),
    )
    def an_early_call_ends(self, which, at, how):
        session = self.session(which)
        if session.running:
            self.ends(session, list(session.running)[at % len(session.running)], how)
            self.start(session)

    def ends(self, session, id, how):
        execution = session.running.pop(id)
        execution.ended, execution.ok = self.now, how == "ok"
        status = how if how in ("error", "empty") else "ok"
        outcome = Outcome(
            {"structuredContent": execution.number}, status, 11 if how == "large" else 5, servable=how != "unservable"
        )
        state = session.engine.ended(id, None if how == "none" else outcome, self.now)
        if state is State.LATE_HIT:
            assert execution.joined and execution.ok
            self.only_once(execution)
        elif execution.joined:
            assert state in (State.FAILED, None)

    def stop(self, session, cancels):
        for cancel in cancels:
            if cancel.id in session.running:
                self.ends(session, cancel.id, "none")

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.9, 3.1, 6.1]))
    def time_passes(self, seconds):
        self.now += seconds

    # --- what takes a right away ----------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), tool=st.sampled_from(sorted(READS)), really=SELDOM)
    def a_tool_shows_that_it_must_not_run_early(self, which, tool, really):
        if not really:
            return
        session = self.session(which)
        session.barred.add(tool)
        self.stop(session, session.engine.bar(*tool, "it asked the user something", self.now))

    @rule(alias=st.sampled_from(ALIASES), everything=st.booleans(), really=SELDOM)
    def the_user_switches_a_server_or_a_tool_off(self, alias, everything, really):
        if not really:
            return
        tool = next(tool for tool in sorted(READS) if tool[0] == alias)
        if everything:
            self.off.add(alias)
            self.policies[alias] = ServerPolicy("off")
        elif alias not in self.off:
            self.denied.add(tool)
            self.policies[alias] = replace(self.policies[alias], deny=(tool[1],))
        for session in self.sessions:
            tools = [tool for (server, _), tool in TOOLS.items() if server == alias]
            self.stop(session, session.engine.invalidate(alias, self.now))
            self.stop(session, session.engine.set_tools(alias, tools, self.now))

    @rule(which=st.integers(0, 1), alias=st.sampled_from(ALIASES))
    def a_server_says_that_things_changed(self, which, alias):
        session = self.session(which)
        self.stop(session, session.engine.invalidate(alias, self.now))
        for execution in session.executions.values():
            if execution.call.server == alias:
                execution.ok = execution.ok and execution.joined

    # --- what must hold -------------------------------------------------------------------------------------------

    def may_be_served(self, session, guess, result, tool, arguments):
        execution = session.executions[guess]
        assert {"structuredContent": execution.number} == result
        assert (execution.call.server, execution.call.tool) == tool
        assert repr(execution.call.arguments) == repr(arguments)  # 1 is not True
        assert execution.ok
        assert allowed(self.foreseen[id(execution.call)], self.off, self.denied, session.barred)
        ttl_s = 3.0 if tool[0] == "git" else 6.0
        assert self.now - execution.ended <= ttl_s
        since = {server for step, server, of in self.writes if of == session.number and step > execution.step}
        assert not any(tool[0] in touched(server) for server in since)
        self.only_once(execution)

    def only_once(self, execution):
        assert execution.number not in self.served
        self.served.add(execution.number)

    @invariant()
    def counts_are_conserved(self):
        for session in getattr(self, "sessions", []):
            ledger = session.engine.ledger
            assert ledger.issued == ledger.settled + ledger.live
            assert ledger.live >= 0
            early = [made for made in session.executions.values() if made.row != "verify"]
            assert ledger.useful <= ledger.issued == len(early)

    def teardown(self):
        for session in getattr(self, "sessions", []):
            self.stop(session, session.engine.close(self.now))
            for id in list(session.running):
                self.ends(session, id, "none")
            assert session.engine.ledger.live == 0
            assert session.engine.launch(self.now) == []


deep = settings().max_examples > 1_000
TestSafety = Safety.TestCase
TestSafety.settings = settings(max_examples=settings().max_examples, stateful_step_count=100 if deep else 50)
