"""Is it safe? The decision table: from what the user said and what a tool says of itself to eligible or refused.

Read from the top; the first row that holds decides. Rows about the tool alone come first, so that `decide_tool` can
tell the user what may ever run early; rows about one call's values follow. Whether a call is *worth* running is no
question of this module.

Annotations are untrusted by the protocol's own words (MCP spec, ToolAnnotations), and honest servers get them wrong:
they count only where the user said `annotated`, and even then a tool must pass the screens below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from paste_mcp.core.model import Prediction, Review, Tool
from paste_mcp.core.speculation.addresses import hosts_of, may_point_to
from paste_mcp.core.speculation.screens import contradiction, is_odd, suspicion, texts_in
from paste_mcp.core.speculation.settings import ServerPolicy


@dataclass(frozen=True, slots=True)
class Decision:
    """What the table says, by which row, and in words for a user."""

    eligible: bool
    row: str
    reason: str
    remedy: ServerPolicy | None = None
    """What the user would have to say of the server to change it; None where nothing can."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a row may look at. `call` is None when only the tool is in question."""

    policy: ServerPolicy
    tool: Tool
    barred: str | None = None
    call: Prediction | None = None
    supposed: int | None = None
    """The index of an event that was only guessed, and that the call is to follow."""

    @property
    def named(self) -> bool:
        """The user allowed this tool by name."""
        return any(fnmatchcase(self.tool.name, glob) for glob in self.policy.allow)

    @property
    def denied(self) -> bool:
        return any(fnmatchcase(self.tool.name, glob) for glob in self.policy.deny)

    @property
    def spelled(self) -> bool:
        """The user allowed this very tool: a glob that happens to fit it is no word on what is known to do harm."""
        return _spelled(self.tool.name) in self.policy.allow

    @property
    def wants_approval(self) -> bool:
        return any(fnmatchcase(self.tool.name, glob) for glob in self.policy.approval)

    @property
    def vouched(self) -> bool:
        """The catalogue knows this very tool as a read. That helps nobody without the user's word for its server."""
        return self.tool.review is not None and self.tool.review.vouches

    @property
    def known_as(self) -> str | None:
        """What the catalogue says against the tool."""
        return AGAINST.get(self.tool.review.kind) if self.tool.review is not None else None

    @property
    def metered(self) -> bool:
        return self.policy.cost == "metered" or (self.tool.review is not None and self.tool.review.metered)

    @property
    def open_world(self) -> bool:
        """The protocol's default is open; for tools that do not say, it is the user's word or the catalogue's."""
        hint = self.tool.hints.open_world
        if hint is not None:
            return hint
        return not (self.policy.closed_world or (self.vouched and _review(self.tool).closed_world))

    @property
    def suspicion(self) -> str | None:
        return contradiction(self.tool) if self.vouched else suspicion(self.tool)

    @property
    def other_denials(self) -> tuple[str, ...]:
        return tuple(glob for glob in self.policy.deny if not fnmatchcase(self.tool.name, glob))

    @property
    def other_approvals(self) -> tuple[str, ...]:
        return tuple(glob for glob in self.policy.approval if not fnmatchcase(self.tool.name, glob))

    @property
    def foreign(self) -> bool:
        """Never be the first to tell a server anything: every ingredient must be this server's own, or a constant.

        What another server said may only flow where a pattern names both ends, and never into an open world.
        """
        if self.call is None:
            return False
        sources = {i.server for i in self.call.ingredients if i.server not in (None, self.tool.server)}
        return any((source, self.tool.server) not in self.call.flows or self.open_world for source in sources)

    @property
    def unconfirmed(self) -> bool:
        """What a guess brought may go back to its server, and nowhere else, until the agent has asked for it."""
        if self.call is None or self.supposed is None:
            return False
        sources = [i.server for i in self.call.ingredients if i.event == self.supposed]
        return any(self.open_world or server != self.tool.server for server in sources)

    @property
    def derived(self) -> bool:
        """A value came out of a result, or from an earlier session: nobody has chosen it for this call."""
        kinds = {ingredient.kind for ingredient in self.call.ingredients} if self.call is not None else set()
        return not kinds.isdisjoint({"result", "learnt"})

    @property
    def header(self) -> str | None:
        """An argument of the call that intermediaries get to see, as the tool's schema says (`x-mcp-header`)."""
        properties = self.tool.input_schema.get("properties")
        if self.call is None or not self.derived or not isinstance(properties, Mapping):
            return None
        named = (name for name in self.call.call.arguments if isinstance(properties.get(name), Mapping))
        return next((name for name in named if "x-mcp-header" in properties[name]), None)

    @property
    def odd_value(self) -> bool:
        """A derived text that programs may take for an option, or that leads out of a folder."""
        return self.call is not None and self.derived and any(map(is_odd, texts_in(self.call.call.arguments)))

    @property
    def learnt_text(self) -> bool:
        return self.call is not None and any(ingredient.kind == "learnt" for ingredient in self.call.ingredients)

    @property
    def stray_host(self) -> str | None:
        """A host in the call's addresses that a guess may not name, in words."""
        if self.call is None:
            return None
        hosts = hosts_of(self.call.call.arguments)
        stray = next((host for host in hosts if not may_point_to(host, self.policy.hosts)), None)
        return None if stray is None else (stray or "no host that is beyond doubt")


