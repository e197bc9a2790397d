"""The composition root: from a config file to running objects."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import anyio
from platformdirs import user_state_path

from paste_mcp.config import Config
from paste_mcp.core.patterns.language import Pattern
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.proxy.recorder import Recorder
from paste_mcp.proxy.sdk import Connect
from paste_mcp.proxy.transports import connector
from paste_mcp.proxy.upstream import Proxy
from paste_mcp.store.pattern_files import default_patterns, load_patterns

Transport = Literal["stdio", "sse", "http"]


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where records are kept: `PASTE_MCP_STATE_DIR`, else the system's place for a user's state."""
    own = environ.get("PASTE_MCP_STATE_DIR")
    return Path(own) if own else user_state_path("paste-mcp")


def read_patterns(config: Config, files: Sequence[Path]) -> list[Pattern]:
    """The shipped pool unless the config says no, the config's files, then `files`. Raises `PatternFileError`."""
    patterns = default_patterns() if config.paste.default_patterns else []
    for path in (*config.paste.patterns, *files):
        patterns += load_patterns(path, users_own=True)
    return patterns


def connectors(config: Config) -> dict[str, Connect]:
    """How to reach each server."""
    return {alias: connector(server) for alias, server in config.servers.items()}


def build(
    config: Config, patterns: Sequence[Pattern], state: Path, connects: Mapping[str, Connect] | None = None
) -> Proxy:
    """A proxy ready to be entered. `connects` replaces how servers are reached, for embedding and tests."""
    sessions = state / "sessions"
    return Proxy(
        config,
        Predictor(Pool(patterns)),
        connectors(config) if connects is None else connects,
        lambda id: Recorder(sessions, config.paste.record, id),
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that hosts may connect to from now on. Raises OSError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


async def serve(proxy: Proxy, transport: Transport, listener: socket.socket | None = None) -> None:
    """Serve hosts until the one leaves (stdio), or on `listener` until the process is asked to stop (SSE and HTTP)."""
    async with proxy.running():
        if listener is None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
                await proxy.serve_stdio()
                tasks.cancel_scope.cancel()
        else:
            app = proxy.sse_app() if transport == "sse" else proxy.http_app()
            # uvicorn stops on a signal and then raises it again: unheard, it would end the process before its servers.
            hears = anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) if os.name == "posix" else nullcontext()
            with hears:
                await proxy.serve_http(app, listener)


async def _stop_on_signal(scope: anyio.CancelScope) -> None:
    """SIGTERM and SIGINT end the servers too, instead of leaving them behind."""
    if os.name != "posix":
        return  # Windows ends the whole job instead.
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            scope.cancel()
            return
