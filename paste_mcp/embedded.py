"""The proxy inside another Python program: for agent frameworks, evaluations and tests. No process, no config file.

async with paste_mcp.embed({"mcpServers": {...}, "paste": {"speculation": "annotated"}}) as proxy:
    async with mcp.Client(proxy.transport()) as client:     # the official client, in memory
        ...
    async with proxy.listening() as url:                    # any other client, over loopback
        ...
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from mcp.shared.memory import create_client_server_memory_streams

from paste_mcp import app
from paste_mcp.config import Config, load_config, parse_config
from paste_mcp.config.clients import SERVERS_KEYS
from paste_mcp.core.speculation.ledger import Ledger
from paste_mcp.proxy.sdk import Connect, serve_streams
from paste_mcp.proxy.transports import in_memory
from paste_mcp.proxy.upstream import Proxy
from paste_mcp.store.state import state_folder

if TYPE_CHECKING:
    from mcp.client import Transport
    from mcp.server import MCPServer, Server

IN_PROCESS = "in this program"
"""What stands for the command of a server that is none of its own."""


class Embedded:
    """A proxy that runs in this program. Made by `embed`."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._ledgers: list[Ledger] = []

    def transport(self) -> Transport:
        """A host's end of one session, in memory: what `mcp.Client(...)` takes. Each use is a session of its own."""
        return self._session()

    @asynccontextmanager
    async def listening(self, port: int = 0, scope: str = "embedded") -> AsyncIterator[str]:
        """Streamable HTTP on loopback while it is entered; gives the URL. Port 0 is any that is free.

        `scope` names the session for hosts of protocol 2026-07-28, which has none of its own; older hosts get one per
        connection. Raises OSError where the port is taken.
        """
        listener = app.listen("127.0.0.1", port)
        config = uvicorn.Config(self._proxy.http_app(), log_level="warning", timeout_graceful_shutdown=1)
        server = _Server(config)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp/s/{scope}"
            finally:
                server.should_exit = True

    @property
    def ledger(self) -> Ledger:
        """What became of all calls and guesses of the sessions in memory so far: counters, and ratios beside them."""
        return sum(self._ledgers, Ledger())

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        async with self._proxy.session() as session, create_client_server_memory_streams() as (near, far):
            if session.engine is not None:
                self._ledgers.append(session.engine.ledger)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serve_streams, self._proxy.server, *far, session)
                yield near
                tasks.cancel_scope.cancel()


@asynccontextmanager
async def _running(
    config: Config, patterns: Sequence[Path], state: Path, connects: Mapping[str, Connect]
) -> AsyncIterator[Embedded]:
    proxy = app.build(
        config, app.read_patterns(config, patterns, state), state, {**app.connectors(config, state), **connects}
    )
    async with proxy.running():
        yield Embedded(proxy)


def embed(
    config: Mapping[str, Any] | Path | str,
    *,
    servers: Mapping[str, Server[Any] | MCPServer] = MappingProxyType({}),
    patterns: Sequence[Path] = (),
    state: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> AbstractAsyncContextManager[Embedded]:
    """Run the proxy while the result is entered.

    `config` is a config file's path, or its data (`{"mcpServers": {...}, "paste": {...}}`; relative paths in it start
    at the working directory). `servers` are servers of this very program, by alias: an agent's own tools; an entry of
    the same alias may say more of them (`{"mcpServers": {"mine": {"speculation": ...}}}`). `patterns` are further
    pattern files. `state` is the folder for records and what is learnt, by default the user's own, as for `paste-mcp
    serve`. Servers start when the first session needs them, and are stopped at the end.

    Raises `ConfigError` for a configuration and `PatternFileError` for a pattern file that cannot be used, the former
    at once.
    """
    if isinstance(config, Mapping):
        read = parse_config(_with_own(config, servers), "config", environ, Path.cwd())
    else:
        read = load_config(Path(config), environ)
    connects = {alias: in_memory(server) for alias, server in servers.items() if alias in read.servers}
    return _running(read, patterns, state_folder(environ) if state is None else state, connects)


def _with_own(config: Mapping[str, Any], servers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration with an entry for every server of this program."""
    if not servers:
        return config
    key = next((key for key in SERVERS_KEYS if key in config), SERVERS_KEYS[0])
    entries = dict(config.get(key, {}))
    for alias in servers:
        entries[alias] = {"command": IN_PROCESS, **entries.get(alias, {})}
    return {**config, key: entries}


class _Server(uvicorn.Server):
    """The program's signals are its own business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
