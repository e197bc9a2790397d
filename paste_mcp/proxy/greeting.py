"""How a server is greeted: which protocol era it speaks, what it says of itself, and how requests to it are dressed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.shared.inbound import NAME_BEARING_METHODS, encode_header_value, mcp_param_headers, x_mcp_header_map
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    CONNECTION_CLOSED,
    PROTOCOL_VERSION_META_KEY,
    REQUEST_TIMEOUT,
    UNSUPPORTED_PROTOCOL_VERSION,
)

from paste_mcp.proxy.sdk import (
    ENVELOPE,
    LATEST_HANDSHAKE_VERSION,
    LATEST_MODERN_VERSION,
    MODERN_PROTOCOL_VERSIONS,
    MCPError,
    Peer,
)

PROBE_TIMEOUT_S = 5.0
"""How long the era probe is waited for, and again once a handshake is offered as well."""
SERVER_INFO = "io.modelcontextprotocol/serverInfo"
"""Where a modern server's results say who it is."""
_EXPECTED = ("protocolVersion", "supportedVersions", "resultType", "capabilities", "serverInfo", "instructions")


class OldServer(Exception):
    """The era probe got no answer: the server must be started anew and greeted the old way."""


@dataclass(frozen=True, slots=True)
class Host:
    """What the host said of itself, to be said again to servers."""

    info: dict[str, Any]
    capabilities: dict[str, Any]
    modern: bool


@dataclass(slots=True)
class Greeting:
    """What a server said of itself when the link came up."""

    version: str
    capabilities: dict[str, Any] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    instructions: str | None = None
    rest: dict[str, Any] = field(default_factory=dict)
    """What else it said, without what every result says in its era."""

    @property
    def name(self) -> str | None:
        """What the server calls itself."""
        name = self.info.get("name")
        return name if isinstance(name, str) else None

    @property
    def modern(self) -> bool:
        return self.version in MODERN_PROTOCOL_VERSIONS


class _Attempt:
    """One way of greeting, under way in a task. It ends with a greeting, with none where the server does not know this
    way, or with an error.
    """

    def __init__(
        self, tasks: TaskGroup, greet: Callable[[], Awaitable[Greeting | None]], any_ended: anyio.Event
    ) -> None:
        self.ended = anyio.Event()
        self.greeting: Greeting | None = None
        self.error: Exception | None = None
        tasks.start_soon(self._run, greet, any_ended)

    async def _run(self, greet: Callable[[], Awaitable[Greeting | None]], any_ended: anyio.Event) -> None:
        try:
            self.greeting = await greet()
        except (MCPError, OldServer) as error:
            self.error = error
        self.ended.set()
        any_ended.set()


async def greet(peer: Peer, host: Host, *, try_modern: bool) -> Greeting:
    """Agree with the server on an era. Raises `OldServer`, `MCPError`."""
    if not try_modern:
        return await _shake_hands(peer, host)
    any_ended = anyio.Event()
    hands = None
    async with anyio.create_task_group() as tasks:
        probe = _Attempt(tasks, partial(_discover, peer, host), any_ended)
        with anyio.move_on_after(PROBE_TIMEOUT_S):
            await any_ended.wait()
        if not any_ended.is_set():
            # It takes long to start, or is so old that it is silent to a probe: what it answers first will tell.
            hands = _Attempt(tasks, partial(_initialize, peer, host), any_ended)
            with anyio.move_on_after(PROBE_TIMEOUT_S):
                await any_ended.wait()
            if probe.ended.is_set() and probe.greeting is None and probe.error is None:
                await hands.ended.wait()
            elif hands.ended.is_set() and hands.greeting is None:
                await probe.ended.wait()
        tasks.cancel_scope.cancel()
    greeting = probe.greeting or (hands.greeting if hands is not None else None)
    if greeting is not None:
        if not greeting.modern:
            await _shaken(peer, greeting)
        return greeting
    if hands is not None or probe.error is not None:
        raise probe.error or OldServer()
    return await _shake_hands(peer, host)


