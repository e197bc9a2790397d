"""From the config file, or from data of its shape, to a `Config`."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from paste_mcp.config.auth import parse_auth
from paste_mcp.config.check import check, choice, expect_object, refuse_unknown
from paste_mcp.config.clients import FACT_KEYS, SERVERS_KEYS, Notes, review_entry, review_top
from paste_mcp.config.errors import ConfigError, Place, listed, one_line
from paste_mcp.config.expand import expand_home, passable
from paste_mcp.config.jsonc import read_jsonc
from paste_mcp.config.models import LimitsSection, Paste, ServerConfig, ServerFacts, SpeculationSection
from paste_mcp.config.servers import check_aliases, is_disabled, parse_server
from paste_mcp.core.speculation.settings import Limits, ServerPolicy

LARGEST = 1024 * 1024
"""Bytes of a config file that are read."""

_MODES = ("off", "shadow", "annotated")
"""What `speculation` may be as a text; `listed` needs its list, and so the object."""


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that can be run. Everything in it has been checked and filled in."""

    source: str
    """What to call it in messages: the file's path as the user gave it."""
    servers_key: str
    """Under which top-level key the servers were found: whose dialect the file is in."""
    servers: dict[str, ServerConfig]
    """The servers that are not disabled, by alias, in the order of the file."""
    paste: Paste
    """What holds for all servers."""
    warnings: list[str]
    """What was left aside, one line each, with the file's name; for the caller to print."""
    policies: dict[str, ServerPolicy] = field(default_factory=dict)
    """The servers' own `speculation`, where they have one. Read `policy(alias)` instead."""
    facts: dict[str, ServerFacts] = field(default_factory=dict)
    """What the user knows of the servers. Read `policy(alias)` instead."""

    def policy(self, alias: str) -> ServerPolicy:
        """What may be done ahead on this server: its own word, else the default of the file, else shadow.

        The nearest word holds whole; nothing is mixed. What is known of the server comes on top. Raises KeyError for a
        server that is not there.
        """
        if alias not in self.servers:
            raise KeyError(alias)
        said = self.policies.get(alias) or self.paste.speculation or ServerPolicy()
        facts = self.facts.get(alias) or ServerFacts()
        refined = facts.refine(said, remote=self.servers[alias].type != "stdio")
        return replace(refined, history=self.paste.history, verify=self.paste.verify)

    def without_speculation(self) -> Config:
        """The same servers with speculation off on all of them, whatever the file says."""
        return replace(self, policies=dict.fromkeys(self.servers, ServerPolicy(mode="off")))

    def split(self, percent: int) -> Config:
        """The same, with so many percent of the sessions speculating."""
        return replace(self, paste=self.paste.model_copy(update={"ab": percent}))

    @property
    def learns(self) -> bool:
        """Something is to be learnt, and on some server there is a use for it."""
        return self.paste.learning == "on" and any(self.policy(alias).mode != "off" for alias in self.servers)

    @property
    def limits(self) -> Limits:
        """Bounds on what speculation may use."""
        return self.paste.limits

    def call_timeout_s(self, alias: str) -> float:
        """Seconds that a speculative call to this server may run: the shorter of its own limit and the general one."""
        own = self.servers[alias].call_timeout_s
        return self.limits.call_timeout_s if own is None else min(own, self.limits.call_timeout_s)


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read the file. `environ` fills in placeholders. Raises ConfigError, whose text is one line for the user."""
    source = str(path)
    data = read_jsonc(_text(path, Place(source)), source)
    return parse_config(data, source, environ, path.absolute().parent)


def parse_config(data: Any, source: str, environ: Mapping[str, str], base: Path) -> Config:
    """Data of the file's shape as a Config. `source` names it in errors; relative paths start at `base`."""
    top = Place(source)
    document = expect_object(data, top)
    review_top(document, top)
    servers_key = _servers_key(document, top)
    notes = Notes()
    paste = _paste(document.get("paste", {}), top.at("paste"), notes, environ, base)
    place = top.at(servers_key)
    entries = expect_object(document[servers_key], place)
    check_aliases(entries, place)
    servers: dict[str, ServerConfig] = {}
    policies: dict[str, ServerPolicy] = {}
    facts: dict[str, ServerFacts] = {}
    for alias, value in entries.items():
        here = place.at(alias)
        entry = expect_object(value, here)
        review_entry(entry, here, notes)
        if is_disabled(entry, here):
            notes.disabled.append(here.path)
            continue
        servers[alias] = parse_server(
            entry, here, notes, environ=environ, base=base, start_timeout_s=paste.start_timeout_s
        )
        if "speculation" in entry:
            policies[alias] = _speculation(entry["speculation"], here.at("speculation"), notes)
        facts[alias] = _facts(entry, here, entries)
    if not servers:
        place.fail("holds no server that is enabled; add one")
    if not paste.prefix and len(servers) > 1:
        top.at("paste", "prefix").fail(f"may be false with one server only, not with {len(servers)}; remove it")
    warnings = [one_line(f"{source}: {warning}") for warning in notes.warnings()]
    return Config(source, servers_key, servers, paste, warnings, policies, facts)


