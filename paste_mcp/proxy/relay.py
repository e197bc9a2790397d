"""Every method but `tools/call`, raw: what one server would answer is passed on, what several would is joined.

Nothing is validated and nothing is left out: fields that nobody knows yet travel like all others.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import anyio
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND
from mcp_types.methods import INPUT_REQUIRED_METHODS

from paste_mcp.proxy import reports
from paste_mcp.proxy.call import call_tool
from paste_mcp.proxy.downstream import Link
from paste_mcp.proxy.greeting import SERVER_INFO, Greeting
from paste_mcp.proxy.levels import LEVELS
from paste_mcp.proxy.offers import LISTINGS, Listing
from paste_mcp.proxy.sdk import MCPError, Request
from paste_mcp.proxy.session import Session

logger = logging.getLogger("paste_mcp")

SdkAnswer = Callable[[], Awaitable[dict[str, Any] | None]]


_GREETINGS = frozenset({"initialize", "server/discover"})
_SDKS_OWN = frozenset({"ping", "notifications/cancelled", "notifications/initialized"})
_LEGACY_ONLY = frozenset({"initialize", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"})
"""What the newer protocol no longer has. The SDK refuses it in the words of the era."""
_CACHEABLE = frozenset({*LISTINGS, "resources/read", "server/discover"})
_MODERN_FIELDS = ("resultType", "ttlMs", "cacheScope")


async def answer(session: Session, request: Request, sdk_answer: SdkAnswer) -> dict[str, Any] | None:
    """The host's request or notification, answered. Raises `MCPError` for the host."""
    method = request.method
    if method in _SDKS_OWN or (request.modern and method in _LEGACY_ONLY):
        return await sdk_answer()
    session.open(request)
    if method == reports.METHOD:
        await session.reports.heard(request.params)
        return None
    if request.id is None:
        for link in session.links.values():
            if not (link.modern and method == "notifications/roots/list_changed"):
                await link.notify(method, request.params or None)
        return None
    if request.method in _GREETINGS:
        await session.offers.introduced(session.links, alone=session.alone is not None)
        greeting = _greet(session, dict(await sdk_answer() or {}), modern=request.modern)
        return {**_shaped(request, {}), **greeting} if request.modern else greeting
    if method == "subscriptions/listen":
        return _shaped(request, await session.listen(request)) if request.modern else await sdk_answer()
    if request.modern and method in INPUT_REQUIRED_METHODS:
        return _shaped(request, await _bridged(session, request))
    return _shaped(request, await _dispatch(session, request))


async def _bridged(session: Session, request: Request) -> dict[str, Any]:
    """A modern host's request: where it may go to a legacy server, that one may turn to the host before it answers."""
    links = list(session.links.values())
    if request.method != "resources/read":
        name = request.params.get("name")
        found = session.catalogue.resolve(name) if isinstance(name, str) else None
        links = [session.links[found[0]]] if found is not None else []
    if all(link.modern for link in links):
        return await _dispatch(session, request)
    own_state = all(link.greeting is not None and not link.modern for link in links)
    return await session.bridge.answer(request, partial(_dispatch, session, request), own_state=own_state)


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
        return await _set_level(session, request)
    return await _first_of(session, request)


# --- greeting -------------------------------------------------------------------------------------------------------


def _greet(session: Session, sdk: dict[str, Any], *, modern: bool) -> dict[str, Any]:
    """The greeting of all servers together; of a single unprefixed server, its own."""
    known = {alias: session.offers.greeting(link) for alias, link in session.links.items()}
    greetings = {alias: greeting for alias, greeting in known.items() if greeting is not None}
    starting = len(greetings) < len(session.links)
    capabilities = _merged([g.capabilities for g in greetings.values()])
    if starting or not greetings:
        # Servers that are not there yet may bring anything; they are announced when they come.
        capabilities = _merged([{"tools": {}, "resources": {}, "prompts": {}}, capabilities])
    for changing in ("tools", "resources", "prompts"):
        # Some hosts drop change notifications of servers that did not announce them.
        if changing in capabilities:
            capabilities[changing] = {**capabilities[changing], "listChanged": True}
    greeting = {**sdk, "capabilities": capabilities}
    if session.alone is None:
        told = [f"[{alias}]\n{g.instructions}" for alias, g in greetings.items() if g.instructions]
        return {**greeting, "instructions": "\n\n".join(told)} if told else greeting
    return {**greeting, **_introduction(next(iter(greetings.values())), modern)} if greetings else greeting


