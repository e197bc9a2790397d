"""The language of patterns: context, target, mapping, probability, and their written form, read.

`parse_pool` takes plain data (what a YAML or JSON reader gives) and gives frozen patterns or raises `PatternError` with
the exact place. This module must not know files, nor how patterns are found and evaluated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from paste_mcp.core.patterns.elements import Element, read_element, read_glob
from paste_mcp.core.patterns.globs import Glob, holes
from paste_mcp.core.patterns.problems import PatternError, Spot, members, shown
from paste_mcp.core.patterns.reader import Picks, SourceReader, is_probability
from paste_mcp.core.patterns.sources import Sibling, Source

__all__ = ["SAME", "Element", "Pattern", "PatternError", "Support", "Target", "parse_pool"]

VERSION: Final = 1
SAME: Final = "same"
"""The last context element's server, or its tool."""
REST: Final = "*"
"""Stands for all arguments not named."""
WHICHEVER: Final = "?"
"""Stands for the one argument of a repeated call that has a sibling."""

MAX_PATTERNS: Final = 200_000
"""Patterns in one pool file (a learnt pool may be large)."""
MAX_CONTEXT: Final = 8
MAX_ARGUMENTS: Final = 32
MAX_PATTERN_NAME: Final = 800
"""Characters; a learnt pattern is named by the aliases and tools of its context and target."""


@dataclass(frozen=True, slots=True)
class Target:
    """The tool foreseen: `server` None for the last element's; `tool` is `same`, a name or a glob, with captures."""

    server: Glob | None
    tool: str


@dataclass(frozen=True, slots=True)
class Support:
    """What a learnt pattern rests on: how often its context was seen, and how often the target came next."""

    seen: float
    hit: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """What tends to follow what, and where each argument comes from.

    `rest` and `whichever` are the context elements whose call gives the arguments not named, and in which one argument
    moves on to its sibling. `pick` gives ranks and P(rank | target); `probability` is P(target | context).
    `id` says what a learnt pattern is about; several may share one, and turning the id off turns off all of them.
    """

    name: str
    context: tuple[Element, ...]
    target: Target
    arguments: tuple[tuple[str, Source], ...] = ()
    rest: int | None = None
    whichever: int | None = None
    pick: Picks = ((1, 1.0),)
    probability: float = 1.0
    why: str = ""
    enabled: bool = True
    users_own: bool = False
    id: str = ""
    evidence: Support | None = None

    @property
    def surest(self) -> float:
        """P(the likeliest rank | target)."""
        return max(share for _, share in self.pick)


def parse_pool(data: Any, users_own: bool) -> list[Pattern]:
    """The patterns that `data` describes, in order. Raises `PatternError` for the first thing wrong, and nothing else.

    `users_own` says that this user wrote them: such a pattern beats a shipped one, and its constants may be sent.
    """
    spot = Spot()
    members(data, spot, known=("version", "patterns"), required=("version", "patterns"), what="a pattern file")
    if data["version"] != VERSION or isinstance(data["version"], bool):
        raise spot.at("version").error(f"version {shown(data['version'])} is not known", f"write `version: {VERSION}`")
    listed = data["patterns"]
    spot = spot.at("patterns")
    if not isinstance(listed, list):
        raise spot.error(f"{shown(listed)} is not a list", "begin each pattern with `- name:`")
    if len(listed) > MAX_PATTERNS:
        raise spot.error(f"more than {MAX_PATTERNS} patterns", "split the file, or keep the likeliest")
    found: dict[str, Pattern] = {}
    for number, entry in enumerate(listed):
        pattern = _pattern(entry, spot.at(number, _label(entry)), users_own)
        if pattern.name in found:
            here = spot.at(number, _label(entry)).at("name")
            raise here.error(f"{shown(pattern.name)} is the name of an earlier pattern", "give each its own name")
        found[pattern.name] = pattern
    return list(found.values())


