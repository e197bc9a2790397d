"""Which servers can stand behind the proxy, and what each becomes in a config file of ours.

A server stays where anything of its entry would be lost or mean something else: then the client and the proxy would
disagree about what it is. Better one server beside the proxy than one that is broken or reaches further than before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from paste_mcp.config import ConfigError, parse_config
from paste_mcp.config.clients import REMOTE_KEYS, STDIO_KEYS, TYPE_KEYS, URL_KEYS
from paste_mcp.config.servers import plain_alias
from paste_mcp.connect.clients import Client
from paste_mcp.connect.sites import Found

ENTRY: Final = "paste"
"""The name of the one server that is left in the client's file."""

_MOVED_KEYS: Final = frozenset((*STDIO_KEYS, *REMOTE_KEYS, *TYPE_KEYS, "startup_timeout_sec", "tool_timeout_sec"))
"""What moves with a server. Our own words on trust do not: a file that came with a project must not bring its own."""
_SAYS_NOTHING: Final = frozenset(
    ("description", "gallery", "icon", "iconPath", "metadata", "name", "note", "required", "source", "title", "version")
)
"""Keys without which the server is the same."""
_APPROVALS: Final = frozenset(("alwaysAllow", "autoApprove", "trust", "default_tools_approval_mode"))
"""What the client may do without asking. It will ask anew, for the proxy's tools."""
_VARIABLE: Final = re.compile(r"\$\{(?P<inner>[^{}]*)\}|\$(?P<bare>[A-Za-z_][A-Za-z0-9_]*)")
_NAME: Final = re.compile(r"(?P<env>env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-.*)?", re.DOTALL)


class _Stays(Exception):
    """This server cannot move; `str()` says why."""


@dataclass(slots=True)
class Move:
    """One server and what becomes of it."""

    name: str
    reason: str | None = None
    """Why it stays; None where it moves."""
    alias: str = ""
    entry: dict[str, Any] = field(default_factory=dict)
    """It in a config file of ours."""
    variables: set[str] = field(default_factory=set)
    """Of the environment, which its entry names."""
    may_sign_in: bool = False
    """It is remote, and nothing in its entry says who asks."""
    approved: bool = False
    """It was approved in a way that will not hold any more."""


def is_ours(entry: Any) -> bool:
    """The entry starts a paste-mcp."""
    if not isinstance(entry, Mapping):
        return False
    args = [arg for arg in entry.get("args") or [] if isinstance(arg, str)]
    command = str(entry.get("command") or "").replace("\\", "/").rsplit("/", 1)[-1]
    named = command.removesuffix(".exe") == "paste-mcp" or not {"paste-mcp", "paste_mcp"}.isdisjoint(args)
    return named and "serve" in args


def moves(
    found: Found,
    environ: Mapping[str, str],
    home: str,
    only: Set[str] = frozenset(),
    agreed: Set[str] = frozenset(),
) -> list[Move]:
    """What becomes of every server that is found; with `only`, of these. `agreed` are those that the user named."""
    taken: set[str] = set()
    decided = []
    for name, entry in found.servers.items():
        move = Move(name)
        try:
            if only and name not in only:
                raise _Stays("not asked for")
            if is_ours(entry):
                raise _Stays("it is paste-mcp")
            if name not in found.pieces:
                raise _Stays("it is not written as a table of its own")
            _decide(move, entry, found, home, named=name in agreed)
            move.alias = _free(plain_alias(name), taken)
            taken.add(move.alias.casefold())
            _check(move, environ, found.site.folder or found.site.path.parent)
        except _Stays as stays:
            move.reason = str(stays)
        except (TypeError, AttributeError):
            move.reason = "it is not written as servers are"
        decided.append(move)
    return decided


def _decide(move: Move, raw: Any, found: Found, home: str, *, named: bool) -> None:
    """Fill in the move's entry, or say why it stays."""
    if not isinstance(raw, Mapping):
        raise _Stays("it is not an object")
    if raw.get("disabled") is True or raw.get("enabled") is False:
        raise _Stays("it is turned off")
    client = found.site.client
    ignored = {*_SAYS_NOTHING, *set(client.timeouts) - _MOVED_KEYS, "disabled", "enabled"}
    entry = {key: value for key, value in raw.items() if key not in ignored and not key.startswith(("_", "$", "//"))}
    for key in _APPROVALS & entry.keys():
        move.approved |= bool(entry.pop(key))
    _in_our_words(entry)
    if "command" not in entry and not any(key in entry for key in URL_KEYS):
        raise _Stays("it has no command and no URL of its own")
    for key in [key for key in entry if key not in _MOVED_KEYS]:
        if entry.pop(key) not in (None, False, "", [], {}):
            raise _Stays(f"its '{key}' would have no effect behind the proxy")
    if isinstance(entry.get("auth"), Mapping):
        raise _Stays(f"its login is {client.name}'s business")
    move.may_sign_in = _may_sign_in(entry)
    if move.may_sign_in and not named:
        raise _Stays(f"it may need you to sign in, which {client.name} does; --server {move.name} moves it")
    _place(entry, found.site.folder)
    safe = ("args", "env", "headers")
    move.entry = {key: _filled(value, client, home, move, safe=key in safe) for key, value in entry.items()}