Row = tuple[str, "str | Reason", "Remedy | None", Callable[[Case], bool]]
Reason = Callable[[Case], str]
Remedy = Callable[[Case], "ServerPolicy | None"]
"""The user's word on this server as it would have to be for the tool to run early."""
_GLOB_SIGNS = re.compile(r"[*?[]")

AGAINST: dict[str, str] = {
    "write": "it is known to change something, whatever it says",
    "depends": "it is known to read or write, as its arguments say",
    "volatile": "it is known to answer differently each time",
    "consuming": "it is known to use up what it reads",
    "session-creating": "it is known to leave something open behind it",
    "secret": "it is known to answer with secrets",
}
"""The catalogue's word, where it speaks against a tool."""
_EFFECTS = frozenset({"write", "depends", "consuming", "session-creating"})


def _spelled(name: str) -> str:
    """A glob that fits this name and no other."""
    return _GLOB_SIGNS.sub(r"[\g<0>]", name)


def _review(tool: Tool) -> Review:
    assert tool.review is not None
    return tool.review


def _allowing(case: Case) -> ServerPolicy:
    mode = case.policy.mode if case.policy.mode in ("annotated", "listed") else "listed"
    return replace(case.policy, mode=mode, allow=(*case.policy.allow, _spelled(case.tool.name)))


def _naming_host(case: Case) -> ServerPolicy | None:
    """The host on the user's list, where it can be told."""
    if (host := case.stray_host) is None or " " in host:
        return None
    return replace(case.policy, hosts=(*(case.policy.hosts or ()), host))


