"""What was done to which file, kept in the user's config folder so that it can be undone; all of it his alone (0600).

ID.json             the servers of one client, behind the proxy: a config file that the user may edit
connections/ID      what was done to the client's file
backups/TIME-ID     the client's file as it was
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from paste_mcp.connect.sites import ConnectError
from paste_mcp.store.folders import make_private


def config_folder(environ: Mapping[str, str]) -> Path:
    """`PASTE_MCP_CONFIG_DIR`, else the system's place for a user's configuration."""
    own = environ.get("PASTE_MCP_CONFIG_DIR")
    return Path(own).absolute() if own else user_config_path("paste-mcp")


def digest(data: bytes) -> str:
    """By which two states of a file are told apart."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Record:
    """One connection."""

    id: str
    client: str
    scope: str
    file: str
    keys: list[str]
    folder: str | None
    when: str
    """UTC, as ISO 8601 writes it."""
    written: str
    """The digest of the client's file as it was written."""
    backup: str
    config: str
    config_written: str
    """The digest of our config file as it was written; empty where the user had edited it before."""
    moved: dict[str, str]
    """The servers that left the client's file, by name, as they were written there."""


class Journal:
    """The records and backups under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def config(self, id: str) -> Path:
        """The config file for the servers of this place."""
        return self.folder / f"{id}.json"

    def backup(self, id: str, when: str) -> Path:
        """Where a client's file as it is now is to be kept."""
        return self.folder / "backups" / f"{''.join(c for c in when if c.isalnum())}-{id}"

    def records(self) -> list[Record]:
        """All connections, the latest first."""
        found = [record for path in (self.folder / "connections").glob("*.json") if (record := self._read(path))]
        return sorted(found, key=lambda record: record.when, reverse=True)

    def record(self, id: str) -> Record | None:
        """The connection of this place."""
        return self._read(self._record(id))

    def keep(self, record: Record) -> None:
        replace_file(self._record(record.id), json.dumps(asdict(record), indent=1).encode())

    def forget(self, id: str) -> None:
        self._record(id).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Leave no empty folder behind."""
        for folder in (self.folder / "connections", self.folder / "backups", self.folder):
            with suppress(OSError):
                folder.rmdir()

    def _record(self, id: str) -> Path:
        return self.folder / "connections" / f"{id}.json"

    def _read(self, path: Path) -> Record | None:
        try:
            data: dict[str, Any] = json.loads(path.read_bytes())
            return Record(**data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            raise ConnectError(f"{path}: cannot be read as a record of a connection; remove it") from None


def replace_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace a file, or make it: whoever reads finds all of the data or the file as it was. Its mode is kept.

    A link stays one. Folders that are made are the user's alone. Raises ConnectError.
    """
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        make_private(target.parent)
        if target.exists():
            mode = target.stat().st_mode & 0o7777
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(mode)
        draft.replace(target)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise ConnectError(f"{path}: cannot be written: {error.strerror or error}") from None
