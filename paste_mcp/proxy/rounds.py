"""A legacy host and a modern server: the server's `input_required` results become questions to the host.

The server asks by answering; the host is asked the way its own protocol has it, and the call is made again with the
answers, until the server has what it needs. It keeps nothing between the rounds, so a call that is given up needs no
cleaning up.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from mcp_types import INTERNAL_ERROR, REQUEST_TIMEOUT

from paste_mcp.proxy.questions import WAIT_S, missing, unanswered, undeclared
from paste_mcp.proxy.sdk import Channel, MCPError

MAX_ROUNDS = 10
"""Rounds of one call; the SDKs' clients give up after as many."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.25

Again = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def complete(
    result: dict[str, Any], capabilities: Mapping[str, Any], channel: Channel, again: Again
) -> dict[str, Any]:
    """The final result of a call whose first answer was `result`. `again` repeats the call with more parameters.

    Raises `MCPError`: the host's, where it refuses something that cannot be refused otherwise.
    """
    pause_s = _FIRST_PAUSE_S
    for _ in range(MAX_ROUNDS):
        more: dict[str, Any] = {}
        if asked := result.get("inputRequests"):
            more["inputResponses"] = await _answers(asked, capabilities, channel)
            pause_s = _FIRST_PAUSE_S
        else:
            # The server wants nothing but some time.
            await anyio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
        if "requestState" in result:
            more["requestState"] = result["requestState"]
        result = await again(more)
        if result.get("resultType") != "input_required":
            return result
    raise MCPError(INTERNAL_ERROR, f"the server asked for input more than {MAX_ROUNDS} times")


async def _answers(asked: Any, capabilities: Mapping[str, Any], channel: Channel) -> dict[str, Any]:
    """The host's answers to all of a round's questions, which are put to it side by side."""
    questions = (
        {key: _read(question) for key, question in asked.items()} if isinstance(asked, dict) else {"": _read({})}
    )
    for method, params in questions.values():
        # Before any is asked: a round that cannot be answered whole is of no use to the server.
        if (required := missing(capabilities, method, params)) is not None:
            raise undeclared(method, required)
    answers: dict[str, Any] = {}
    refusals: list[MCPError] = []

    async def ask(key: str, method: str, params: dict[str, Any]) -> None:
        try:
            answers[key] = await _ask(channel, method, params)
        except MCPError as error:
            refusals.append(error)
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for key, (method, params) in questions.items():
            tasks.start_soon(ask, key, method, params)
    if refusals:
        raise refusals[0]
    return answers


def _read(question: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(question, dict) or not isinstance(question.get("method"), str):
        raise MCPError(INTERNAL_ERROR, "the server asks for input in a form that makes no sense")
    params = question.get("params")
    return question["method"], params if isinstance(params, dict) else {}


async def _ask(channel: Channel, method: str, params: dict[str, Any]) -> dict[str, Any]:
    if params.get("mode") == "url":
        # Of this era's questions only; the newer protocol has no such id.
        params = {"elicitationId": uuid.uuid4().hex, **params}
    try:
        return await channel.send_raw_request(method, params or None, {"timeout": WAIT_S})
    except MCPError as error:
        if method == "elicitation/create" or error.code == REQUEST_TIMEOUT:
            # A dialogue that failed has at any rate not been answered.
            return unanswered(method)
        raise