def _label(entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return " ".join(name.split())[:60] if isinstance(name, str) else ""


def _pattern(entry: Any, spot: Spot, users_own: bool) -> Pattern:
    known = ("name", "id", "why", "enabled", "context", "target", "arguments", "probability", "evidence")
    members(entry, spot, known=known, required=("name",), what="a pattern")
    name, why, enabled = entry["name"], entry.get("why"), entry.get("enabled", True)
    _check_name(name, spot.at("name"))
    if "id" in entry:
        _check_name(entry["id"], spot.at("id"))
    if why is not None and not isinstance(why, str):
        raise spot.at("why").error(f"{shown(why)} is not a text", "put it in quotes")
    if not isinstance(enabled, bool):
        raise spot.at("enabled").error(f"{shown(enabled)} is neither true nor false", "write true or false")
    if not enabled and "context" not in entry and "target" not in entry:
        # `{name: x, enabled: false}` is how a user turns a shipped pattern off.
        return Pattern(name, (), Target(None, SAME), why=why or "", enabled=False, users_own=users_own)
    members(entry, spot, known=known, required=("context", "target", "probability"), what="a pattern")
    context = _context(entry["context"], spot.at("context"))
    captures = frozenset(name for element in context for name in (*element.server.captures, *element.tool.captures))
    target = _target(entry["target"], spot.at("target"), captures)
    if not is_probability(entry["probability"]):
        problem = f"{shown(entry['probability'])} is no probability"
        raise spot.at("probability").error(problem, "write a number above 0, up to 1")
    evidence = _evidence(entry["evidence"], spot.at("evidence")) if "evidence" in entry else None
    arguments = _Arguments(len(context), captures, target)
    arguments.read(entry.get("arguments", {}), spot.at("arguments"))
    return Pattern(
        name=name,
        context=context,
        target=target,
        arguments=tuple(arguments.named),
        rest=arguments.rest,
        whichever=arguments.whichever,
        pick=arguments.pick,
        probability=float(entry["probability"]),
        why=why or "",
        enabled=enabled,
        users_own=users_own,
        id=entry.get("id", ""),
        evidence=evidence,
    )


def _check_name(name: Any, spot: Spot) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_PATTERN_NAME or not name.isprintable():
        raise spot.error(f"{shown(name)} is no name", f"write 1 to {MAX_PATTERN_NAME} printable characters")


def _evidence(data: Any, spot: Spot) -> Support:
    members(data, spot, known=("seen", "hit"), required=("seen", "hit"), what="evidence")
    for name, value in data.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
            raise spot.at(name).error(f"{shown(value)} is no count", "write a number from 0")
    if data["hit"] > data["seen"]:
        raise spot.at("hit").error(f"{shown(data['hit'])} of {shown(data['seen'])}", "hits are among what was seen")
    return Support(float(data["seen"]), float(data["hit"]))


def _context(data: Any, spot: Spot) -> tuple[Element, ...]:
    if not isinstance(data, list) or not 0 < len(data) <= MAX_CONTEXT:
        raise spot.error("the context is a list of past calls, oldest first", f"write 1 to {MAX_CONTEXT} of them")
    return tuple(read_element(entry, spot.at(number), "a context element") for number, entry in enumerate(data))


def _target(data: Any, spot: Spot, captures: frozenset[str]) -> Target:
    members(data, spot, known=("server", "tool"), required=("tool",), what="a target")
    server = data.get("server", SAME)
    known_server = None if server == SAME else read_glob(server, spot.at("server"))
    if known_server is not None and known_server.captures:
        raise spot.at("server").error("a server's alias holds no captures", "use a name or *")
    tool = read_glob(data["tool"], spot.at("tool")).text
    _check_captures(tool, captures, spot.at("tool"))
    if tool == SAME and known_server is not None:
        raise spot.at("server").error("the same tool is the same server's", "remove `server:`, or name the tool")
    return Target(known_server, tool)


def _check_captures(text: str, captures: frozenset[str], spot: Spot) -> None:
    unknown = sorted(holes(text) - captures)
    if unknown:
        raise spot.error(f"{{{unknown[0]}}} is captured nowhere", "capture it in a context tool's name")


class _Arguments:
    """The `arguments` of one pattern, read: the named ones, the rest, and the one pick."""

    def __init__(self, context: int, captures: frozenset[str], target: Target) -> None:
        self._context = context
        self._captures = captures
        self._repeats = target == Target(None, SAME)
        self._pick: tuple[Spot, Picks] | None = None
        self.named: list[tuple[str, Source]] = []
        self.rest: int | None = None
        self.whichever: int | None = None

    @property
    def pick(self) -> Picks:
        return self._pick[1] if self._pick else ((1, 1.0),)

    def read(self, data: Any, spot: Spot) -> None:
        if not isinstance(data, Mapping) or not all(isinstance(name, str) and name for name in data):
            raise spot.error("arguments are a mapping of names to sources", "write `name: {result: -1, path: ...}`")
        if len(data) > MAX_ARGUMENTS:
            raise spot.error(f"more than {MAX_ARGUMENTS} arguments", "a call that long is not worth foreseeing")
        for name, source in data.items():
            here = spot.at(name)
            reader = SourceReader(self._context, name, self._captures)
            if name == REST:
                self.rest = self._rest(source, here, reader)
            elif name == WHICHEVER:
                self.whichever = self._whichever(source, here, reader, alone=len(data) == 1)
            else:
                _check_captures(name, self._captures, here)
                self.named.append((name, reader.read(source, here)))
            for found in reader.picks:
                if self._pick is not None:
                    problem = f"the ranks are already picked at {self._pick[0].label}"
                    raise found[0].error(problem, "ranks of all lists are drawn together: keep one pick")
                self._pick = found

    def _rest(self, data: Any, spot: Spot, reader: SourceReader) -> int:
        if not isinstance(data, Mapping) or set(data) != {"argument"}:
            raise spot.error('"*" copies the arguments of an earlier call', "write {argument: -1}")
        return reader.index(data, "argument", spot)

    def _whichever(self, data: Any, spot: Spot, reader: SourceReader, *, alone: bool) -> int:
        if not self._repeats:
            raise spot.error('"?" repeats the last call with one argument moved on', "set the target to {tool: same}")
        if not alone:
            raise spot.error('"?" copies all other arguments by itself', "remove the other arguments")
        source = reader.read(data, spot)
        if source != Sibling(-1, WHICHEVER):
            raise spot.error('"?" takes the next sibling only', "write {next: {argument: -1}}")
        return -1