def _introduction(server: Greeting, modern: bool) -> dict[str, Any]:
    """How a single server presents itself, in the form of the host's era."""
    told = {} if server.instructions is None else {"instructions": server.instructions}
    rest = {key: value for key, value in server.rest.items() if modern or key not in _MODERN_FIELDS}
    if not modern:
        return {"serverInfo": server.info, **told, **rest}
    return {**told, **rest, "_meta": {SERVER_INFO: server.info, **rest.get("_meta", {})}}


def _merged(many: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for one in many:
        for key, value in one.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = _merged([merged[key], value]) if both else value
    return merged


# --- lists ----------------------------------------------------------------------------------------------------------


async def _list(session: Session, request: Request, listing: Listing) -> dict[str, Any]:
    """All servers' items, in the order of the configuration. One that fails is left out and reported."""
    if session.alone is not None:
        return await _list_alone(session, session.alone, request, listing)
    found: dict[str, dict[str, Any]] = {}

    async def ask(link: Link) -> None:
        found[link.alias] = await session.offers.known(link, request.method) or {}

    async with anyio.create_task_group() as tasks:
        for link in session.links.values():
            tasks.start_soon(ask, link)
    listed = {alias: found[alias].get(listing.key, ()) for alias in session.links}
    items = session.offers.shown(request.method, listed, lambda alias, item: _shown(session, alias, item, listing))
    # What a single server says beside its items is true of the whole list as well.
    rest = next(iter(found.values())) if len(found) == 1 else {}
    return {**rest, listing.key: items}


async def _list_alone(session: Session, link: Link, request: Request, listing: Listing) -> dict[str, Any]:
    """A single server's own answer, page by page where it answers so."""
    method, offers = request.method, session.offers
    if not await offers.started(link, method):
        last = offers.last(link.alias, method) or {listing.key: []}
        offers.tell(link.alias, method, last[listing.key])
        return last
    result = await session.forward(link, request, request.params)
    offers.page(link.alias, method, request.params.get("cursor"), result)
    return result


def _shown(session: Session, alias: str, item: Any, listing: Listing) -> Any:
    if not isinstance(item, dict):
        return item
    if listing.named:
        named = isinstance(item.get("name"), str)
        return {**item, "name": session.catalogue.expose(alias, item["name"])} if named else item
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


async def _first_of(session: Session, request: Request, owners: Sequence[str] = ()) -> dict[str, Any]:
    """The first answer that is no refusal; else the first refusal, as it came. Of servers that are not known to have
    what is asked for, those that are down come last, since they are waited for.
    """
    refusal: MCPError | None = None
    others = [link for alias, link in session.links.items() if alias not in owners]
    for link in (*map(session.links.__getitem__, owners), *sorted(others, key=lambda link: not link.up)):
        try:
            return await session.forward(link, request, request.params)
        except MCPError as error:
            refusal = refusal if refusal is not None and refusal.code != METHOD_NOT_FOUND else error
    raise refusal or MCPError(METHOD_NOT_FOUND, "Method not found", request.method)


async def _set_level(session: Session, request: Request) -> dict[str, Any]:
    """To all servers that log. Modern ones know no such request: they are told with each of the host's requests."""
    result: dict[str, Any] = {}
    if (level := request.params.get("level")) not in LEVELS:
        raise MCPError(INVALID_PARAMS, f"Invalid log level: {level}")
    session.levels.host = level
    for link in session.links.values():
        if link.up and not link.modern and link.greeting is not None and "logging" in link.greeting.capabilities:
            result = await session.forward(link, request, request.params)
    return result


def _shaped(request: Request, result: dict[str, Any]) -> dict[str, Any]:
    """A result in the envelope of the host's era; what a server said stays as it said it."""
    if not request.modern:
        return {key: value for key, value in result.items() if key not in _MODERN_FIELDS}
    cacheable = request.method in _CACHEABLE and result.get("resultType", "complete") == "complete"
    cache = {"ttlMs": 0, "cacheScope": "private"} if cacheable else {}
    return {"resultType": "complete", **cache, **result}
