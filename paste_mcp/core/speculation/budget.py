"""Is it worth it? Utility, slots and the waste allowance, shared by all sessions of a proxy.

    utility = p * min(S, L) - (1 - p) * load_price * S - c

p: calibrated probability of an exact hit; S: the tool's usual service time; L: lead, how long the agent usually
thinks; load_price: what a wasted second costs under the present load; c: the cost of a launch. All in seconds.
One overlapped step can hide at most min(S, L). Where tools are fast the utility is negative: abstain.
"""

from __future__ import annotations

from collections import Counter, deque
from statistics import median

from paste_mcp.core.speculation.settings import Limits

UNKNOWN_SERVICE_S = 1.0
"""What a tool that was never called is taken to need: long enough to be tried."""
UNKNOWN_LEAD_S = 2.0
LAUNCH_COST_S = 0.02
"""A launch's own work, and the jitter below which nobody notices a gain."""
SAMPLES = 9
"""A median of few: robust against one slow start, quick to follow a change."""
FULL_WIDTH_ACCURACY = 1 / 3
"""From this accuracy on, a trigger may use all of its guesses."""


class Rolling:
    """The median of the last few observations, the default being the first: one odd start decides nothing."""

    def __init__(self, default: float) -> None:
        self._seen = deque([default], maxlen=SAMPLES)

    def observe(self, value: float) -> None:
        self._seen.append(value)

    @property
    def value(self) -> float:
        return median(self._seen)


class Budget:
    """Slots, prices and allowances over all sessions. Every method is synchronous, so no locks are needed."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._service: dict[tuple[str, str], Rolling] = {}
        self._running: Counter[str] = Counter()
        self._demands = 0
        self._issued = 0
        self._useful = 0

    def served(self, server: str, tool: str, duration_s: float) -> None:
        """An execution of this tool took so long."""
        known = self._service.get((server, tool))
        if known is None:
            known = self._service[server, tool] = Rolling(UNKNOWN_SERVICE_S)
        known.observe(duration_s)

    def service_s(self, server: str, tool: str) -> float:
        """How long this tool usually takes."""
        known = self._service.get((server, tool))
        return known.value if known else UNKNOWN_SERVICE_S

    def demand_began(self) -> None:
        self._demands += 1

    def demand_ended(self) -> None:
        self._demands -= 1

    def utility(self, probability: float, service_s: float, lead_s: float) -> float:
        """Seconds that issuing this guess is expected to be worth; see the module's formula."""
        gain = probability * min(service_s, lead_s)
        return gain - (1 - probability) * self.load_price * service_s - LAUNCH_COST_S

    @property
    def load_price(self) -> float:
        """The price of a wasted second, rising with the pressure on the slots."""
        pressure = (self._demands + self._running.total()) / self.limits.total
        return 0.02 if pressure <= 0.5 else 0.05 if pressure <= 1 else 0.10 if pressure <= 2 else 0.20

    def width(self) -> int:
        """How many guesses one trigger may make: narrower while few come true, never none, else nothing is learnt."""
        accuracy = (self._useful + 2) / (self._issued + 4)
        return max(1, round(self.limits.per_trigger * min(1.0, accuracy / FULL_WIDTH_ACCURACY)))

    def take(self, server: str, in_session: int) -> bool:
        """A slot for one more execution on `server`, if there is one; `in_session` run in its session already."""
        if (
            self._running.total() >= self.limits.total
            or self._running[server] >= self.limits.per_server
            or in_session >= self.limits.per_session
        ):
            return False
        self._running[server] += 1
        self._issued += 1
        return True

    def give_back(self, server: str) -> None:
        """The execution has really ended; a cancelled one keeps its slot until then."""
        self._running[server] -= 1

    def useful(self) -> None:
        """A guess was used."""
        self._useful += 1
