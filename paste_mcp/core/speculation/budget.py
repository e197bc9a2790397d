"""Is it worth it? Utility, slots and the waste allowance, shared by all sessions of a proxy.

    utility = p * E[min(S, L)] - (1 - p) * (load_price * S + blocked) - c

p: calibrated probability of an exact hit; S: the tool's usual service time; L: lead, how long the agent thinks, as it
lately did; load_price: what a wasted second costs under the present load; blocked: E[S - min(S, L)], how long a demand
would wait for a wrong guess, on a server that works on one call at a time and cannot be stopped; c: the cost of a
launch. All in seconds. One overlapped step can hide at most min(S, L). Where tools are fast the utility is negative:
abstain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from paste_mcp.core.speculation.allowance import Allowance
from paste_mcp.core.speculation.backoff import Backoff
from paste_mcp.core.speculation.queueing import Place, Queueing, Run
from paste_mcp.core.speculation.rolling import Rolling
from paste_mcp.core.speculation.settings import Limits, Site

UNKNOWN_SERVICE_S = 1.0
"""What a tool that was never called is taken to need: long enough to be tried."""
UNKNOWN_LEAD_S = 2.0
IDLE_PRICE = 0.10
"""The price of a wasted second while there is room enough."""
FULL_WIDTH_ACCURACY = 1 / 3
"""From this accuracy on, a trigger may use all of its guesses."""

Places: TypeAlias = dict[str, Place]
"""What is in flight, by server."""
_OWN_PROCESS = Site()


class Budget:
    """Slots, prices and allowances over all sessions. Every method is synchronous, so no locks are needed.

    `sites` says where servers run, for those that are not a process of each session's own. What is in flight in a
    session's own processes it keeps itself, and shows it where it matters (`own`).
    """

    def __init__(self, limits: Limits, sites: Mapping[str, Site] | None = None) -> None:
        self.limits = limits
        self.lead = Rolling(UNKNOWN_LEAD_S)
        """How long the agents of all sessions usually think."""
        self.eagerness = 1.0
        """The user's dial: less makes a wasted second dearer, more cheaper."""
        self._sites = sites or {}
        self._service: dict[tuple[str, str], Rolling] = {}
        self._queueing: dict[str, Queueing] = {}
        self._places: Places = {}
        self._on_host: Counter[str] = Counter()
        self._backoffs: dict[str, Backoff] = {}
        self._allowances: dict[tuple[str, str], Allowance] = {}
        self._guesses = 0
        self._demands = 0
        self._issued = 0
        self._useful = 0

    # --- what is known ----------------------------------------------------------------------------------------------

    def service_s(self, server: str, tool: str) -> float:
        """How long this tool usually takes."""
        known = self._service.get((server, tool))
        return known.value if known else UNKNOWN_SERVICE_S

    def queueing(self, server: str) -> Queueing:
        """How this server deals with calls that overlap."""
        known = self._queueing.get(server)
        if known is None:
            known = self._queueing[server] = Queueing()
        return known

    # --- what is worth it -------------------------------------------------------------------------------------------

    def worth(self, probability: float, server: str, tool: str, lead: Rolling, further_s: float = 0.0) -> float:
        """Seconds that issuing a guess for this tool is expected to be worth; see the module's formula. `further_s`
        comes before the lead: a guess that follows a guess has what is left of this turn's thinking, too.
        """
        service_s = self.service_s(server, tool)
        hidden_s = lead.at_most(service_s, plus=further_s)
        utility = self.utility(probability, service_s, hidden_s)
        if self.queueing(server).blocks:
            utility -= (1 - probability) * (service_s - hidden_s)
        return utility

    def utility(self, probability: float, service_s: float, hidden_s: float) -> float:
        """The module's formula, on a server that holds up nobody; a hit is expected to hide `hidden_s`."""
        return probability * hidden_s - (1 - probability) * self.load_price * service_s - self.limits.launch_cost_s

    @property
    def load_price(self) -> float:
        """The price of a wasted second, rising with the pressure on the slots, and by the user's dial."""
        pressure = (self._demands + self._guesses) / self.limits.total
        price = IDLE_PRICE if pressure <= 0.5 else 0.15 if pressure <= 1 else 0.20 if pressure <= 2 else 0.30
        return price / self.eagerness

    def width(self) -> int:
        """How many guesses one trigger may make: narrower while few come true, never none, else nothing is learnt."""
        accuracy = (self._useful + 2) / (self._issued + 4)
        return max(1, round(self.limits.per_trigger * min(1.0, accuracy / FULL_WIDTH_ACCURACY)))

    def useful(self) -> None:
        """A guess was used."""
        self._useful += 1

    def settled(self, server: str, pattern: str, hidden_s: float, wasted_s: float) -> None:
        """A guess that was sent has ended: what it spared the agent, or cost its server for nothing."""
        net_s = hidden_s - IDLE_PRICE * wasted_s - self.limits.launch_cost_s
        for subject in (("server", server), ("pattern", pattern)):
            self._allowances.setdefault(subject, Allowance()).ended(net_s)

    def holds_back(self, server: str, pattern: str) -> str | None:
        """Why a guess is not to be made although it seems worth it; None where nothing speaks against it."""
        for subject, name in (("server", server), ("pattern", pattern)):
            allowance = self._allowances.get((subject, name))
            if allowance is not None and not allowance.pays:
                # One that the server's allowance lets through is not held back for its pattern.
                return f"guesses of this {subject} cost more than they bring" if allowance.holds_back() else None
        return None

    # --- what is in flight ------------------------------------------------------------------------------------------

    def demand_began(self) -> None:
        self._demands += 1

    def demand_ended(self) -> None:
        self._demands -= 1

    def forwarded(self, server: str, tool: str, own: Places, now: float, behind: Sequence[Run] = ()) -> Run:
        """A demand goes to its server. `behind`: the session's guesses that run there, to be stopped or not."""
        known = all((of := self._service.get((run.server, run.tool))) and of.measured is not None for run in behind)
        behind_s = sum(self.rest_s(run, now) for run in behind) if known else 0.0
        run = Run(server, tool, now, guess=False, behind=bool(behind), behind_s=behind_s)
        self._place(server, own).begin(run)
        return run

    def take(self, server: str, tool: str, own: Places, now: float, in_session: int) -> Run | None:
        """A slot for a guess, if there is one; `in_session` run in its session already."""
        if self._guesses >= self.limits.total or in_session >= self.limits.per_session:
            return None
        if (backoff := self._backoffs.get(server)) is not None and backoff.holds(now):
            return None
        host = self._site(server).host
        if host is not None and self._on_host[host] >= self.limits.per_host:
            return None
        place = self._place(server, own)
        if not self._has_room(place, server, now):
            return None
        if host is not None:
            self._on_host[host] += 1
        self._guesses += 1
        self._issued += 1
        run = Run(server, tool, now, guess=True)
        place.begin(run)
        return run

    def ended(self, run: Run, own: Places, now: float, *, ok: bool, answered: bool) -> None:
        """What was in flight no longer is. `answered` by its server, and with a success where `ok`."""
        place = self._place(run.server, own)
        place.end(run, answered, now)
        if run.guess:
            self._guesses -= 1
            if (host := self._site(run.server).host) is not None:
                self._on_host[host] -= 1
            if not answered and self.queueing(run.server).deaf:
                place.busy_until = max(place.busy_until, now + self.rest_s(run, now))
        if ok:
            self._learn(run, now)
            if (backoff := self._backoffs.get(run.server)) is not None:
                backoff.succeeded(guess=run.guess)

    def refused(self, server: str, retry_after_s: float | None, now: float) -> None:
        """The server turned a call away: too many, or not allowed. `retry_after_s` is what it asked for."""
        self._backoffs.setdefault(server, Backoff()).refused(retry_after_s, now)

    def rest_s(self, run: Run, now: float) -> float:
        """What a run has still to do, by what its tool usually takes."""
        return max(0.0, run.began + self.service_s(run.server, run.tool) - now)

    def _has_room(self, place: Place, server: str, now: float) -> bool:
        if self.queueing(server).serial:
            return not len(place) and place.busy_until <= now
        return place.guesses < self.limits.per_server

    def _learn(self, run: Run, now: float) -> None:
        known = self._service.get((run.server, run.tool))
        if known is None:
            known = self._service[run.server, run.tool] = Rolling(UNKNOWN_SERVICE_S)
        queueing = self.queueing(run.server)
        if (usual_s := known.measured) is not None:
            queueing.learn(run, usual_s, now)
        worked_s = queueing.worked_s(run, now)
        if worked_s is not None:
            known.observe(worked_s)
        elif now - run.began < known.value:
            known.observe(now - run.began)  # it cannot have taken longer

    def _site(self, server: str) -> Site:
        return self._sites.get(server, _OWN_PROCESS)

    def _place(self, server: str, own: Places) -> Place:
        places = self._places if self._site(server).one_for_all else own
        place = places.get(server)
        if place is None:
            place = places[server] = Place()
        return place
