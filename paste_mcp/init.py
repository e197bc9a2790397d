"""`paste-mcp init`: what may run early on each server, asked with its tools in view, written down and explained.

A file that is there keeps everything but the `speculation` of the servers that were asked about. A new one gets the
servers that the clients of this machine have; their files are left alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from paste_mcp.check import as_config
from paste_mcp.config import ConfigError
from paste_mcp.config.clients import SERVERS_KEYS
from paste_mcp.connect import jsonc
from paste_mcp.connect.clients import Machine
from paste_mcp.connect.moving import moves
from paste_mcp.connect.sites import ConnectError, look, sites
from paste_mcp.core.speculation.policy import decide_tool
from paste_mcp.core.speculation.settings import Mode, ServerPolicy
from paste_mcp.proxy.inspect import ServerReport

HEADING = """\
// The servers that paste-mcp stands in front of. It reads this file when it is started.
//
// "speculation" of a server, and under "paste" of all that do not say:
//   "off"        nothing
//   "shadow"     calls are foreseen and counted; nothing is sent that the agent did not ask for
//   "annotated"  tools that call themselves read-only and confined to their server may run early
//   {"allow": ["search", "get_*"]}                            only these, by their own names: you vouch for them
//   {"mode": "annotated", "closed_world": true, "deny": ["x"]} hints count, unsaid means confined; but not x
{
  "mcpServers": {},
  "paste": { "speculation": "shadow" }
}
"""


class Ask(Protocol):
    """Somebody who answers."""

    def confirm(self, question: str) -> bool: ...

    def prompt(self, question: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to decide about one server: names of tools."""

    trusted: tuple[str, ...]
    """May run early as soon as its hints count."""
    unsaid: tuple[str, ...]
    """May besides, if what a tool does not say of its reach means that it has none."""
    named: tuple[str, ...]
    """May run early if the user vouches for them by name."""
    never: tuple[str, ...]
    """May not, whatever he says."""


def choices(report: ServerReport) -> Choices:
    """The choices that the policy's table leaves."""
    tools = [entry.tool for entry in report.tools]
    trusted = [t.name for t in tools if decide_tool(ServerPolicy("annotated"), t).eligible]
    closed = [t.name for t in tools if decide_tool(ServerPolicy("annotated", closed_world=True), t).eligible]
    named = [t.name for t in tools if decide_tool(ServerPolicy("listed", allow=(t.name,)), t).eligible]
    return Choices(
        trusted=tuple(trusted),
        unsaid=tuple(name for name in closed if name not in trusted),
        named=tuple(name for name in named if name not in closed),
        never=tuple(t.name for t in tools if t.name not in {*closed, *named}),
    )


def decided(report: ServerReport, ask: Ask) -> ServerPolicy:
    """The policy that the user's answers make for one server."""
    there = choices(report)
    trust = closed = False
    if there.trusted or there.unsaid:
        trust = ask.confirm(
            f"Trust what {report.alias} says of its tools?{_listed(' May run early then', there.trusted)}"
        )
    if trust and there.unsaid:
        closed = ask.confirm(
            f"{', '.join(there.unsaid)}: read-only, but not said to stay with {report.alias}'s own data. Do they?"
        )
    rest = (*(() if trust and closed else there.unsaid), *(() if trust else there.trusted), *there.named)
    allow = (
        _names(ask, f"Others of {report.alias} that may run early, by name{_listed('', rest)}", rest) if rest else ()
    )
    mode: Mode = "annotated" if trust else "listed" if allow else "shadow"
    return ServerPolicy(mode, closed_world=closed, allow=allow)


def _listed(words: str, names: tuple[str, ...]) -> str:
    return f"{words}: {', '.join(names)}." if names and words else f" ({', '.join(names)})" if names else ""


def _names(ask: Ask, question: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Names or globs that the user gives; asked again until each means some tool that may be named."""
    while True:
        given = tuple(ask.prompt(question).replace(",", " ").split())
        wrong = [glob for glob in given if not any(fnmatchcase(name, glob) for name in known)]
        if not wrong:
            return given
        question = f"{', '.join(wrong)}: none of these; choose from {', '.join(known)}"


def starting_text(path: Path, machine: Machine, environ: Mapping[str, str], tell: Callable[[str], None]) -> str:
    """The file's text, or that of a new one with the servers of this machine's clients. Raises ConnectError."""
    if path.exists():
        try:
            return path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConnectError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    entries: dict[str, Any] = {}
    for site in sites(machine):
        if (found := look(site)) is None:
            continue
        for move in moves(found, environ, machine.home):
            if move.reason is None and entries.get(move.alias) != move.entry:
                alias = move.alias if move.alias not in entries else f"{move.alias[:20]}-{site.client.id}"
                entries[alias] = move.entry
                tell(f"{alias}: as {site.words} has it")
    if not entries:
        raise ConnectError(f'{path}: is not there, and no client has servers; write {{"mcpServers": {{...}}}} into it')
    text = HEADING
    for alias, entry in entries.items():
        piece = jsonc.write(text, ("mcpServers",), alias, entry, str(path))
        text = jsonc.swap(text, ("mcpServers",), (), {alias: piece}, str(path))
    return text


def with_policies(text: str, policies: Mapping[str, ServerPolicy], reports: list[ServerReport], source: str) -> str:
    """The text in which these servers have these policies, each with a word about what it means. Raises ConfigError."""
    data = jsonc.read(text, source)
    key = next((key for key in SERVERS_KEYS if key in data), None)
    if key is None:
        raise ConfigError(f"{source}: no servers in it")
    for report in reports:
        policy = policies.get(report.alias)
        if policy is None:
            continue
        early = [t.tool.name for t in report.tools if decide_tool(policy, t.tool).eligible]
        counted = (
            "counted only" if policy.mode == "shadow" else f"{len(early)} of {len(report.tools)} tools may run early"
        )
        piece = f"/* {counted} */ {json.dumps(as_config(policy), ensure_ascii=False)}"
        text = jsonc.swap(text, (key, report.alias), {"speculation"}, {"speculation": piece}, source)
    return text
