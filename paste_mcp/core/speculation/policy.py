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

from paste_mcp.core.model import Json, Prediction, Tool
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

    @property
    def named(self) -> bool:
        """The user allowed this tool by name."""
        return any(fnmatchcase(self.tool.name, glob) for glob in self.policy.allow)

    @property
    def denied(self) -> bool:
        return any(fnmatchcase(self.tool.name, glob) for glob in self.policy.deny)

    @property
    def open_world(self) -> bool:
        """The protocol's default is open; `closed_world` is the user's word for tools that do not say."""
        hint = self.tool.hints.open_world
        return hint if hint is not None else not self.policy.closed_world

    @property
    def suspicion(self) -> str | None:
        return suspicion(self.tool)

    @property
    def off(self) -> bool:
        return self.policy.mode == "off"

    @property
    def other_denials(self) -> tuple[str, ...]:
        return tuple(glob for glob in self.policy.deny if not fnmatchcase(self.tool.name, glob))

    @property
    def foreign(self) -> bool:
        """Never be the first to tell a server anything: every ingredient must be this server's own, or a constant.

        What another server said may only flow where a pattern names both ends, and never into an open world.
        """
        if self.call is None:
            return False
        sources = {i.server for i in self.call.ingredients if i.server not in (None, self.tool.server)}
        return any((source, self.tool.server) not in self.call.flows or self.open_world for source in sources)


Row = tuple[str, str, "Remedy | None", Callable[[Case], bool]]
Remedy = Callable[[Case], ServerPolicy]
"""The user's word on this server as it would have to be for the tool to run early."""
_GLOB_SIGNS = re.compile(r"[*?[]")


def _allowing(case: Case) -> ServerPolicy:
    mode = case.policy.mode if case.policy.mode in ("annotated", "listed") else "listed"
    exactly = _GLOB_SIGNS.sub(r"[\g<0>]", case.tool.name)
    return replace(case.policy, mode=mode, allow=(*case.policy.allow, exactly))


REFUSALS: tuple[Row, ...] = (
    ("off", "speculation is off for this server", lambda c: replace(c.policy, mode="annotated"), lambda c: c.off),
    ("denied", "you denied it", lambda c: replace(c.policy, deny=c.other_denials), lambda c: c.denied),
    ("write", "it says that it is not read-only", None, lambda c: c.tool.hints.read_only is False),
    ("barred", "{barred}", None, lambda c: c.barred is not None),
    ("suspect", "{suspicion}", _allowing, lambda c: not c.named and c.suspicion is not None),
    ("unlisted", "only tools on your list run early", _allowing, lambda c: not c.named and c.policy.mode == "listed"),
    (
        "unhinted",
        "it does not say that it is read-only",
        _allowing,
        lambda c: not c.named and c.tool.hints.read_only is None,
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
)
"""(row, reason, remedy, condition), from the top; the first that holds refuses. No remedy: nothing can change it."""


def decide(policy: ServerPolicy, tool: Tool, call: Prediction, barred: str | None = None) -> Decision:
    """May `call` of `tool` be run before it is asked for? `barred` is what the tool did to lose the right for good.

    In shadow mode the answer is what it would be if the server's annotations were trusted; nothing is sent there.
    """
    return _first(Case(policy, tool, barred, call))


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
    if case.named:
        return True
    return policy.mode == "annotated" and tool.hints.read_only is True and case.suspicion is None


def looks_read(tool: Tool | None) -> bool:
    """Whether the tool says of itself that it is a read; enough for counting in shadow mode, never for serving."""
    return tool is not None and tool.hints.read_only is True and suspicion(tool) is None


def _first(case: Case) -> Decision:
    for row, reason, remedy, holds in REFUSALS:
        if holds(case):
            words = {"barred": case.barred, "suspicion": case.suspicion}
            return Decision(False, row, reason.format(**words), remedy(case) if remedy else None)
    if case.named:
        return Decision(True, "named", "you allowed it")
    return Decision(True, "annotated", "by its hints")


# --- screens: what makes a tool that calls itself read-only doubtful -------------------------------------------------
# Of 299 real tools with readOnlyHint:true that were examined, ten changed state; these screens catch most of them and
# cost few honest ones. A user's `allow` overrides.

WRITE_VERBS = frozenset(
    "add append apply archive assign cancel clear click close commit connect copy create delete deploy disable "
    "disconnect drop edit enable execute export fill import insert install invite kill lock mark merge modify move "
    "mutate patch post press publish push put rebase remove rename replace reset restart restore revert run send set "
    "start stop store submit subscribe switch trigger type unlock unsubscribe update upload upsert wipe write "
    "activate consume dequeue pop receive poll navigate select".split()
)
CODE_ARGUMENTS = frozenset({"sql", "command", "cmd", "script", "code", "pipeline", "expression", "program"})
OUTPUT_ARGUMENTS = frozenset(
    {"output", "output_path", "outputpath", "outfile", "output_file", "dest", "destination", "export_target", "save_to"}
)
READ_VERBS = frozenset("get list read search find show describe fetch view query lookup count check inspect".split())
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def suspicion(tool: Tool) -> str | None:
    """Why this tool may not be the read it says it is; None where nothing speaks against it."""
    if tool.hints.read_only is True and tool.hints.destructive is True:
        return "it says both read-only and destructive"
    if verb := _writing_verb(tool.name):
        return f'its name says "{verb}"'
    properties = tool.input_schema.get("properties")
    for name, schema in properties.items() if isinstance(properties, Mapping) else ():
        plain = "_".join(_words(name))
        if plain in CODE_ARGUMENTS:
            return f'it takes code ("{name}")'
        if plain in OUTPUT_ARGUMENTS:
            return f'it may write a file ("{name}")'
        if choice := _writing_choice(schema):
            return f'"{name}" can be "{choice}"'
    return None


def _writing_verb(name: str) -> str | None:
    """The write verb in a tool's name. After a leading read verb the words are nouns (`get_commit`), but for "and"."""
    words = _words(name)
    if words and words[0] in READ_VERBS:
        words = words[words.index("and") :] if "and" in words else []
    return next((word for word in words if word in WRITE_VERBS), None)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def _writing_choice(schema: Json) -> str | None:
    """A value of an operation selector that is a write verb."""
    choices = schema.get("enum") if isinstance(schema, Mapping) else None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, str) and any(word in WRITE_VERBS for word in _words(choice)[:1]):
            return choice
    return None
