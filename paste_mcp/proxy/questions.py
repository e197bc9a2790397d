"""What a server may ask of the host: the capability that each question needs, and what is said when nobody answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY, REQUEST_TIMEOUT

from paste_mcp.proxy.sdk import MCPError

WAIT_S = 300.0
"""How long a host, its user included, may take to answer; after that a question counts as unanswered."""

_NEEDS = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}


def missing(capabilities: Mapping[str, Any], method: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The capabilities that a question needs and the host did not declare; None if it may be asked."""
    needed = _NEEDS.get(method, method)
    declared = capabilities.get(needed)
    if not isinstance(declared, Mapping):
        return {needed: {}}
    if needed == "elicitation":
        mode = str(params.get("mode", "form"))
        # A declaration without modes is older than they are, and means forms.
        declares = mode in declared or (mode == "form" and "url" not in declared)
        return None if declares else {needed: {mode: {}}}
    if needed == "sampling" and ("tools" in params or "toolChoice" in params) and "tools" not in declared:
        return {needed: {"tools": {}}}
    return None


def refused(method: str, required: dict[str, Any]) -> MCPError:
    """To a legacy server that asks for more than was declared: what the host itself would have said."""
    if any(required.values()):
        return MCPError(INVALID_PARAMS, f"the client does not support this kind of {method}")
    return MCPError(METHOD_NOT_FOUND, "Method not found", method)


def undeclared(method: str, required: dict[str, Any]) -> MCPError:
    """To a host whose call ended because a modern server asks for more than was declared."""
    text = f"the server asks for {method}, for which the client declared no capability"
    return MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, text, {"requiredCapabilities": required})


def unanswered(method: str) -> dict[str, Any]:
    """The answer to a question that got none: a form can be dismissed, anything else is an error."""
    if method == "elicitation/create":
        return {"action": "cancel"}
    raise MCPError(REQUEST_TIMEOUT, f"the client gave no answer to {method}")
