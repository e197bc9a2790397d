"""Names that the host sees: a pure function of (alias, name), so that adding a server renames nothing.

Hosts put their own prefix before a name (`mcp__paste__...`) and models' APIs accept 64 characters of
`[A-Za-z0-9_-]`; what does not fit is cut and marked with a digest, and found again through the listing.
"""

from __future__ import annotations

import hashlib
import re

SEPARATOR = "__"
MAX_NAME = 64 - len("mcp__paste__")
_DIGEST = 6
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")


def exposed(alias: str, name: str) -> str:
    """The name under which the host sees `name` of server `alias`."""
    plain = alias + SEPARATOR + _FOREIGN.sub("_", name)
    if len(plain) <= MAX_NAME and not _FOREIGN.search(name):
        return plain
    digest = hashlib.sha256(f"{alias}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{plain[: MAX_NAME - _DIGEST - 1]}-{digest}"


def split(name: str) -> tuple[str, str] | None:
    """(alias, name) of an exposed name that was not cut; None for a name without an alias."""
    alias, separator, rest = name.partition(SEPARATOR)
    return (alias, rest) if separator else None
