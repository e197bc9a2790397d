"""Progress reports, raw: which request they belong to, and who asked for them under which token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

METHOD = "notifications/progress"

Tell: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
"""Takes a report's params as they came, but for the token."""


class Reports:
    """The requests to one side that are reported on. They carry tokens of our own, since those of several askers may
    be the same.
    """

    def __init__(self) -> None:
        self._tell: dict[int, Tell] = {}
        self._last = 0

    @contextmanager
    def under(self, params: dict[str, Any], tell: Tell) -> Iterator[dict[str, Any]]:
        """Params that ask for reports; meanwhile `tell` is called with each."""
        self._last += 1
        token = self._last
        self._tell[token] = tell
        try:
            yield with_token(params, token)
        finally:
            del self._tell[token]

    async def heard(self, params: dict[str, Any] | None) -> None:
        """A report came. One of a request that is over, or that nobody made, is dropped."""
        token = (params or {}).get("progressToken")
        if params is not None and isinstance(token, int) and (tell := self._tell.get(token)):
            await tell(params)


def token_of(params: dict[str, Any]) -> Any:
    """The token under which the asker wants to hear of it; None where it does not."""
    meta = params.get("_meta")
    return meta.get("progressToken") if isinstance(meta, dict) else None


def with_token(params: dict[str, Any], token: Any) -> dict[str, Any]:
    meta = params.get("_meta")
    return {**params, "_meta": {**(meta if isinstance(meta, dict) else {}), "progressToken": token}}