REFUSALS: tuple[Row, ...] = (
    (
        "off",
        "speculation is off for this server",
        lambda c: replace(c.policy, mode="annotated"),
        lambda c: c.policy.mode == "off",
    ),
    ("denied", "you denied it", lambda c: replace(c.policy, deny=c.other_denials), lambda c: c.denied),
    ("write", "it says that it is not read-only", None, lambda c: c.tool.hints.read_only is False),
    ("barred", lambda c: c.barred or "", None, lambda c: c.barred is not None),
    (
        "approval",
        "you want to be asked first",
        lambda c: replace(c.policy, approval=c.other_approvals),
        lambda c: c.wants_approval,
    ),
    ("known", lambda c: c.known_as or "", _allowing, lambda c: not c.spelled and c.known_as is not None),
    ("metered", "its calls cost money or count against a quota", _allowing, lambda c: not c.named and c.metered),
    ("suspect", lambda c: c.suspicion or "", _allowing, lambda c: not c.named and c.suspicion is not None),
    ("unlisted", "only tools on your list run early", _allowing, lambda c: not c.named and c.policy.mode == "listed"),
    (
        "unhinted",
        "it does not say that it is read-only",
        _allowing,
        lambda c: not c.named and not c.vouched and c.tool.hints.read_only is None,
    ),
    (
        "not repeatable",
        "it says that calling it twice is not as calling it once (idempotentHint is false)",
        _allowing,
        lambda c: not c.named and c.tool.hints.idempotent is False,
    ),
    (
        "open world",
        "it reaches beyond its server (openWorldHint is true)",
        _allowing,
        lambda c: not c.named and c.tool.hints.open_world is True,
    ),
    (
        "world unknown",
        "it does not say that it stays within its server (openWorldHint is absent)",
        lambda c: replace(c.policy, closed_world=True),
        lambda c: not c.named and c.open_world,
    ),
    (
        "cost unknown",
        "nobody said what a call to this remote server costs",
        lambda c: replace(c.policy, cost="free"),
        lambda c: not c.named and c.policy.cost == "unknown",
    ),
    (
        "foreign value",
        "a value comes from another server and no pattern of yours names both",
        None,
        lambda c: c.foreign,
    ),
    (
        "composed value",
        "a value was put together, and the tool reaches beyond its server",
        None,
        lambda c: c.call is not None and c.call.composed and c.open_world and not c.call.users_own,
    ),
    (
        "unconfirmed value",
        "a value comes from a guess that nobody asked for yet, and would leave its server",
        None,
        lambda c: c.unconfirmed,
    ),
    (
        "learnt text",
        "a text was learnt from an earlier session",
        lambda c: replace(c.policy, history=True),
        lambda c: c.learnt_text and not c.policy.history,
    ),
    (
        "header",
        lambda c: f'"{c.header}" is sent as a header that others may read',
        None,
        lambda c: c.header is not None,
    ),
    (
        "odd value",
        'a value that was found may be taken for an option ("-") or lead out of its folder ("..")',
        None,
        lambda c: c.odd_value,
    ),
    (
        "stray host",
        lambda c: f"an address in it points to {c.stray_host}",
        _naming_host,
        lambda c: c.stray_host is not None,
    ),
)
"""(row, reason, remedy, condition), from the top; the first that holds refuses. No remedy: nothing can change it."""


def decide(
    policy: ServerPolicy, tool: Tool, call: Prediction, barred: str | None = None, supposed: int | None = None
) -> Decision:
    """May `call` of `tool` be run before it is asked for? `barred` is what the tool did to lose the right for good;
    `supposed` the index of the event that it is to follow, where that is a guess itself.

    In shadow mode the answer is what it would be if the server's annotations were trusted; nothing is sent there.
    """
    return _first(Case(policy, tool, barred, call, supposed))


def decide_tool(policy: ServerPolicy, tool: Tool, barred: str | None = None) -> Decision:
    """May any call of `tool` be run early, as far as the tool itself goes?"""
    return _first(Case(policy, tool, barred))


def provably_read(policy: ServerPolicy, tool: Tool | None, barred: str | None = None) -> bool:
    """Whether a demand of this tool leaves all other results valid.

    Everything else counts as a write: the user's word for the tool, or a trusted server's hint that passes the
    screens, is what it takes. Whoever denied the tool, or saw it misbehave, has reason to doubt its hint.
    """
    if tool is None or tool.hints.read_only is False or barred is not None:
        return False
    case = Case(policy, tool)
    if case.denied:
        return False
    if case.spelled:
        return True
    if tool.review is not None and tool.review.kind in _EFFECTS:
        return False
    if case.named:
        return True
    says_so = tool.hints.read_only is True or case.vouched
    return policy.mode == "annotated" and says_so and case.suspicion is None


def looks_read(tool: Tool | None) -> bool:
    """Whether the tool says of itself that it is a read; enough for counting in shadow mode, never for serving."""
    if tool is None or tool.hints.read_only is False:
        return False
    if tool.review is not None and tool.review.kind in _EFFECTS:
        return False
    case = Case(ServerPolicy(), tool)
    return (tool.hints.read_only is True or case.vouched) and case.suspicion is None


def is_volatile(tool: Tool) -> bool:
    """Whether the answer is known, or said, to change by itself."""
    return tool.hints.idempotent is False or (tool.review is not None and tool.review.kind == "volatile")


def _first(case: Case) -> Decision:
    for row, reason, remedy, holds in REFUSALS:
        if holds(case):
            words = reason if isinstance(reason, str) else reason(case)
            return Decision(False, row, words, remedy(case) if remedy else None)
    if case.named:
        return Decision(True, "named", "you allowed it")
    if case.tool.hints.read_only is None:
        return Decision(True, "reviewed", "it is known to be a read, and you trust this server")
    return Decision(True, "annotated", "by its hints")
