"""A client's file with other servers in it, and that file written: both only where nothing can go wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from paste_mcp.config import ConfigError
from paste_mcp.connect.journal import replace_file
from paste_mcp.connect.sites import ConnectError, Found, Site


def write_if_same(path: Path, before: bytes, after: bytes) -> None:
    """Replace a file that nobody else has changed since it was read. Raises ConnectError."""
    try:
        now = path.read_bytes()
    except OSError as error:
        raise ConnectError(f"{path}: cannot be read: {error.strerror or error}") from None
    if now != before:
        raise ConnectError(f"{path}: was changed by someone else meanwhile; close the client and do it again")
    replace_file(path, after)


def swapped(found: Found, out: Collection[str], into: Mapping[str, str], entries: Mapping[str, Any]) -> bytes:
    """The file with the servers `out` replaced by the pieces `into`, which mean `entries`. Raises ConnectError.

    What was made is read again: if it does not say exactly what it should, nothing is done.
    """
    site, source = found.site, str(found.site.path)
    text = site.format.swap(found.text, site.keys, out, into, source)
    expected = {name: entry for name, entry in found.servers.items() if name not in out} | dict(entries)
    try:
        if _as_read(site, text, source) != _as_read(site, found.text, source, expected):
            raise ConnectError(f"{source}: cannot be edited safely; move its servers by hand")
    except ConfigError:
        raise ConnectError(f"{source}: cannot be edited safely; move its servers by hand") from None
    return bytes(text.encode())


def _as_read(site: Site, text: str, source: str, servers: Mapping[str, Any] | None = None) -> Any:
    data = site.format.read(text, source)
    if servers is not None:
        holder = data
        for key in site.keys[:-1]:
            holder = holder[key]
        holder[site.keys[-1]] = dict(servers)
    return data
