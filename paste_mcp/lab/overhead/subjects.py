"""What is measured, between which transports, and the command that starts it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

Transport: TypeAlias = Literal["stdio", "http"]

DIRECT, FLOOR, OFF, ON = "direct", "floor", "paste", "paste_on"
DIRECT_SDK, OFF_SDK = "direct_sdk", "paste_sdk"
_OURS = "paste_mcp.lab.overhead"


@dataclass(frozen=True, slots=True)
class Route:
    """How the host reaches a proxy, and how that reaches the server."""

    name: str
    front: Transport
    back: Transport


ROUTES = (
    Route("stdio", "stdio", "stdio"),
    Route("http_stdio", "http", "stdio"),
    Route("http_http", "http", "http"),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """Where one of the subjects stands."""

    echo: tuple[str, ...]
    """The command of the server, on stdio."""
    folder: Path
    """For what the subject needs: its configuration, its records."""
    url: str | None = None
    """Where the server listens, if it is not on stdio."""
    port: int | None = None
    """Where the subject is to listen, if it is not on stdio."""

    def listening(self, port: int | None) -> Setting:
        """The same, for a subject on that port."""
        return replace(self, port=port)

    @property
    def server(self) -> dict[str, Any]:
        """The server's entry in a configuration."""
        return {"url": self.url} if self.url else {"command": self.echo[0], "args": list(self.echo[1:])}

    def config(self, **sections: Any) -> str:
        """The path of a configuration with this server alone."""
        text = json.dumps({"mcpServers": {"echo": self.server}, **sections})
        path = self.folder / f"servers-{abs(hash(text)):x}.json"
        path.write_text(text, encoding="utf-8")
        return str(path)


Command: TypeAlias = Callable[[Setting], list[str]]


def echo(*options: str, sdk: bool = False) -> tuple[str, ...]:
    """The command of an echo server of ours."""
    return (sys.executable, "-m", f"{_OURS}.echo_sdk" if sdk else f"{_OURS}.echo", *options)


def _direct(setting: Setting) -> list[str]:
    return [*setting.echo, *_listening(setting)]


def _floor(setting: Setting) -> list[str]:
    behind = ["--url", setting.url] if setting.url else ["--", *setting.echo]
    return [sys.executable, "-m", f"{_OURS}.floor", *_listening(setting), *behind]


def _listening(setting: Setting) -> list[str]:
    return [] if setting.port is None else ["--http", str(setting.port)]


def _on(setting: Setting) -> list[str]:
    """As a user runs it who trusts the server: everything else is as the defaults have it, records too."""
    config = setting.config(paste={"speculation": "annotated", "prefix": False})
    listening = [] if setting.port is None else ["--transport", "http", "--port", str(setting.port)]
    return [sys.executable, "-m", "paste_mcp", "serve", "--config", config, *listening]


def _off(setting: Setting) -> list[str]:
    return [*_on(setting), "--no-speculation"]


OWN: Mapping[str, Command] = {DIRECT: _direct, FLOOR: _floor, OFF: _off, ON: _on}
BEFORE_SDK: Mapping[str, Command] = {DIRECT_SDK: _direct, OFF_SDK: _off}
"""The same with the SDK's echo server, which hides what is before it."""
