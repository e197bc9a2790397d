"""Every method but `tools/call`, raw: what one server would answer is passed on, what several would is joined.

Nothing is validated and nothing is left out: fields that nobody knows yet travel like all others.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND

from paste_mcp.proxy.call import call_tool
from paste_mcp.proxy.downstream import Greeting, Link
from paste_mcp.proxy.sdk import MCPError, Request
from paste_mcp.proxy.session import Session

logger = logging.getLogger("paste_mcp")

SdkAnswer = Callable[[], Awaitable[dict[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class _Listing:
    key: str
    capability: str
    named: bool


LISTINGS = {
    "tools/list": _Listing("tools", "tools", named=True),
    "prompts/list": _Listing("prompts", "prompts", named=True),
    "resources/list": _Listing("resources", "resources", named=False),
    "resources/templates/list": _Listing("resourceTemplates", "resources", named=False),
}
_GREETINGS = frozenset({"initialize", "server/discover"})
_SDKS_OWN = frozenset(
    {"ping", "subscriptions/listen", "notifications/cancelled", "notifications/initialized", "notifications/progress"}
)
_CACHEABLE = frozenset({*LISTINGS, "resources/read", "server/discover"})
_MODERN_FIELDS = ("resultType", "ttlMs", "cacheScope")


async def answer(session: Session, request: Request, sdk_answer: SdkAnswer) -> dict[str, Any] | None:
    """The host's request or notification, answered. Raises `MCPError` for the host."""
    if request.method in _SDKS_OWN:
        return await sdk_answer()
    await session.open(request)
    if request.id is None:
        for link in session.links.values():
            await link.notify(request.method, request.params or None)
        return None
    if request.method in _GREETINGS:
        greeting = _greet(session, dict(await sdk_answer() or {}))
        return {**_shaped(request, {}), **greeting} if request.modern else greeting
    return _shaped(request, await _dispatch(session, request))


async def _dispatch(session: Session, request: Request) -> dict[str, Any]:
    method, params = request.method, request.params
    if method == "tools/call":
        return await call_tool(session, request)
    if listing := LISTINGS.get(method):
        return await _list(session, request, listing)
    if method == "prompts/get":
        return await _by_name(session, request, params.get("name"), lambda own: {**params, "name": own})
    if method == "completion/complete":
        reference = params.get("ref") or {}
        if "uri" in reference:
            return await _first_of(session, request, session.catalogue.owners(str(reference["uri"])))
        return await _by_name(
            session, request, reference.get("name"), lambda own: {**params, "ref": {**reference, "name": own}}
        )
    if method.startswith("resources/"):
        return await _first_of(session, request, session.catalogue.owners(str(params.get("uri"))))
    if method == "logging/setLevel":
        return await _to_all(session, request, "logging")
    return await _first_of(session, request, list(session.links))


# --- greeting -------------------------------------------------------------------------------------------------------


def _greet(session: Session, sdk: dict[str, Any]) -> dict[str, Any]:
    """The greeting of all servers together; of a single unprefixed server, its own."""
    greetings = {alias: link.greeting for alias, link in session.links.items() if link.up and link.greeting}
    starting = len(greetings) < len(session.links)
    capabilities = _merged([g.capabilities for g in greetings.values()])
    if starting or not greetings:
        # Servers that are not there yet may bring anything; they are announced when they come.
        capabilities = _merged([{"tools": {}, "resources": {}, "prompts": {}}, capabilities])
    for changing in ("tools", "resources", "prompts"):
        # Some hosts drop change notifications of servers that did not announce them.
        if changing in capabilities:
            capabilities[changing] = {**capabilities[changing], "listChanged": True}
    session.announced()
    return {**sdk, "capabilities": capabilities, **_introduction(greetings, session.catalogue.prefixed)}


def _introduction(greetings: dict[str, Greeting], prefixed: bool) -> dict[str, Any]:
    told = {alias: g.instructions for alias, g in greetings.items() if g.instructions}
    if prefixed:
        text = "\n\n".join(f"[{alias}]\n{instructions}" for alias, instructions in told.items())
        return {"instructions": text} if text else {}
    alone = next(iter(greetings.values()), None)
    if alone is None:
        return {}
    return {"serverInfo": alone.info, **({"instructions": alone.instructions} if alone.instructions else {})}


def _merged(many: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for one in many:
        for key, value in one.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = _merged([merged[key], value]) if both else value
    return merged


# --- lists ----------------------------------------------------------------------------------------------------------


async def _list(session: Session, request: Request, listing: _Listing) -> dict[str, Any]:
    """All servers' items, in the order of the configuration. One that fails is left out and reported."""
    found: dict[str, dict[str, Any]] = {}

    async def ask(link: Link) -> None:
        try:
            if request.method == "tools/list":
                found[link.alias] = await session.list_tools(link)
            else:
                found[link.alias] = await link.list_all(request.method, listing.key)
        except MCPError as error:
            if error.code != METHOD_NOT_FOUND:
                logger.warning("server %s: %s: %s", link.alias, request.method, error)

    async with anyio.create_task_group() as tasks:
        for link in session.links.values():
            if not link.up:
                link.want()
            elif link.greeting is not None and listing.capability in link.greeting.capabilities:
                tasks.start_soon(ask, link)
    items = [
        _shown(session, alias, item, listing)
        for alias in session.links
        for item in found.get(alias, {}).get(listing.key, ())
    ]
    # What a single server says beside its items is true of the whole list as well.
    rest = next(iter(found.values())) if len(session.links) == 1 and found else {}
    return {**rest, listing.key: items}


def _shown(session: Session, alias: str, item: dict[str, Any], listing: _Listing) -> dict[str, Any]:
    if listing.named:
        return {**item, "name": session.catalogue.expose(alias, item["name"])} if "name" in item else item
    if isinstance(uri := item.get("uri"), str):
        session.catalogue.own(alias, uri)
    elif isinstance(template := item.get("uriTemplate"), str):
        session.catalogue.own_template(alias, template)
    return item


# --- one server or several --------------------------------------------------------------------------------------------


async def _by_name(
    session: Session, request: Request, name: Any, own_params: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    found = session.catalogue.resolve(name) if isinstance(name, str) else None
    if found is None:
        raise MCPError(INVALID_PARAMS, f"Unknown name: {name}")
    alias, own = found
    return await session.forward(session.links[alias], request, own_params(own))


async def _first_of(session: Session, request: Request, aliases: list[str]) -> dict[str, Any]:
    """The first answer that is no refusal; else the first refusal, as it came."""
    refusal: MCPError | None = None
    for alias in aliases:
        link = session.links[alias]
        try:
            return await session.forward(link, request, request.params)
        except MCPError as error:
            refusal = refusal if refusal is not None and refusal.code != METHOD_NOT_FOUND else error
    raise refusal or MCPError(METHOD_NOT_FOUND, "Method not found", request.method)


async def _to_all(session: Session, request: Request, capability: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for link in session.links.values():
        if link.up and link.greeting is not None and capability in link.greeting.capabilities:
            result = await session.forward(link, request, request.params)
    return result


def _shaped(request: Request, result: dict[str, Any]) -> dict[str, Any]:
    """A result in the envelope of the host's era; what a server said stays as it said it."""
    if not request.modern:
        return {key: value for key, value in result.items() if key not in _MODERN_FIELDS}
    cache = {"ttlMs": 0, "cacheScope": "private"} if request.method in _CACHEABLE else {}
    return {"resultType": "complete", **cache, **result}
