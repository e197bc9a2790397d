"""The places on this machine where clients keep their servers: those of the user, and those of one project."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, TypeAlias

from paste_mcp.config.errors import ConfigError
from paste_mcp.connect import jsonc, toml
from paste_mcp.connect.clients import CLIENTS, Client, Machine

Scope: TypeAlias = Literal["user", "project", "local"]

LARGEST: Final = 64 * 2**20
"""Bytes of a client's file that is read; some keep much else in it."""
FORMATS: Final[Mapping[str, ModuleType]] = {"jsonc": jsonc, "toml": toml}


class ConnectError(Exception):
    """What was asked cannot be done; `str()` is one line for the user, and nothing was changed."""


@dataclass(frozen=True, slots=True)
class Site:
    """One place where a client keeps servers."""

    client: Client
    scope: Scope
    path: Path
    keys: tuple[str, ...]
    folder: Path | None = None
    """The project's folder; None for the user's own servers."""

    @property
    def id(self) -> str:
        """A name for files of ours about it."""
        if self.folder is None:
            return self.client.id
        digest = hashlib.sha256(str(self.folder).encode("utf-8", "surrogateescape")).hexdigest()[:6]
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in self.folder.name)[:32]
        return f"{self.client.id}.{name}-{digest}" + (".local" if self.scope == "local" else "")

    @property
    def words(self) -> str:
        """What the user calls it."""
        where = {"user": "", "project": " (project)", "local": " (this project, yours alone)"}[self.scope]
        return self.client.name + where

    @property
    def format(self) -> ModuleType:
        """How servers are taken out of a file of this kind and put into it."""
        return FORMATS[self.client.format]


@dataclass(frozen=True, slots=True)
class Found:
    """A site whose file is there, read."""

    site: Site
    raw: bytes
    text: str
    servers: dict[str, Any]
    """Every server's entry, by name, as the client reads it."""
    pieces: dict[str, str]
    """The same as text; those that cannot be moved as text are left out."""


def sites(machine: Machine, project: Path | None = None) -> list[Site]:
    """Every place that the table names: the user's own, or with `project` those that belong to that folder."""
    found = []
    for client in CLIENTS:
        own = Path(machine.path(client.user[machine.platform]))
        if project is None:
            found.append(Site(client, "user", own, client.keys))
            continue
        if client.project is not None:
            found.append(Site(client, "project", project / client.project, client.keys, project))
        if client.in_project:
            keys = tuple(key.format(project=str(project)) for key in client.in_project)
            found.append(Site(client, "local", own, keys, project))
    return found


def projects(machine: Machine, client: Client) -> list[str]:
    """Folders for which the client keeps servers in the user's own file, beside those of the user."""
    if not client.in_project:
        return []
    path = Path(machine.path(client.user[machine.platform]))
    try:
        found: Any = FORMATS[client.format].read(path.read_bytes().decode("utf-8"), str(path))
    except (OSError, UnicodeDecodeError, ConfigError):
        return []
    before, after = client.in_project[: client.in_project.index("{project}")], client.in_project[-1]
    for key in before:
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping):
        return []
    return [folder for folder, kept in found.items() if isinstance(kept, Mapping) and kept.get(after)]


def owner_of(path: Path, machine: Machine) -> Client | None:
    """The client whose own file this is, in the user's home or in any project."""
    folders = (path.parent, path.parent.parent)
    places = [*sites(machine), *(site for folder in folders for site in sites(machine, folder))]
    return next((site.client for site in places if site.path == path), None)


def look(site: Site) -> Found | None:
    """What is there; None where there is no file, or no servers in it. Raises ConnectError for one not understood."""
    try:
        if not site.path.is_file():
            return None
        with site.path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise ConnectError(f"{site.path}: cannot be read: {error.strerror or error}") from None
    if len(raw) > LARGEST:
        raise ConnectError(f"{site.path}: is larger than {LARGEST // 2**20} MiB; is it the right file?")
    return parse(site, raw)


def parse(site: Site, raw: bytes) -> Found | None:
    """What a file with these bytes holds."""
    source = str(site.path)
    try:
        text = raw.decode("utf-8")
        if not text.removeprefix(jsonc.BOM).strip():
            return None
        servers: Any = site.format.read(text, source)
        for key in site.keys:
            servers = servers.get(key) if isinstance(servers, Mapping) else None
        if not isinstance(servers, Mapping):
            return None
        return Found(site, raw, text, dict(servers), site.format.pieces(text, site.keys, source))
    except UnicodeDecodeError as error:
        raise ConnectError(f"{source}: is not UTF-8 (byte {error.start}); left alone") from None
    except ConfigError as error:
        raise ConnectError(f"{error}; left alone") from None
