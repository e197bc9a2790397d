"""How the config file's mistakes are told: one line, with the file, the place and the remedy, and never a value.

Values are not echoed because any of them may be a secret, or hold one that came out of the environment. Keys and the
names of environment variables are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_KEY = 60
"""Characters of a key that a message shows, and beyond which no near-miss is looked for."""


class ConfigError(Exception):
    """The configuration cannot be used. `str()` is one line for the user: file, place, what is wrong, what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """The text with every character that does not print (line breaks, controls, lone surrogates) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted_key(key: str) -> str:
    """A key as a key path shows it: bare where it is plain, in quotes and shortened where it is not."""
    if _PLAIN_KEY.fullmatch(key) and len(key) <= _LONGEST_KEY:
        return key
    short = key if len(key) <= _LONGEST_KEY else key[:_LONGEST_KEY] + "..."
    return json.dumps(short, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which file: the source's name and the keys from the top."""

    source: str
    keys: tuple[str | int, ...] = ()

    def at(self, *keys: str | int) -> Place:
        """The place below this one."""
        return Place(self.source, (*self.keys, *keys))

    @property
    def path(self) -> str:
        """The keys joined by dots, list positions from 0: `mcpServers.git.args.0`."""
        return ".".join(str(key) if isinstance(key, int) else quoted_key(key) for key in self.keys)

    def error(self, message: str) -> ConfigError:
        """The error about this place, to be raised."""
        where = f"{self.source}: {self.path}" if self.keys else self.source
        return ConfigError(f"{where}: {message}")

    def fail(self, message: str) -> NoReturn:
        """Raise the error about this place."""
        raise self.error(message)


def _folded(key: str) -> str:
    """A key without case, underscores and hyphens, so that `mcp_servers` and `MCPServers` are near `mcpServers`."""
    return key.casefold().replace("_", "").replace("-", "")


def near(key: str, known: Iterable[str], cutoff: float = 0.8) -> str | None:
    """The known key that `key` is probably meant to be, or None.

    Similarity is difflib's ratio, 0 to 1; letters in the wrong order (`evn`) always count, as the ratio of short words
    falls fast.
    """
    if len(key) > _LONGEST_KEY:
        return None
    folded = _folded(key)
    names = {_folded(name): name for name in known}
    for name, meant in names.items():
        if sorted(name) == sorted(folded):
            return meant
    found = get_close_matches(folded, names, n=1, cutoff=cutoff)
    return names[found[0]] if found else None


def listed(names: Iterable[str]) -> str:
    """Names for a message: `a, b, c`."""
    return ", ".join(names)
