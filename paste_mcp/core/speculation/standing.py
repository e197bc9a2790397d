"""The tools of one session's servers: as they are defined now, what the policy says of them, and what they lost by how
they behaved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from paste_mcp.core.commands import Barred
from paste_mcp.core.keys import CallKey
from paste_mcp.core.model import Json, Prediction, Status, Tool
from paste_mcp.core.speculation import policy
from paste_mcp.core.speculation.conduct import Conduct, ToolKey
from paste_mcp.core.speculation.settings import ServerPolicy
from paste_mcp.core.speculation.verify import same

VOLATILE_TTL_S: Final = 2.0
"""How long an answer that changes by itself may be served, where the user wants it early at all."""


@dataclass(frozen=True, slots=True)
class Known:
    """A tool, and what the policy says of it; worked out when it is listed, since every call asks."""

    tool: Tool
    read: bool
    looks_read: bool
    eligible: bool


class Standing:
    """What may be done with which tool. Policies may change under it; it asks them anew for every decision."""

    def __init__(self, policies: Mapping[str, ServerPolicy], conduct: Conduct) -> None:
        self.guessable: dict[ToolKey, Tool] = {}
        """Tools of servers where speculation is not off."""
        self.newly_barred: deque[Barred] = deque()
        """Tools that this session found unfit; whoever tells the others takes them away."""
        self._policies = policies
        self._conduct = conduct
        self._known: dict[ToolKey, Known] = {}
        self._first_seen: dict[ToolKey, Tool] = {}
        self._barred: dict[ToolKey, str] = {}

    # --- what the servers offer -------------------------------------------------------------------------------------

    def get(self, server: str, tool: str) -> Known | None:
        return self._known.get((server, tool))

    def set_tools(self, server: str, tools: Iterable[Tool]) -> set[ToolKey]:
        """The server's tools as it defines them now. Returns those that were there and are not what they were."""
        before = {key: known.tool for key, known in self._known.items() if key[0] == server}
        after = {(server, tool.name): tool for tool in tools}
        for key, tool in after.items():
            # Against the first sight of it, not the last: a tool could leave and come back as another.
            if self._first_seen.setdefault(key, tool) != tool:
                self._barred[key] = "its definition changed while in use"
        self._known = {key: known for key, known in self._known.items() if key[0] != server}
        self._known |= {key: self._know(tool) for key, tool in after.items()}
        self.guessable = {key: k.tool for key, k in self._known.items() if self._policies[key[0]].mode != "off"}
        return {key for key, tool in before.items() if after.get(key) != tool}

    def bar(self, server: str, tool: str, reason: str) -> None:
        """This tool must not run early any more."""
        self._barred[server, tool] = reason
        if known := self._known.get((server, tool)):
            self._known[server, tool] = self._know(known.tool)

    # --- the policy's word ------------------------------------------------------------------------------------------

    def decide_tool(self, tool: Tool) -> policy.Decision:
        return policy.decide_tool(self._policies[tool.server], tool, self._barred.get((tool.server, tool.name)))

    def decide(self, prediction: Prediction, supposed: int | None = None) -> policy.Decision:
        """May this call run early? Its tool must be known. `supposed`: the event that it follows, if a guess."""
        key = (prediction.call.server, prediction.call.tool)
        return policy.decide(self._policies[key[0]], self._known[key].tool, prediction, self._barred.get(key), supposed)

    def touched_by(self, server: str) -> Callable[[CallKey], bool]:
        """Which answers a write on this server may change."""
        own = self._policies.get(server)
        if own is None or own.invalidates is None:
            return lambda key: True
        touched = {server, *own.invalidates}
        return lambda key: key.server in touched

    def ttl_s(self, key: CallKey, general_s: float) -> float:
        """How long an answer to this call may be served."""
        own = self._policies[key.server].ttl_s
        ttl_s = general_s if own is None else own
        known = self._known.get((key.server, key.tool))
        return min(ttl_s, VOLATILE_TTL_S) if known is not None and policy.is_volatile(known.tool) else ttl_s

    # --- how tools behave -------------------------------------------------------------------------------------------

    def guessed(self, key: CallKey, status: Status) -> None:
        """A guess was answered; a tool whose guesses fail too often is left alone."""
        tool = (key.server, key.tool)
        self._conduct.guessed(tool, failed=status == "error")
        if status == "error" and (reason := self._conduct.failing(tool)):
            self._note_bad(tool, reason, lasting=False)

    def checked(self, key: CallKey, served: Json, again: Json) -> bool:
        """A served result was fetched once more. Returns whether the two say the same."""
        tool = (key.server, key.tool)
        alike = same(served, again, self._policies[key.server].ignore)
        self._conduct.checked(tool, same=alike)
        if not alike and (reason := self._conduct.unlike_itself(tool)):
            self._note_bad(tool, reason, lasting=True)
        return alike

    def _note_bad(self, tool: ToolKey, reason: str, *, lasting: bool) -> None:
        if tool not in self._barred:
            self._barred[tool] = reason
            self.newly_barred.append(Barred(*tool, reason, lasting))

    def _know(self, tool: Tool) -> Known:
        read = policy.provably_read(self._policies[tool.server], tool, self._barred.get((tool.server, tool.name)))
        return Known(tool, read, read or policy.looks_read(tool), self.decide_tool(tool).eligible)
