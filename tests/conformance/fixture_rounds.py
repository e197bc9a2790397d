"""Tools of the conformance suite that need more than one round (2026-07-28): they answer with what they still need.

The state between rounds travels with the client, so it is signed and trusted no further than its signature.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from mcp import MCPError
from mcp_types import CLIENT_CAPABILITIES_META_KEY, INVALID_PARAMS

_KEY = secrets.token_bytes(32)


def elicitation(message: str, properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    schema["required"] = list(properties) if required is None else required
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sampling(prompt: str, max_tokens: int) -> dict[str, Any]:
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": max_tokens}}


ROOTS = {"method": "roots/list", "params": {}}


def required(state: str | None = None, **requests: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"resultType": "input_required", "inputRequests": requests}
    return result if state is None else {**result, "requestState": _signed(state)}


def client_capabilities(ctx: Any) -> dict[str, Any]:
    """What the client said with this very request that it can do."""
    meta = (ctx.params or {}).get("_meta") or {}
    return dict(meta.get(CLIENT_CAPABILITIES_META_KEY) or {})


def _responses(ctx: Any) -> dict[str, Any]:
    found = (ctx.params or {}).get("inputResponses")
    return found if isinstance(found, dict) else {}


def _content(ctx: Any, key: str, name: str) -> Any:
    """A field of an accepted form; None where the response is missing or makes no sense."""
    response = _responses(ctx).get(key)
    content = response.get("content") if isinstance(response, dict) else None
    return content.get(name) if isinstance(content, dict) else None


def _signed(state: str) -> str:
    return f"{state}.{hmac.new(_KEY, state.encode(), hashlib.sha256).hexdigest()}"


def _state(ctx: Any) -> str | None:
    """The state that came back, its signature checked."""
    token = (ctx.params or {}).get("requestState")
    if token is None:
        return None
    state = str(token).rpartition(".")[0]
    if not hmac.compare_digest(_signed(state), str(token)):
        raise MCPError(INVALID_PARAMS, "requestState was tampered with")
    return state


def _text(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}]}


NAME = {"name": {"type": "string"}}
OK = {"ok": {"type": "boolean"}}


async def one_elicitation(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    if isinstance(name := _content(ctx, "user_name", "name"), str):
        return _text(f"Hello, {name}!")
    return required(user_name=elicitation("What is your name?", NAME))


async def one_sampling(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    if "capital_question" in (responses := _responses(ctx)):
        return _text(f"The model says: {responses['capital_question']['content']['text']}")
    return required(capital_question=sampling("What is the capital of France?", 100))


async def list_roots(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    if "client_roots" in (responses := _responses(ctx)):
        return _text(f"Roots: {[root['uri'] for root in responses['client_roots']['roots']]}")
    return required(client_roots=ROOTS)


async def confirmed(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    if _state(ctx) == "asked" and _content(ctx, "confirm", "ok") is not None:
        return _text("state-ok")
    return required("asked", confirm=elicitation("Please confirm", OK))


async def several(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    keys = {"user_name", "greeting", "client_roots"}
    if _state(ctx) == "asked" and keys <= _responses(ctx).keys():
        return _text("Got all three")
    return required(
        "asked",
        user_name=elicitation("What is your name?", NAME),
        greeting=sampling("Generate a greeting", 50),
        client_roots=ROOTS,
    )


async def several_rounds(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    state = _state(ctx)
    if state == "round-1" and (name := _content(ctx, "step1", "name")) is not None:
        ask = elicitation("Step 2: What is your favorite color?", {"color": {"type": "string"}})
        return required(f"round-2:{name}", step2=ask)
    if state is not None and state.startswith("round-2:") and (color := _content(ctx, "step2", "color")) is not None:
        return _text(f"{state.removeprefix('round-2:')} likes {color}")
    return required("round-1", step1=elicitation("Step 1: What is your name?", NAME))


async def what_you_can(ctx: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    asks = {
        "elicitation": elicitation("What is your name?", NAME),
        "sampling": sampling("Say hello", 50),
        "roots": ROOTS,
    }
    can = client_capabilities(ctx)
    return required(**{capability: ask for capability, ask in asks.items() if capability in can})


TOOLS = {
    "test_input_required_result_elicitation": one_elicitation,
    "test_input_required_result_sampling": one_sampling,
    "test_input_required_result_list_roots": list_roots,
    "test_input_required_result_request_state": confirmed,
    "test_input_required_result_tampered_state": confirmed,
    "test_input_required_result_multiple_inputs": several,
    "test_input_required_result_multi_round": several_rounds,
    "test_input_required_result_capabilities": what_you_can,
}