def _servers_key(document: Mapping[str, Any], top: Place) -> str:
    """The one key under which the servers are."""
    found = [key for key in SERVERS_KEYS if key in document]
    if not found:
        top.fail('no servers in it; write {"mcpServers": {"NAME": {"command": "..."}}}')
    if len(found) > 1:
        top.fail(f"{listed(found)} exclude each other; move all servers to {found[0]}")
    return found[0]


def _paste(value: Any, place: Place, notes: Notes, environ: Mapping[str, str], base: Path) -> Paste:
    """The `paste` section."""
    section = dict(expect_object(value, place))
    refuse_unknown(section, Paste.model_fields, place)
    if "speculation" in section:
        section["speculation"] = _speculation(section["speculation"], place.at("speculation"), notes)
    if "limits" in section:
        here = place.at("limits")
        limits = expect_object(section["limits"], here)
        refuse_unknown(limits, LimitsSection.model_fields, here)
        section["limits"] = check(LimitsSection, limits, here).to_core()
    if "auth" in section:
        section["auth"] = parse_auth(section["auth"], place.at("auth"), environ, base)
    paste = check(Paste, section, place)
    files = {}
    for key, kind in (("patterns", "pattern"), ("catalogue", "catalogue")):
        for position, path in enumerate(section.get(key, ())):
            here = place.at(key, position)
            if not passable(path, here):
                here.fail(f"is empty; write the path of a {kind} file or leave it out")
        files[key] = tuple(base / expand_home(str(path), environ) for path in getattr(paste, key))
    return paste.model_copy(update=files)


def _facts(entry: Mapping[str, Any], place: Place, aliases: Iterable[str]) -> ServerFacts:
    """What a server's entry says of the server itself."""
    facts = check(ServerFacts, {key: entry[key] for key in FACT_KEYS if key in entry}, place)
    known = list(aliases)
    for position, alias in enumerate(facts.invalidates or ()):
        if alias not in known:
            place.at("invalidates", position).fail(f"no server of this name; use {listed(known)}")
    return facts


def _speculation(value: Any, place: Place, notes: Notes) -> ServerPolicy:
    """`speculation`, as a text or as an object."""
    if isinstance(value, str):
        if value not in _MODES:
            words = 'needs its list: write {"allow": ["TOOL"]}' if value == "listed" else choice(value, _MODES)
            place.fail(words)
        return SpeculationSection.model_validate({"mode": value}).to_core()
    if not isinstance(value, Mapping):
        place.fail(f"has to be one of {listed(_MODES)}, in double quotes, or an object with mode, allow, deny")
    section = expect_object(value, place)
    refuse_unknown(section, SpeculationSection.model_fields, place)
    read = check(SpeculationSection, section, place)
    if read.mode == "listed" and read.allow is None:
        place.fail('mode listed needs its list: write "allow": ["TOOL"]')
    if read.mode is None and read.allow is None:
        notes.modeless.append(place.path)
    return read.to_core()


def _text(path: Path, place: Place) -> str:
    """The file's text. Each way in which it cannot be had is told with its remedy."""
    try:
        if path.is_dir():
            place.fail("is a directory; name the file in it")
        if path.exists() and not path.is_file():
            place.fail("is not a regular file; write the configuration to a file")
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                remedy = f"chmod o-w {shlex.quote(str(path))}"
                place.fail(f"anyone may write to it, and it names programs to start; run: {remedy}")
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        reason = "there is no such file; create it or correct --config"
    except PermissionError:
        reason = "may not be read; run: chmod u+r on it, or run as its owner"
    except (OSError, ValueError) as error:
        reason = f"cannot be read: {error.strerror if isinstance(error, OSError) else 'not a path'}"
    else:
        if len(data) > LARGEST:
            place.fail("is larger than 1 MiB; is it the right file?")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            reason = f"is not UTF-8 (byte {error.start}); save it as UTF-8"
    raise ConfigError(f"{place.source}: {reason}")
