"""What people found out about the tools of known servers: catalogue files, read, and asked about one tool.

The shipped file explains the language. An entry fits a server by the package that the user's own command starts, by
what the server calls itself, or both. Only where both fit does it speak for a tool; a name that a server gives itself
can only cost it something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final, cast, get_args

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from paste_mcp.core.model import Kind, Review
from paste_mcp.data import data_path

SHIPPED: Final = "catalogue.yaml"
MAX_FILE: Final = 1024 * 1024
"""Bytes of a catalogue file."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_TEXTS: Final = ("package", "server", "also", "metered", *KINDS)
_KEYS: Final = (*_TEXTS, "closed_world", "env")


class CatalogueError(ValueError):
    """A catalogue file that cannot be used; `str()` is one line with the file, the place and the remedy."""

    def __init__(self, path: Path, place: str, problem: str) -> None:
        super().__init__(" ".join(f"{path}: {place + ': ' if place else ''}{problem}".split()))


@dataclass(frozen=True, slots=True)
class Entry:
    """One server: how it is started, what it calls itself, and its tools."""

    launches: frozenset[str]
    """Packages, modules and programs, folded."""
    server: str
    closed_world: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    metered: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    shapes: Mapping[str, str] = field(default_factory=dict)
    """Of the reads."""

    def review(self, tool: str, shape: str, *, sure: bool) -> Review | None:
        kind = self.kinds.get(tool)
        metered = any(fnmatchcase(tool, glob) for glob in self.metered)
        if kind is None:
            return Review("read", metered=True) if metered else None
        known = sure and (kind != "read" or shape == self.shapes[tool])
        return Review(kind, metered, self.closed_world, known)


class Reviewed:
    """All entries, those of the user's own files first. Of the shipped file only what fits a server is ever read."""

    def __init__(self, own: Iterable[Entry] = ()) -> None:
        self._own = list(own)

    @property
    def entries(self) -> list[Entry]:
        """Each and every one."""
        return [*self._own, *load_catalogue(data_path(SHIPPED))]

    def env(self, launch: str | None) -> Mapping[str, str]:
        """What makes a server harmless that is started by this package."""
        return next((entry.env for entry in self._near(launch) if launch in entry.launches), {})

    def review(self, launch: str | None, called: str | None, tool: str, shape: str) -> Review | None:
        """What is known of this tool of the server that `launch` starts and that calls itself `called`."""
        near = self._near(launch, called)
        started = [entry for entry in near if launch in entry.launches]
        both = [entry for entry in started if entry.server == called]
        by_name = [entry for entry in near if entry.server == called]
        for sure, fitting in ((True, both), (False, started), (False, by_name)):
            for entry in fitting:
                if (review := entry.review(tool, shape, sure=sure)) is not None:
                    return review
        return None

    def _near(self, *names: str | None) -> list[Entry]:
        """All entries that could fit these names, and some that do not."""
        told = [_folded(name) for name in names if name]
        return self._own + [_shipped_entry(part) for part in _shipped_parts() if any(name in part[0] for name in told)]


@cache
def _shipped_parts() -> list[tuple[str, str]]:
    """The shipped entries as text, folded and as it is. To read all of them takes longer than to start a server."""
    text = data_path(SHIPPED).read_text(encoding="utf-8")
    parts = text.split("\n  - ")[1:]
    return [(_folded(part), f"  - {part}") for part in parts]


@cache
def _shipped_entry(part: tuple[str, str]) -> Entry:
    [raw] = YAML(typ="safe", pure=True).load(part[1])
    return _entry(data_path(SHIPPED), "servers", raw)


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")


def load_catalogues(paths: Iterable[Path]) -> list[Entry]:
    """The entries of these files, in order. Raises `CatalogueError`."""
    return [entry for path in paths for entry in load_catalogue(path)]


def load_catalogue(path: Path) -> list[Entry]:
    """The entries of one file. Raises `CatalogueError`."""
    data = _read(path)
    if not isinstance(data, dict) or data.get("version") != 1 or not isinstance(data.get("servers"), list):
        raise CatalogueError(path, "", 'write "version: 1" and a list of "servers"')
    return [_entry(path, f"servers.{at}", raw) for at, raw in enumerate(data["servers"])]


def _read(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE + 1)
        if len(text) > MAX_FILE:
            raise CatalogueError(path, "", "is larger than 1 MiB; split it")
        return YAML(typ="safe", pure=True).load(text.decode())
    except OSError as error:
        raise CatalogueError(path, "", f"cannot be read: {error.strerror}; check the path and its rights") from None
    except MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise CatalogueError(path, line, f"is not YAML: {error.problem}; see the shipped catalogue.yaml") from None
    except (YAMLError, UnicodeDecodeError, RecursionError, TypeError, ArithmeticError) as error:
        raise CatalogueError(path, "", f"is not YAML: {str(error).partition(chr(10))[0]}; see catalogue.yaml") from None


def _entry(path: Path, place: str, raw: Any) -> Entry:
    if not isinstance(raw, dict):
        raise CatalogueError(path, place, "an entry with package, server and tools is expected")
    for key in raw:
        if key not in _KEYS:
            raise CatalogueError(path, f"{place}.{key}", f"unknown key; use {', '.join(_KEYS)}")
    for key in ("package", "server"):
        if not isinstance(raw.get(key), str):
            raise CatalogueError(path, f"{place}.{key}", "is missing, or no text; write it")
    words = {key: _words(path, f"{place}.{key}", raw[key]) for key in _TEXTS if key in raw}
    closed, env = raw.get("closed_world", False), raw.get("env", {})
    if not isinstance(closed, bool):
        raise CatalogueError(path, f"{place}.closed_world", "true or false is expected")
    if not isinstance(env, dict) or not all(isinstance(text, str) for pair in env.items() for text in pair):
        raise CatalogueError(path, f"{place}.env", "names and texts are expected: write numbers in quotes")
    shapes = dict(_read_tool(path, f"{place}.read", word) for word in words.get("read", ()))
    kinds: dict[str, Kind] = dict.fromkeys(shapes, "read")
    for kind in KINDS[1:]:
        for tool in words.get(kind, ()):
            if tool in kinds:
                raise CatalogueError(path, f"{place}.{kind}", f"{tool} is listed as {kinds[tool]}, too; keep one")
            kinds[tool] = kind
    launches = frozenset(_folded(name) for name in (raw["package"], *words.get("also", ())))
    return Entry(launches, raw["server"], closed, cast("dict[str, str]", env), words.get("metered", ()), kinds, shapes)


def _words(path: Path, place: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise CatalogueError(path, place, "words with blanks between them are expected")
    return tuple(value.split())


def _read_tool(path: Path, place: str, word: str) -> tuple[str, str]:
    tool, equals, shape = word.rpartition("=")
    if not equals or len(shape) != 16 or not all(sign in "0123456789abcdef" for sign in shape):
        raise CatalogueError(path, place, f"{word}: write TOOL=SHAPE, as `paste-mcp check --json` tells the shape")
    return tool, shape
