"""Other proxies, each in an environment of its own that is made when it is asked for, and kept for the next time.

Their dependencies clash with ours and with each other's. The versions are fixed, so that what is compared is the same
tomorrow.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from platformdirs import user_cache_path

from paste_mcp.lab.overhead.running import OverheadError
from paste_mcp.lab.overhead.subjects import Setting

INSTALL_S = 900.0
_COMPLETE = "complete"
"""A file that is written last: without it an environment was left half made."""

Arguments: TypeAlias = Callable[[Setting], list[str]]


def _fastmcp(setting: Setting) -> list[str]:
    listening = [] if setting.port is None else ["--transport", "http", "--port", str(setting.port)]
    return ["run", setting.config(), *listening, "--no-banner", "--log-level", "ERROR"]


def _mcp_proxy(setting: Setting) -> list[str]:
    return ["--port", str(setting.port), "--log-level", "ERROR", "--", *setting.echo]


@dataclass(frozen=True, slots=True)
class Peer:
    """Another proxy, run by its own command line."""

    name: str
    version: str
    routes: tuple[str, ...]
    """Where it can stand."""
    arguments: Arguments

    @property
    def folder(self) -> Path:
        return user_cache_path("paste-mcp") / "peers" / f"{self.name}-{self.version}"

    @property
    def installed(self) -> bool:
        return (self.folder / _COMPLETE).exists()

    def install(self) -> None:
        """Make its environment anew. Raises OverheadError."""
        shutil.rmtree(self.folder, ignore_errors=True)
        requirement = f"{self.name}=={self.version}"
        pip = [str(self._program("python")), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for command in ([sys.executable, "-m", "venv", str(self.folder)], [*pip, requirement]):
            try:
                made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_S)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise OverheadError(f"{requirement} cannot be installed: {error}") from error
            if made.returncode:
                said = (made.stdout + made.stderr).strip().splitlines() or [f"exit code {made.returncode}"]
                raise OverheadError(f"{requirement} cannot be installed into {self.folder}: {said[-1]}")
        (self.folder / _COMPLETE).touch()

    def command(self, setting: Setting) -> list[str]:
        """How it is started there."""
        return [str(self._program(self.name)), *self.arguments(setting)]

    def _program(self, name: str) -> Path:
        return self.folder / "bin" / name


PEERS = {
    peer.name: peer
    for peer in (
        Peer("fastmcp", "4.1.2", ("stdio", "http_stdio", "http_http"), _fastmcp),
        Peer("mcp-proxy", "0.13.0", ("http_stdio",), _mcp_proxy),
    )
}
