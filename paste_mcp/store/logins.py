"""Logins at remote servers: for each a file of its own that only the user may read."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from paste_mcp.store.folders import make_private

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAX_BYTES = 256 * 1024
LOCK_WAIT_S = 10.0
"""How long another proxy that renews the same login is waited for."""


class LoginFile:
    """What was agreed on with one server's authorization server. It counts for `url` alone: who edits the configuration
    must not make us hand a token to somebody else.
    """

    def __init__(self, folder: Path, alias: str, url: str) -> None:
        self.path = folder / f"{alias}.json"
        self._url = url

    def read(self) -> dict[str, Any] | None:
        """None where there is none, or none that can be used."""
        try:
            with self.path.open("rb") as file:
                text = file.read(MAX_BYTES + 1)
            data = json.loads(text) if len(text) <= MAX_BYTES else None
        except (OSError, ValueError, RecursionError):
            return None
        return data if isinstance(data, dict) and data.get("url") == self._url else None

    def write(self, data: dict[str, Any]) -> None:
        """Raises OSError. Whoever reads meanwhile finds the old login whole, or the new one."""
        make_private(self.path.parent)
        draft = self.path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({**data, "url": self._url}, file)
        draft.replace(self.path)

    def forget(self) -> bool:
        """Whether there was one."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Meanwhile no other proxy of this user renews the login: some servers take a second renewal for a theft."""
        if fcntl is None:
            yield
            return
        make_private(self.path.parent)
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with anyio.move_on_after(LOCK_WAIT_S):
                while not _take(lock):  # noqa: ASYNC110 - another process sets no event of ours
                    await anyio.sleep(0.05)
            yield
        finally:
            os.close(lock)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
