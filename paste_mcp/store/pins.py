"""What each tool was when the user first had it, and which tools lost the right to run early: one file for each server.

A server that changes what its tool takes, or what it says of it, after it was trusted has to be looked at again. The
seal of a tool is what must not change; its whole definition may, as new releases change their wording. A file that
cannot be read bars all tools of its server until the user accepts them again: forgetting must not be a way around.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from paste_mcp.store.folders import make_private

logger = logging.getLogger("paste_mcp")

MAX_BYTES: Final = 4 * 1024 * 1024
CHANGED: Final = "its arguments or hints are not what they were when you first used it; accept them with check --accept"
UNREADABLE: Final = "what you accepted before cannot be read; accept the tools as they are with check --accept"

Pinned: TypeAlias = dict[str, dict[str, Any]]
"""By tool: `seal`, `definition`, and `barred` with the reason where it is."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One tool as its server lists it now: digests of what must not change, and of the whole definition."""

    seal: str
    definition: str


def pin_key(alias: str, launch: Mapping[str, Any]) -> str:
    """A name for this server started by these words. Tokens in its environment and headers may change."""
    words = {key: launch.get(key) for key in ("type", "command", "args", "cwd")}
    url = str(launch.get("url") or "").partition("?")[0]
    spec = json.dumps([alias, words, url], sort_keys=True, default=str)
    return hashlib.sha256(spec.encode()).hexdigest()[:32]


class Pins:
    """The pins of all configured servers. `keys` are `pin_key`s by alias. A disk that fails is told once."""

    def __init__(self, folder: Path, keys: Mapping[str, str]) -> None:
        self._folder = folder
        self._keys = keys
        self._unwritten: dict[str, Pinned] = {}
        """What could not be written down holds for this run."""
        self._warned = False

    def see(self, alias: str, tools: Mapping[str, Seen]) -> dict[str, str]:
        """The server lists these tools. Returns those that must not run early, with the reason."""

        def note(pinned: Pinned) -> None:
            for name, seen in tools.items():
                pin = pinned.setdefault(name, {"seal": seen.seal, "definition": seen.definition})
                if pin.get("seal") == seen.seal:
                    pin["definition"] = seen.definition

        pinned = self._change(alias, note)
        if pinned is None:
            return dict.fromkeys(tools, UNREADABLE)
        doubts = {}
        for name, seen in tools.items():
            pin = pinned[name]
            if pin.get("seal") != seen.seal or not seen.seal:
                doubts[name] = CHANGED
            elif isinstance(pin.get("barred"), str):
                doubts[name] = pin["barred"]
        return doubts

    def bar(self, alias: str, tool: str, reason: str) -> None:
        """This tool, as it is now, must never run early again."""

        def note(pinned: Pinned) -> None:
            if tool in pinned:
                pinned[tool].setdefault("barred", reason)

        self._change(alias, note)

    def accept(self, alias: str, tools: Mapping[str, Seen]) -> list[str]:
        """The user has looked at these tools. Returns those that were not as they had been."""
        before = self._read(alias)
        changed = [
            name
            for name, seen in tools.items()
            if before is None or (name in before and before[name].get("seal") != seen.seal)
        ]

        def note(pinned: Pinned) -> None:
            for name in changed:
                pinned[name] = {"seal": tools[name].seal, "definition": tools[name].definition}

        self._change(alias, note, anew=before is None)
        return changed

    def _change(self, alias: str, change: Callable[[Pinned], None], *, anew: bool = False) -> Pinned | None:
        """Read, change, write if need be. None where what is there cannot be read, which stays as it is."""
        before = {} if anew else self._read(alias)
        if before is None:
            return None
        pinned = {name: dict(pin) for name, pin in before.items()}
        change(pinned)
        if pinned != before or anew:
            self._write(alias, pinned)
        return pinned

    def _path(self, alias: str) -> Path:
        return self._folder / f"{self._keys[alias]}.json"

    def _read(self, alias: str) -> Pinned | None:
        if alias in self._unwritten:
            return self._unwritten[alias]
        try:
            with self._path(alias).open("rb") as file:
                data = json.loads(file.read(MAX_BYTES))
            tools = data["tools"]
            if all(isinstance(pin, dict) for pin in tools.values()):
                return dict(tools)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            pass
        self._warn(f"server {alias}: {self._path(alias)} cannot be read, so none of its tools runs early")
        return None

    def _write(self, alias: str, pinned: Pinned) -> None:
        path = self._path(alias)
        # Two proxies may write at once: each writes a file of its own, and the last to rename it wins.
        draft = path.with_suffix(f".{os.getpid()}")
        try:
            make_private(self._folder)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump({"alias": alias, "tools": pinned}, file, indent=1)
            draft.replace(path)
            self._unwritten.pop(alias, None)
        except OSError as error:
            self._unwritten[alias] = pinned
            self._warn(f"which tools changed is not remembered: {error}")

    def _warn(self, words: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("%s", words)
