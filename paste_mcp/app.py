"""The composition root: from a config file to running objects."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

import anyio

from paste_mcp.config import Config, ServerConfig
from paste_mcp.config.packages import package_of
from paste_mcp.core.patterns.language import Pattern
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.forecaster import Forecaster
from paste_mcp.core.prediction.predictor import Predictor
from paste_mcp.core.prediction.together import Together
from paste_mcp.proxy import clock
from paste_mcp.proxy.edited import EditedPatterns
from paste_mcp.proxy.learning import Learning
from paste_mcp.proxy.logins import Login
from paste_mcp.proxy.recorder import Recorder
from paste_mcp.proxy.sdk import Connect
from paste_mcp.proxy.telemetry import Telemetry
from paste_mcp.proxy.transports import connector
from paste_mcp.proxy.upstream import Proxy
from paste_mcp.proxy.vetting import Vetting
from paste_mcp.store.audit import AuditLog
from paste_mcp.store.catalogues import Catalogues, launch_key
from paste_mcp.store.dial import read_eagerness
from paste_mcp.store.logins import LoginFile
from paste_mcp.store.pattern_files import default_patterns, load_patterns
from paste_mcp.store.pins import Pins, pin_key
from paste_mcp.store.reviewed import Reviewed, load_catalogues
from paste_mcp.store.state import learnt_store, own_patterns
from paste_mcp.version import __version__

Transport = Literal["stdio", "sse", "http"]


def read_patterns(config: Config | None, files: Sequence[Path], state: Path) -> list[Pattern]:
    """The shipped pool unless the config says no, the user's own file, the config's, then `files`.

    Raises `PatternFileError`.
    """
    patterns = default_patterns() if config is None or config.paste.default_patterns else []
    own, *others = pattern_files(config, files, state)
    for path in (*([own] if own.exists() else ()), *others):
        patterns += load_patterns(path, users_own=True)
    return patterns


def pattern_files(config: Config | None, files: Sequence[Path], state: Path) -> list[Path]:
    """The user's own file, which need not be there, the config's, then `files`."""
    return [own_patterns(state), *(() if config is None else config.paste.patterns), *files]


def read_reviewed(config: Config) -> Reviewed:
    """What is known of servers' tools: the config's files, then the shipped one. Raises `CatalogueError`."""
    return Reviewed(load_catalogues(config.paste.catalogue))


def vetting(config: Config, reviewed: Reviewed, state: Path) -> Vetting:
    """What is known of the configured servers' tools, and what is remembered of them."""
    keys = {alias: pin_key(alias, server.launch()) for alias, server in config.servers.items()}
    launches = {alias: _package(server) for alias, server in config.servers.items()}
    return Vetting(reviewed, Pins(state / "pins", keys), launches)


def _package(server: ServerConfig) -> str | None:
    return package_of(server.command, server.args) if server.command is not None else None


def harmless(config: Config, alias: str, reviewed: Reviewed) -> ServerConfig:
    """How the server is started: where calls may run early, in the environment that makes them leave no trace."""
    server = config.servers[alias]
    package = _package(server)
    if package is None or config.policy(alias).mode not in ("annotated", "listed"):
        return server
    return server.model_copy(update={"env": {**reviewed.env(package), **server.env}})


def connectors(
    config: Config,
    state: Path,
    reviewed: Reviewed | None = None,
    refused: Callable[[str, float | None], None] = lambda alias, retry_after_s: None,
) -> dict[str, Connect]:
    """How to reach each server. `refused` hears which one turned a request away, and for how many seconds."""
    known = reviewed or Reviewed()

    def login(alias: str, server: ServerConfig) -> Login | None:
        if server.auth is None or server.url is None:
            return None
        return Login(alias, server.url, login_file(state, alias, server), config.source)

    return {
        alias: connector(harmless(config, alias, known), login(alias, server), partial(refused, alias))
        for alias, server in config.servers.items()
    }


def login_file(state: Path, alias: str, server: ServerConfig) -> LoginFile:
    """Where a login at this server is kept."""
    return LoginFile(state / "logins", alias, server.url or "")


def build(
    config: Config,
    patterns: Sequence[Pattern],
    state: Path,
    connects: Mapping[str, Connect] | None = None,
    forecaster: Forecaster | None = None,
    reviewed: Reviewed | None = None,
    files: Sequence[Path] | None = None,
    telemetry: Telemetry | None = None,
) -> Proxy:
    """A proxy ready to be entered. `connects` replaces how servers are reached, for embedding and tests; `forecaster`
    how calls are foreseen, for measuring: then nothing is learnt. With `files`, those that `patterns` were read from
    besides the config's, edited patterns are read again. Raises `CatalogueError` where `reviewed` is not given
    and a file of the config's cannot be used.
    """
    known = read_reviewed(config) if reviewed is None else reviewed
    sessions = state / "sessions"
    pool = Pool(patterns)
    written = Predictor(pool)
    learns = config.learns and forecaster is None
    learning = Learning(learnt_store(state), history=config.paste.history) if learns else None
    foreseeing = written if learning is None else Together(written, learning.learner, pool.disabled)

    def use(pool: Pool) -> None:
        written.pool = pool
        if isinstance(foreseeing, Together):
            foreseeing.silence(pool.disabled)

    edited = None
    if files is not None:
        read = partial(read_patterns, config, files, state)
        edited = EditedPatterns(pattern_files(config, files, state), read, use)
    keys = {alias: launch_key(alias, server.launch()) for alias, server in config.servers.items()}
    opening = _opening(config)

    def refused(alias: str, retry_after_s: float | None) -> None:
        proxy.budget.refused(alias, retry_after_s, clock.now())

    proxy = Proxy(
        config,
        foreseeing if forecaster is None else forecaster,
        connectors(config, state, known, refused) if connects is None else connects,
        Catalogues(state / "catalogues", keys),
        lambda id: Recorder(
            sessions, config.paste.record, id, opening, telemetry.session(id) if telemetry is not None else None
        ),
        learning,
        vetting(config, known, state),
        AuditLog(state / "audit", sessions / "key", clock.wall if config.paste.audit == "on" else None),
        lambda: read_eagerness(state),
        edited,
    )
    return proxy


def _opening(config: Config) -> dict[str, Any]:
    """What a session's record says of the settings that it was held under."""
    return {
        "version": __version__,
        "modes": {alias: config.policy(alias).mode for alias in config.servers},
        "limits": asdict(config.limits),
    }


def listen(host: str, port: int) -> socket.socket:
    """A socket that hosts may connect to from now on. Raises OSError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # Handed on to the connections. The event loop does not see that a socket made this way is TCP's, and would leave
    # each answer's second packet to wait for the host's acknowledgement of the first, for 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve(
    proxy: Proxy, transport: Transport, listener: socket.socket | None = None, host: str = "127.0.0.1"
) -> None:
    """Serve hosts until the one leaves (stdio), or on `listener` until the process is asked to stop (SSE and HTTP).
    `host` is what it listens on, as the user called it.
    """
    async with proxy.running():
        if listener is None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_stop_on_signal, tasks.cancel_scope)
                await proxy.serve_stdio()
                tasks.cancel_scope.cancel()
        else:
            app = proxy.sse_app(host) if transport == "sse" else proxy.http_app(host)
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
