"""How long a call may take: as long as its server shows signs of life, where the configuration sets a limit."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import anyio
from mcp_types import REQUEST_TIMEOUT

from paste_mcp.proxy import clock
from paste_mcp.proxy.reports import Tell
from paste_mcp.proxy.sdk import MCPError

Call: TypeAlias = Callable[[Tell], Awaitable[dict[str, Any]]]


class Patience:
    """The calls under way on one link. Progress of a call begins its limit anew; none runs out while the server waits
    for an answer of ours.
    """

    def __init__(self, limit_s: float | None) -> None:
        self._limit_s = limit_s
        self._calls: set[anyio.CancelScope] = set()
        self._questions = 0

    @property
    def limited(self) -> bool:
        return self._limit_s is not None

    async def wait(self, call: Call, tell: Tell | None) -> dict[str, Any]:
        """The call's result. Raises `MCPError` when the limit is over; the call is cancelled at the server then."""

        async def alive(report: dict[str, Any]) -> None:
            scope.deadline = self._deadline()
            if tell is not None:
                await tell(report)

        scope = anyio.CancelScope(deadline=self._deadline())
        self._calls.add(scope)
        try:
            with scope:
                return await call(alive)
        finally:
            self._calls.discard(scope)
        raise MCPError(REQUEST_TIMEOUT, f"the server was silent for {self._limit_s or 0:g} s")

    @contextmanager
    def question(self) -> Iterator[None]:
        """Meanwhile the server waits for us."""
        self._questions += 1
        self._begin_anew()
        try:
            yield
        finally:
            self._questions -= 1
            self._begin_anew()

    def _begin_anew(self) -> None:
        for scope in self._calls:
            scope.deadline = self._deadline()

    def _deadline(self) -> float:
        return math.inf if self._questions or self._limit_s is None else clock.now() + self._limit_s
