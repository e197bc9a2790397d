"""The life of a tool call, one coroutine, from the host's request to its answer and what follows from it.

    route      the host's name -> a link and the server's own tool name
    demanded   the engine answers: Hit, Join, Promote or Miss (and says which guesses must stop)
    answer     serve the result, wait for the running guess, or forward the call
    returned   the engine counts it; the answer goes back to the host
    afterwards in the next lull: record the call, foresee the next, start what is worth it (`afterwards.py`)

The demand path never waits for anything that speculation does, except where it joins a guess for this very call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_types import INVALID_PARAMS

from paste_mcp.core.commands import Demand, Hit, Join, Promote
from paste_mcp.core.model import Status, ToolCall
from paste_mcp.core.patterns.extract import status_of
from paste_mcp.proxy import clock
from paste_mcp.proxy.afterwards import Returned
from paste_mcp.proxy.downstream import Link
from paste_mcp.proxy.sdk import ENVELOPE, MCPError, Request
from paste_mcp.proxy.telemetry import DemandSpan

if TYPE_CHECKING:
    from paste_mcp.proxy.session import Session

_PLAIN_PARAMS = frozenset({"name", "arguments", "_meta"})
_CALL_META = frozenset({"progressToken", "traceparent", "tracestate", "baggage"}) | ENVELOPE
_HOST_META = ("io.modelcontextprotocol/", "claudecode/", "anthropic/", "com.anthropic", "vscode.", "x-codex")
"""`_meta` that hosts put on every call to tell calls apart, not to change what they ask for."""


async def call_tool(session: Session, request: Request) -> dict[str, Any]:
    """Answer the host's `tools/call`. Raises `MCPError` exactly as the server did."""
    link, tool = _route(session, request)
    arguments = request.params.get("arguments")
    call = ToolCall(link.alias, tool, arguments if isinstance(arguments, dict) else {})
    if session.engine is None:
        return await _forward(session, link, request, call)
    if (spans := session.recorder.spans) is None:
        return await _demand(session, link, request, call)
    with spans.demand(call, request.meta) as span:
        return await _demand(session, link, request, call, span)


async def _demand(
    session: Session, link: Link, request: Request, call: ToolCall, span: DemandSpan | None = None
) -> dict[str, Any]:
    assert session.engine is not None
    demand, cancels = session.engine.demanded(call, clock.now(), plain=_is_plain(request))
    session.guesses.cancel(cancels)
    try:
        result, answered = await _answer(session, link, request, demand, span)
    except MCPError:
        _returned(session, demand, "miss", "error", None)
        raise
    except BaseException:
        # The host cancelled it, or left.
        session.guesses.cancel(session.engine.abandoned(demand, clock.now()))
        raise
    status = status_of(result)
    if span is not None:
        span.end(demand, answered, status)
    _returned(session, demand, answered, status, result)
    return result


async def _answer(
    session: Session, link: Link, request: Request, demand: Demand, span: DemandSpan | None
) -> tuple[dict[str, Any], str]:
    """The result, and how it was come by: hit, late_hit, promoted or miss."""
    match demand.answer:
        case Hit(id=id, result=result):
            session.audit.served(id, demand.call, "hit")
            return result, "hit"
        case Join(id=id):
            # The guess has its own time limit; if it fails or is cut off, the call is made for real.
            if (joined := await session.guesses.join(id)) is not None:
                session.audit.served(id, demand.call, "late hit")
                return joined, "late_hit"
    answered = "promoted" if isinstance(demand.answer, Promote) else "miss"
    return await _forward(session, link, request, demand.call, span), answered


async def _forward(
    session: Session, link: Link, request: Request, call: ToolCall, span: DemandSpan | None = None
) -> dict[str, Any]:
    params = {**request.params, "name": call.tool}
    if span is not None:
        params["_meta"] = {**request.meta, **span.carrier}
    outcome = "cancelled"
    try:
        result = await session.forward(link, request, params)
        outcome = "error" if result.get("isError") is True else "ok"
    except MCPError:
        outcome = "error"
        raise
    finally:
        listed = session.catalogue.schema(call.server, call.tool) is not None
        session.audit.demand(call, outcome, listed=listed)
    return result


def _returned(session: Session, demand: Demand, answered: str, status: Status, result: dict[str, Any] | None) -> None:
    assert session.engine is not None
    now = clock.now()
    session.guesses.cancel(session.engine.returned(demand, status, now))
    session.afterwards.add(Returned(demand, answered, status, result, now))


def _route(session: Session, request: Request) -> tuple[Link, str]:
    name = request.params.get("name")
    found = session.catalogue.resolve(name) if isinstance(name, str) else None
    if found is None:
        raise MCPError(INVALID_PARAMS, f"Unknown tool: {name}")
    return session.links[found[0]], found[1]


def _is_plain(request: Request) -> bool:
    """Whether the call is its name and arguments and nothing else that a server could tell it by.

    A task, the continuation of an interim result, or `_meta` of unknown meaning is passed through and never matched.
    """
    arguments = request.params.get("arguments")
    return (
        request.params.keys() <= _PLAIN_PARAMS
        and (arguments is None or isinstance(arguments, dict))
        and all(key in _CALL_META or key.startswith(_HOST_META) for key in request.meta)
    )
