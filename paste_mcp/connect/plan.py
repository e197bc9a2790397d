"""A connection: all of it is decided before anything is written, and carried out whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from paste_mcp.config import ConfigError
from paste_mcp.config.clients import FACT_KEYS
from paste_mcp.connect import jsonc
from paste_mcp.connect.edit import swapped, write_if_same
from paste_mcp.connect.journal import Journal, Record, digest, replace_file
from paste_mcp.connect.launcher import Launcher
from paste_mcp.connect.moving import ENTRY, Move, moves
from paste_mcp.connect.sites import ConnectError, Found, Site, parse
from paste_mcp.connect.undo import put_back

_HEADING = """\
// The servers of {client}, moved here from {file} by `paste-mcp connect`.
// `paste-mcp disconnect {id}` puts them back. The file is yours to edit.
{{
  "mcpServers": {{}},
  // "shadow": calls are foreseen and counted, and nothing is sent that the agent did not ask for. "annotated": the
  // servers' own hints are trusted. `paste-mcp init --config FILE` asks, server by server.
  "paste": {{ "speculation": "shadow" }}
}}
"""
_OURS_ALONE = ("speculation", "shared", "auth", "start_timeout_s", "call_timeout_s", *FACT_KEYS)
"""Keys that the user can only have written in our file."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What connecting one place would do."""

    site: Site
    moves: list[Move]
    on_disk: bytes
    """The client's file as it is; it must be that still when the plan is carried out."""
    before: bytes
    """The client's file without a connection: as it is, unless it had been connected before."""
    after: bytes
    config: Path
    config_text: str
    record: Record

    @property
    def moved(self) -> list[Move]:
        return [move for move in self.moves if move.reason is None]


def plan(
    found: Found,
    journal: Journal,
    launcher: Launcher,
    environ: Mapping[str, str],
    home: str,
    now: datetime,
    only: frozenset[str] = frozenset(),
) -> Plan:
    """How the servers of this place would move; `only` names those that shall. Raises ConnectError."""
    site, on_disk = found.site, found.raw
    earlier = journal.record(site.id)
    if earlier is not None:
        # Connected before: as if that had been undone first, so that one undo leads all the way back.
        only = only and only | earlier.moved.keys()
        without = put_back(site, found.raw, earlier).after
        undone = None if without is None else parse(site, without)
        if undone is None:
            raise ConnectError(f"{site.path}: holds no servers any more")
        found = undone
    agreed = only | earlier.moved.keys() if earlier is not None else only
    decided = moves(found, environ, home, only, agreed)
    moved = [move for move in decided if move.reason is None]
    config = journal.config(site.id)
    when = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    after, config_text = found.raw, ""
    if moved:
        if ENTRY in found.servers:
            raise ConnectError(f"{site.path}: has a server called {ENTRY} already; rename it first")
        after = _with_entry(found, moved, _entry(found, moved, launcher, config))
        config_text = _config_text(config, site, moved)
    edited = earlier is not None and (not config.exists() or digest(config.read_bytes()) != earlier.config_written)
    record = Record(
        id=site.id,
        client=site.client.id,
        scope=site.scope,
        file=str(site.path),
        keys=list(site.keys),
        folder=None if site.folder is None else str(site.folder),
        when=when,
        written=digest(after),
        backup=str(journal.backup(site.id, when)),
        config=str(config),
        config_written="" if edited or (earlier is None and config.exists()) else digest(config_text.encode()),
        moved={move.name: found.pieces[move.name] for move in moved},
    )
    return Plan(site, decided, on_disk, found.raw, after, config, config_text, record)


def carry_out(plan: Plan, journal: Journal) -> None:
    """Write it all, the client's file last. Raises ConnectError, and then everything is as it was."""
    earlier = journal.record(plan.site.id)
    config_before = plan.config.read_bytes() if plan.config.exists() else None
    backup = Path(plan.record.backup)
    try:
        replace_file(backup, plan.before)
        replace_file(plan.config, plan.config_text.encode())
        plan.config.chmod(0o600)
        journal.keep(plan.record)
        write_if_same(plan.site.path, plan.on_disk, plan.after)
    except ConnectError:
        backup.unlink(missing_ok=True)
        if config_before is None:
            plan.config.unlink(missing_ok=True)
        else:
            replace_file(plan.config, config_before)
        if earlier is None:
            journal.forget(plan.site.id)
        else:
            journal.keep(earlier)
        journal.sweep()
        raise
    if earlier is not None and earlier.backup != plan.record.backup:
        Path(earlier.backup).unlink(missing_ok=True)


def _with_entry(found: Found, moved: list[Move], entry: dict[str, Any]) -> bytes:
    site = found.site
    piece = site.format.write(found.text, site.keys, ENTRY, entry, str(site.path))
    return swapped(found, {move.name for move in moved}, {ENTRY: piece}, {ENTRY: entry})


def _entry(found: Found, moved: list[Move], launcher: Launcher, config: Path) -> dict[str, Any]:
    """The one server that is left in the client's file."""
    client = found.site.client
    entry: dict[str, Any] = {"type": "stdio"} if client.typed else {}
    entry |= {"command": launcher.command, "args": [*launcher.args, "serve", "--config", str(config)]}
    if variables := sorted({name for move in moved for name in move.variables}):
        if client.passes_on == "env_vars":
            entry["env_vars"] = variables
        elif client.passes_on == "env":
            entry["env"] = {name: f"${{{name}}}" for name in variables}
    for key in client.timeouts:
        limits = [found.servers[move.name].get(key) for move in moved]
        if numbers := [limit for limit in limits if isinstance(limit, int | float) and not isinstance(limit, bool)]:
            entry[key] = max(numbers)
    return entry


def _config_text(config: Path, site: Site, moved: list[Move]) -> str:
    """Our config file with the moved servers; what the user wrote in it stays."""
    source = str(config)
    text = _HEADING.format(client=site.words, file=site.path, id=site.client.id)
    if config.exists():
        text = config.read_bytes().decode("utf-8")
    keys = ("mcpServers",)
    try:
        there: Mapping[str, Any] = jsonc.read(text, source)["mcpServers"]
        for move in moved:
            old = there.get(move.alias, {})
            entry = move.entry | {key: old[key] for key in _OURS_ALONE if key in old}
            if entry != old:
                piece = jsonc.write(text, keys, move.alias, entry, source)
                text = jsonc.swap(text, keys, {move.alias}, {move.alias: piece}, source)
    except (ConfigError, KeyError, TypeError, AttributeError):
        raise ConnectError(f"{source}: exists and cannot be read; move it away") from None
    return text