async def _shake_hands(peer: Peer, host: Host) -> Greeting:
    try:
        greeting = await _initialize(peer, host)
    except MCPError as error:
        # A server of the new era only knows no handshake; in which words it says so is left to it.
        if error.code in (REQUEST_TIMEOUT, CONNECTION_CLOSED):
            raise
        try:
            with anyio.fail_after(PROBE_TIMEOUT_S):
                modern = await _discover(peer, host)
        except (OldServer, TimeoutError):
            modern = None
        if modern is None:
            raise error from None
        return modern
    await _shaken(peer, greeting)
    return greeting


async def _initialize(peer: Peer, host: Host) -> Greeting:
    params = {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": host.capabilities, "clientInfo": host.info}
    result = await peer.request("initialize", params, cancellable=False)
    return _said(str(result.get("protocolVersion")), result, result.get("serverInfo"))


async def _shaken(peer: Peer, greeting: Greeting) -> None:
    await peer.notify("notifications/initialized", None, {"mcp-protocol-version": greeting.version})


async def _discover(
    peer: Peer, host: Host, version: str = LATEST_MODERN_VERSION, *, again: bool = True
) -> Greeting | None:
    """Greet in the new era; None if the server answers that it does not know it."""
    params, headers = dress(Greeting(version), host, "server/discover", {}, None)
    try:
        result = await peer.request("server/discover", params, headers=headers, cancellable=False)
    except MCPError as error:
        # Some servers on old SDKs die of the probe.
        if error.code == CONNECTION_CLOSED:
            raise OldServer from None
        if again and (common := _versions_in_common(error)):
            return await _discover(peer, host, common[-1], again=False)
        return None
    if version not in (result.get("supportedVersions") or ()):
        return None
    meta = dict(result.get("_meta") or {})
    info = meta.pop(SERVER_INFO, None)
    return _said(version, {**result, "_meta": meta} if meta else _without(result, "_meta"), info)


def _said(version: str, result: dict[str, Any], info: Any) -> Greeting:
    rest = _without(result, *_EXPECTED)
    return Greeting(version, result.get("capabilities") or {}, info or {}, result.get("instructions"), rest)


def _without(result: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in keys}


def dress(
    greeting: Greeting, host: Host, method: str, params: dict[str, Any], schema: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Params and HTTP headers as this server's era wants them. Other transports ignore the headers."""
    headers = {"mcp-protocol-version": greeting.version}
    if "_meta" not in params and not greeting.modern:
        return params, headers
    given = params.get("_meta")
    meta = dict(given) if isinstance(given, dict) else {}
    if not greeting.modern:
        kept = {key: value for key, value in meta.items() if key not in ENVELOPE}
        bare = {name: value for name, value in params.items() if name != "_meta"}
        return {**bare, **({"_meta": kept} if kept else {})}, headers
    meta.setdefault(CLIENT_INFO_META_KEY, host.info)
    meta.setdefault(CLIENT_CAPABILITIES_META_KEY, host.capabilities)
    meta[PROTOCOL_VERSION_META_KEY] = greeting.version
    headers["mcp-method"] = method
    if (key := NAME_BEARING_METHODS.get(method)) and isinstance(params.get(key), str):
        headers["mcp-name"] = encode_header_value(params[key])
    if schema is not None and isinstance(params.get("arguments"), dict):
        headers |= mcp_param_headers(x_mcp_header_map(schema), params["arguments"])
    return {**params, "_meta": meta}, headers


def _versions_in_common(refusal: MCPError) -> list[str]:
    """What a server that refused the version it was asked in names of ours instead."""
    if refusal.code != UNSUPPORTED_PROTOCOL_VERSION or not isinstance(refusal.data, dict):
        return []
    named = refusal.data.get("supported")
    return [version for version in MODERN_PROTOCOL_VERSIONS if isinstance(named, list) and version in named]
