"""What servers said of themselves and what they list, kept for the next start: one JSON file for each server.

A file's name is the digest of how the server is launched, so that a changed command or URL starts with nothing. A file
that cannot be read, or is not what was written, counts as empty; one that cannot be written is reported once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from paste_mcp.store.folders import make_private

logger = logging.getLogger("paste_mcp")

MAX_BYTES = 8 * 1024 * 1024
"""Of one server's file; what is larger is not kept."""
MAX_FILES = 256
"""Files that are kept; those that were not written for the longest time go first."""


@dataclass(slots=True)
class Offer:
    """What one server said: its greeting, and the raw result of each listing, by method."""

    greeting: dict[str, Any] | None = None
    lists: dict[str, dict[str, Any]] = field(default_factory=dict)


def launch_key(alias: str, launch: Mapping[str, Any]) -> str:
    """A name for this server launched this way. `launch` may hold secrets; only its digest is used."""
    spec = json.dumps([alias, launch], sort_keys=True, default=str)
    return hashlib.sha256(spec.encode()).hexdigest()[:32]


class Catalogues:
    """The offers of all configured servers, shared by the sessions of one proxy. `keys` are launch keys by alias."""

    def __init__(self, folder: Path, keys: Mapping[str, str]) -> None:
        self._folder = folder
        self._keys = keys
        self._offers: dict[str, Offer] = {}
        self._broken = False

    def offer(self, alias: str) -> Offer:
        """What is known of this server, from this run or an earlier one."""
        if alias not in self._offers:
            self._offers[alias] = _read(self._path(alias))
        return self._offers[alias]

    def greeted(self, alias: str, greeting: dict[str, Any]) -> None:
        """The server greeted us with this."""
        offer = self.offer(alias)
        if offer.greeting != greeting:
            offer.greeting = greeting
            self._write(alias, offer)

    def listed(self, alias: str, method: str, result: dict[str, Any]) -> None:
        """The server answered this listing with this."""
        offer = self.offer(alias)
        if offer.lists.get(method) != result:
            offer.lists[method] = result
            self._write(alias, offer)

    def _path(self, alias: str) -> Path:
        return self._folder / f"{self._keys[alias]}.json"

    def _write(self, alias: str, offer: Offer) -> None:
        if self._broken or len(text := _text(offer)) > MAX_BYTES:
            return
        path = self._path(alias)
        # Two proxies may write at once: each writes a file of its own, and the last to rename it wins.
        draft = path.with_suffix(f".{os.getpid()}")
        try:
            make_private(self._folder)
            if not path.exists():
                _prune(self._folder)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(text)
            draft.replace(path)
        except OSError as error:
            self._broken = True
            logger.warning("what servers offer is not remembered: %s", error)


def _read(path: Path) -> Offer:
    try:
        if path.stat().st_size > MAX_BYTES:
            return Offer()
        data = json.loads(path.read_bytes())
        greeting, lists = data["greeting"], data["lists"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return Offer()
    if not (isinstance(greeting, dict) or greeting is None) or not isinstance(lists, dict):
        return Offer()
    return Offer(greeting, {method: result for method, result in lists.items() if isinstance(result, dict)})


def _text(offer: Offer) -> bytes:
    data = {"greeting": offer.greeting, "lists": offer.lists}
    try:
        return orjson.dumps(data)
    except TypeError:
        return json.dumps(data).encode()  # integers beyond 64 bits, halves of surrogate pairs


def _prune(folder: Path) -> None:
    """Make room for one more file."""
    files = sorted((path for path in folder.glob("*.json")), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[MAX_FILES - 1 :]:
        path.unlink(missing_ok=True)
