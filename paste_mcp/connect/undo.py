"""The way back: the client's file as it was; or, where somebody has edited it since, without what is ours in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from paste_mcp.connect.clients import client
from paste_mcp.connect.edit import swapped, write_if_same
from paste_mcp.connect.journal import Journal, Record, digest, replace_file
from paste_mcp.connect.moving import is_ours
from paste_mcp.connect.sites import ConnectError, Site, parse


@dataclass(slots=True)
class Undo:
    """What undoing one connection would do."""

    site: Site
    record: Record
    on_disk: bytes | None
    """The client's file as it is; None where it is gone."""
    after: bytes | None
    """What the file becomes; None where its folder is gone, too, and nothing is to be written."""
    exact: bool
    """The file becomes what it was, byte for byte."""
    notes: list[str] = field(default_factory=list)
    """What the user should know."""


def site_of(record: Record) -> Site:
    """The place that a record is about. Raises ConnectError."""
    row = client(record.client)
    if row is None or record.scope not in ("user", "project", "local"):
        raise ConnectError(f"{record.id}: this version does not know the client {record.client}")
    folder = None if record.folder is None else Path(record.folder)
    return Site(row, record.scope, Path(record.file), tuple(record.keys), folder)  # type: ignore[arg-type]


def undo(record: Record) -> Undo:
    """How this connection would be undone. Raises ConnectError."""
    site = site_of(record)
    try:
        raw = site.path.read_bytes()
    except FileNotFoundError:
        if not site.path.parent.exists():
            return Undo(site, record, None, None, exact=False, notes=["its folder is gone; only our own files go"])
        return Undo(site, record, None, _backup(record), exact=True, notes=["the file was gone; it is written anew"])
    except OSError as error:
        raise ConnectError(f"{site.path}: cannot be read: {error.strerror or error}") from None
    return put_back(site, raw, record)


def put_back(site: Site, raw: bytes, record: Record) -> Undo:
    """The client's file, now `raw`, without the connection."""
    if digest(raw) == record.written:
        return Undo(site, record, raw, _backup(record), exact=True)
    notes = ["the file was edited since: what is ours in it goes, its servers come back, the rest stays as it is now"]
    found = parse(site, raw)
    if found is None:
        raise ConnectError(f"{site.path}: has no place for servers any more; as it was, it is in {record.backup}")
    ours = {
        name for name, entry in found.servers.items() if is_ours(entry) and record.config in (entry.get("args") or ())
    }
    if not ours:
        notes.append("our entry was gone from it")
    kept = [name for name in record.moved if name in found.servers and name not in ours]
    if kept:
        notes.append(f"there are servers of these names again, which stay: {', '.join(kept)}")
    into = {name: piece for name, piece in record.moved.items() if name not in kept}
    before = parse(site, _backup(record))
    entries = {name: before.servers[name] for name in into} if before is not None else {}
    return Undo(site, record, raw, swapped(found, ours, into, entries), exact=False, notes=notes)


def carry_out_undo(undo: Undo, journal: Journal) -> None:
    """Write the client's file, then take away what was ours. Raises ConnectError."""
    if undo.after is None:
        pass
    elif undo.on_disk is None:
        replace_file(undo.site.path, undo.after)
    else:
        write_if_same(undo.site.path, undo.on_disk, undo.after)
    record = undo.record
    config = Path(record.config)
    if config.exists():
        if digest(config.read_bytes()) == record.config_written:
            config.unlink()
        else:
            undo.notes.append(f"{config} stays, as you have edited it")
    if undo.exact:
        Path(record.backup).unlink(missing_ok=True)
    else:
        undo.notes.append(f"the file as it was before is in {record.backup}")
    journal.forget(record.id)
    journal.sweep()


def _backup(record: Record) -> bytes:
    try:
        return Path(record.backup).read_bytes()
    except OSError as error:
        raise ConnectError(f"{record.backup}: the file as it was cannot be read: {error.strerror or error}") from None
