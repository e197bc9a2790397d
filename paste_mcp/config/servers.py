"""One server's entry of the config file, in whatever client's dialect, read into a `ServerConfig`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paste_mcp.config.check import check, choice
from paste_mcp.config.clients import REMOTE_KEYS, STDIO_KEYS, TYPE_KEYS, TYPES, URL_KEYS, Notes
from paste_mcp.config.errors import Place, listed
from paste_mcp.config.expand import expand, expand_home, passable
from paste_mcp.config.models import ServerConfig

LONGEST_ALIAS = 32
"""Characters. The alias comes before every tool's name, and clients cut long names."""

_ALIAS = re.compile(rf"[A-Za-z0-9_-]{{1,{LONGEST_ALIAS}}}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_TIMEOUTS = {"start_timeout_s": "startup_timeout_sec", "call_timeout_s": "tool_timeout_sec"}
"""Ours, and what Codex calls them."""


def check_aliases(aliases: Iterable[str], place: Place) -> None:
    """Refuse an alias that cannot stand in a tool's name, or that makes names ambiguous."""
    seen: dict[str, str] = {}
    for alias in aliases:
        here = place.at(alias)
        if not _ALIAS.fullmatch(alias):
            good = plain_alias(alias)
            here.fail(f"a server's name is 1 to {LONGEST_ALIAS} letters, digits, - and _; rename it, say to '{good}'")
        if "__" in alias or alias.endswith("_"):
            here.fail(f"a server's name may not hold __ or end with _; rename it, say to '{plain_alias(alias)}'")
        other = seen.setdefault(alias.casefold(), alias)
        if other != alias:
            here.fail(f"differs from '{other}' only by case; rename one")


def is_disabled(entry: Mapping[str, Any], place: Place) -> bool:
    """Whether the entry is switched off, in either way of saying so."""
    for key in ("disabled", "enabled"):
        if not isinstance(entry.get(key, False), bool):
            place.at(key).fail("true or false is expected, without quotes")
    return bool(entry.get("disabled", False)) or not entry.get("enabled", True)


def parse_server(
    entry: Mapping[str, Any],
    place: Place,
    notes: Notes,
    *,
    environ: Mapping[str, str],
    base: Path,
    start_timeout_s: float,
) -> ServerConfig:
    """The server that the entry describes, its placeholders filled in. Raises ConfigError."""
    kind, address = _transport(entry, place)
    ours, others = (STDIO_KEYS, REMOTE_KEYS) if kind == "stdio" else (REMOTE_KEYS, STDIO_KEYS)
    notes.misplaced += [place.at(key).path for key in others if entry.get(key)]
    values = {key: entry[key] for key in ours if key in entry and key not in URL_KEYS}
    if "shared" in entry:
        values["shared"] = entry["shared"]
    if isinstance(values.get("auth"), Mapping):
        notes.foreign.append(place.at("auth").path)  # some clients keep a login's settings there
        del values["auth"]
    values |= {"start_timeout_s": start_timeout_s, **_timeouts(entry, place), "type": kind}
    if kind == "stdio":
        if values["command"] is None:
            place.at("command").fail("text in double quotes is expected")
        return _fill_process(check(ServerConfig, values, place), place, environ, base)
    url = _url(entry[address], place.at(address), environ)
    if kind is None:
        values["type"] = "sse" if urlsplit(url).path.rstrip("/").endswith("/sse") else "http"
    server = check(ServerConfig, {**values, "url": url}, place)
    return server.model_copy(update={"headers": _headers(server.headers, place.at("headers"), environ)})


def _transport(entry: Mapping[str, Any], place: Place) -> tuple[str | None, str]:
    """The transport, None where the URL decides, and the key that holds the address."""
    addresses = [key for key in ("command", *URL_KEYS) if key in entry]
    if len(addresses) > 1:
        place.fail(f"{listed(addresses)} exclude each other; keep one")
    if not addresses:
        place.fail('write "command" (a program to start) or "url" (a server that runs)')
    address = addresses[0]
    kind = {"command": "stdio", "httpUrl": "http"}.get(address)
    key = next((key for key in TYPE_KEYS if key in entry), None)
    if key is None:
        return kind, address
    written = entry[key]
    if not isinstance(written, str):
        place.at(key).fail("text in double quotes is expected")
    if written not in TYPES:
        place.at(key).fail(choice(written, TYPES))
    meant = TYPES[written]
    if (meant == "stdio") != (address == "command") or kind not in (None, meant):
        place.at(key).fail(f"does not go with '{address}'; remove it or correct it")
    return meant, address


def _timeouts(entry: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """The two timeouts, seconds, under our names; checked here so that errors name the keys of the file."""
    found = {}
    for ours, theirs in _TIMEOUTS.items():
        if ours in entry and theirs in entry:
            place.fail(f"'{ours}' and '{theirs}' mean the same; keep one")
        for key in (ours, theirs):
            if key in entry:
                seconds = entry[key]
                if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= 3600:
                    place.at(key).fail("a number of seconds is expected, more than 0 and at most 3600")
                found[ours] = float(seconds)
    return found


def _fill_process(raw: ServerConfig, place: Place, environ: Mapping[str, str], base: Path) -> ServerConfig:
    """The server with its placeholders filled in and its folder made absolute, from the config file's folder."""

    def filled(text: str, *keys: str | int) -> str:
        here = place.at(*keys)
        return passable(expand(text, environ, here), here)

    command = expand_home(filled(raw.command or "", "command"), environ)
    if not command.strip():
        place.at("command").fail("is empty; write the program to start")
    cwd = None
    if raw.cwd is not None:
        cwd = str(base / expand_home(filled(raw.cwd, "cwd"), environ))
    for name in raw.env:
        if not name or "=" in name:
            place.at("env", name).fail("an environment variable's name is not empty and holds no =; rename it")
        passable(name, place.at("env", name))
    return raw.model_copy(
        update={
            "command": command,
            "args": tuple(filled(text, "args", position) for position, text in enumerate(raw.args)),
            "env": {name: filled(text, "env", name) for name, text in raw.env.items()},
            "cwd": cwd,
        }
    )


def _url(text: Any, place: Place, environ: Mapping[str, str]) -> str:
    """The URL, filled in, if a connection can be made to it."""
    if not isinstance(text, str):
        place.fail("text in double quotes is expected")
    url = expand(text, environ, place)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        place.fail("a URL is expected: http:// or https://, a host, no spaces")
    return url


def _headers(headers: Mapping[str, str], place: Place, environ: Mapping[str, str]) -> dict[str, str]:
    """The headers, filled in, if a request can carry them.

    Checked here because the HTTP library's own error would show the value. Blanks around a value mean nothing.
    """
    filled = {}
    for name, text in headers.items():
        here = place.at(name)
        if not _HEADER_NAME.fullmatch(name):
            here.fail("a header's name is letters, digits and -; rename it")
        value = expand(text, environ, here).strip(" \t")
        if not _HEADER_VALUE.fullmatch(value):
            here.fail("holds a line break or a character that a header cannot carry; remove it from the value")
        filled[name] = value
    return filled


def plain_alias(name: str) -> str:
    """An alias that reads like the name and is allowed."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    plain = re.sub(r"[^A-Za-z0-9_]+|_{2,}", "-", ascii_only)
    return plain[:LONGEST_ALIAS].strip("-_") or "server"
