"""Digests that tell values apart without telling them: keyed, with a key that never leaves this installation."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from paste_mcp.core.keys import Unkeyable, canonical
from paste_mcp.core.model import Json
from paste_mcp.store.folders import make_private


def installation_key(path: Path) -> bytes:
    """This installation's key, made once. Raises OSError."""
    make_private(path.parent)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        key = secrets.token_bytes(32)
        file.write(key)
    return key


def digest_of(key: bytes, value: Json) -> str | None:
    """16 hex digits; None for a value that has no one reading."""
    try:
        return hmac.digest(key, canonical(value), "sha256").hex()[:16]
    except Unkeyable:
        return None
