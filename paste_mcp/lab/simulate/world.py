"""All that sessions share: time, servers, the budget, and a proxy that does one thing at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from paste_mcp.core.speculation.budget import Budget
from paste_mcp.core.speculation.settings import Limits, Site
from paste_mcp.lab.simulate.clock import Clock
from paste_mcp.lab.simulate.servers import Capacity, Server
from paste_mcp.lab.simulate.times import Times


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for every policy."""

    times: Times
    capacity: Capacity = field(default_factory=Capacity)
    shared: bool = False
    """All sessions use one process of each server; else each has its own, as it is on stdio."""
    limits: Limits = field(default_factory=Limits)
    launch_cost_s: float = 0.001
    """Work of the proxy for each guess that it sends; what comes in meanwhile waits."""


class World:
    """One simulation run. `opens_early`: connections are opened when a session begins, not at the first call.
    `servers` are all that there are.
    """

    def __init__(self, setting: Setting, servers: Iterable[str], *, opens_early: bool) -> None:
        self.clock = Clock()
        self.times = setting.times
        self.budget = Budget(setting.limits, dict.fromkeys(servers, Site(shared=setting.shared)))
        self.opens_early = opens_early
        self.busy_until = 0.0
        self._setting = setting
        self._servers: dict[tuple[str, str], Server] = {}

    def server(self, name: str, session: str) -> Server:
        """The process that answers this session."""
        key = (name, "" if self._setting.shared else session)
        if key not in self._servers:
            self._servers[key] = Server(self.clock, self._setting.capacity)
        return self._servers[key]

    def launched(self) -> None:
        """The proxy has one more guess to send."""
        self.busy_until = max(self.busy_until, self.clock.now) + self._setting.launch_cost_s


@dataclass(slots=True)
class Connections:
    """A session's connections to servers: each is slow to be made and then there."""

    world: World
    session: str
    began: float
    _ready_at: dict[str, float] = field(default_factory=dict)

    def ready_at(self, server: str) -> float:
        """When a call to this server that is made now reaches it."""
        if server not in self._ready_at:
            opened = self.began if self.world.opens_early else self.world.clock.now
            self._ready_at[server] = opened + self.world.times.start_s(self.session, server)
        return self._ready_at[server]