def _in_our_words(entry: dict[str, Any]) -> None:
    """Keys that say by another name what ours say: headers, and variables that are named but not written."""
    headers = {**entry.pop("http_headers", {}), **entry.get("headers", {})}
    for name, variable in entry.pop("env_http_headers", {}).items():
        headers[name] = _Fill(f"${{{variable}}}")
    if token := entry.pop("bearer_token_env_var", None):
        headers["Authorization"] = _Fill(f"Bearer ${{{token}}}")
    if headers:
        entry["headers"] = headers
    if names := entry.pop("env_vars", None):
        if not all(isinstance(name, str) for name in names):
            raise _Stays("its 'env_vars' are of a kind that only the client knows")
        entry["env"] = {**{name: _Fill(f"${{{name}}}") for name in names}, **entry.get("env", {})}


def _may_sign_in(entry: Mapping[str, Any]) -> bool:
    """It is remote, and nothing in the entry says who asks: the client may know."""
    if entry.get("auth"):
        return False
    url = next((entry[key] for key in URL_KEYS if key in entry), None)
    return url is not None and not entry.get("headers") and not _is_local(url)


def _place(entry: dict[str, Any], folder: Path | None) -> None:
    """A relative folder means the project's; for the user's own servers only the client knows what it means."""
    cwd = entry.get("cwd")
    if isinstance(cwd, str) and cwd and not Path(cwd).is_absolute() and not cwd.startswith(("~", "$")):
        if folder is None:
            raise _Stays("its folder is relative to one that only the client knows")
        entry["cwd"] = str(folder / cwd)


class _Fill(str):
    """A text that we wrote, whose placeholders are ours and not the client's."""

    __slots__ = ()


def _filled(value: Any, client: Client, home: str, move: Move, *, safe: bool) -> Any:
    """The value with the client's placeholders in our words. `safe`: a variable that is not set is an empty text.

    It would be an error of the whole config file otherwise, and a fault of one server is that server's alone.
    """
    if isinstance(value, Mapping):
        return {key: _filled(inner, client, home, move, safe=safe) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, client, home, move, safe=safe) for inner in value]
    if not isinstance(value, str):
        return value
    kinds = ("${NAME}",) if isinstance(value, _Fill) else client.variables

    def ours(found: re.Match[str]) -> str:
        text = found.group()
        if found["bare"] is not None:
            if "$NAME" not in kinds:
                return text
            inner, kind = found["bare"], "$NAME"
        else:
            inner = found["inner"]
            kind = "${userHome}" if inner == "userHome" else "${env:NAME}" if inner.startswith("env:") else "${NAME}"
        if kind not in kinds:
            raise _Stays(f"{text} means something else to {client.name} than to the proxy")
        if kind == "${userHome}":
            return home
        name = _NAME.fullmatch(inner)
        if name is None:
            raise _Stays(f"{text} means something else to {client.name} than to the proxy")
        move.variables.add(name["name"])
        return f"${{{name['name']}{name['default'] or (':-' if safe else '')}}}"

    return str(_VARIABLE.sub(ours, value))


def _is_local(url: Any) -> bool:
    """The URL leads to this machine, where nobody has to sign in."""
    host = urlsplit(url).hostname if isinstance(url, str) else None
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _free(alias: str, taken: set[str]) -> str:
    """The alias, or one like it that is not taken."""
    if alias.casefold() not in taken:
        return alias
    return next(f"{alias[:28]}-{n}" for n in range(2, 10_000) if f"{alias[:28]}-{n}".casefold() not in taken)


def _check(move: Move, environ: Mapping[str, str], base: Path) -> None:
    """Refuse what our config would not read."""
    known = {**dict.fromkeys(move.variables, "set"), **environ}
    try:
        parse_config({"mcpServers": {move.alias: move.entry}}, "", known, base)
    except ConfigError as error:
        words = str(error).removeprefix(": ").removeprefix(f"mcpServers.{move.alias}").lstrip(".: ")
        raise _Stays(f"the proxy cannot run it: {words}") from None
