"""What other clients' files look like: their names for our keys, and keys of theirs that mean nothing to a proxy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from paste_mcp.config.errors import Place, listed, near

SERVERS_KEYS = ("mcpServers", "servers", "context_servers")
"""Top-level keys that hold the servers: most clients', VS Code's, Zed's."""

TYPES = {
    "stdio": "stdio",
    "sse": "sse",
    "http": "http",
    "streamable-http": "http",
    "streamable_http": "http",
    "streamableHttp": "http",
}
"""How clients write a server's transport, and what we call it."""

TYPE_KEYS = ("type", "transport", "transportType")
URL_KEYS = ("url", "serverUrl", "httpUrl")
STDIO_KEYS = ("command", "args", "env", "cwd")
REMOTE_KEYS = (*URL_KEYS, "headers", "auth")
FACT_KEYS = ("approval", "cost", "hosts", "ttl_s", "invalidates", "ignore")
READ_KEYS = (
    *STDIO_KEYS,
    *REMOTE_KEYS,
    *TYPE_KEYS,
    *FACT_KEYS,
    "speculation",
    "disabled",
    "enabled",
    "shared",
    "start_timeout_s",
    "call_timeout_s",
    "startup_timeout_sec",
    "tool_timeout_sec",
)
"""Keys of a server's entry that are read."""

_SYNONYMS = {
    "environment": "env",
    "arguments": "args",
    "cmd": "command",
    "uri": "url",
    "workingDirectory": "cwd",
    "httpHeaders": "headers",
}
"""What people write by mistake that no measure of similarity finds."""

FOREIGN_KEYS = frozenset(
    {
        "alwaysAllow",
        "alwaysLoad",
        "autoApprove",
        "bearer_token_env_var",
        "description",
        "dev",
        "disabledTools",
        "disabled_tools",
        "enabledTools",
        "enabled_tools",
        "envFile",
        "env_vars",
        "excludeTools",
        "gallery",
        "headersHelper",
        "icon",
        "iconPath",
        "includeTools",
        "inputs",
        "metadata",
        "name",
        "note",
        "oauth",
        "required",
        "sandbox",
        "settings",
        "source",
        "timeout",
        "title",
        "tools",
        "trust",
        "version",
    }
)
"""Keys that other clients keep in a server's entry and that are not read here."""


@dataclass(slots=True)
class Notes:
    """What was left aside while reading one config; each kind becomes one warning."""

    disabled: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    timeout: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    modeless: list[str] = field(default_factory=list)

    def warnings(self) -> list[str]:
        """The warnings, one line each, without the file's name."""
        told = (
            (self.disabled, "disabled, left out"),
            (self.foreign, "other clients' keys, not read here; set them in the client"),
            (
                self.timeout,
                "seconds in some clients, milliseconds in others, so not read; write start_timeout_s, call_timeout_s",
            ),
            (self.misplaced, "no meaning for this kind of server, not read"),
            (self.unknown, "unknown keys, not read"),
            (self.modeless, 'no mode, so shadow: nothing is sent; write "mode": "annotated" to send'),
        )
        return [f"{_some(paths)}: {words}" for paths, words in told if paths]


def _some(paths: list[str], most: int = 8) -> str:
    """The first paths, and how many more there are."""
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return listed(paths[:most]) + more


def review_top(keys: Iterable[str], place: Place) -> None:
    """Refuse a top-level key that is nearly one of ours. Others belong to other tools, in silence."""
    ours = (*SERVERS_KEYS, "paste")
    for key in keys:
        if key not in ours and (meant := near(key, ours, cutoff=0.85)):
            place.at(key).fail(f"unknown key; did you mean '{meant}'?")


def review_entry(keys: Iterable[str], place: Place, notes: Notes) -> None:
    """Refuse a key of a server's entry that is nearly one of ours; note the others that are not read."""
    for key in keys:
        if key in READ_KEYS:
            continue
        meant = None if key in FOREIGN_KEYS else near(key, (*READ_KEYS, *_SYNONYMS), cutoff=0.85)
        if meant is not None:
            place.at(key).fail(f"unknown key; did you mean '{_SYNONYMS.get(meant, meant)}'?")
        path = place.at(key).path
        if key.startswith(("_", "$", "//")):
            continue  # how people comment JSON, and `$schema`
        if key == "timeout":
            notes.timeout.append(path)
        elif key in FOREIGN_KEYS:
            notes.foreign.append(path)
        else:
            notes.unknown.append(path)
