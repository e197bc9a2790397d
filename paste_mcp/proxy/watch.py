"""One session's eye on its servers' tools: what is known of them when they are listed, and what their calls show.

A tool that asks the user something, or leaves something open instead of answering, must never run early: not in this
session, not in another, not in a later run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from paste_mcp.core.engine import Engine
from paste_mcp.core.model import Tool
from paste_mcp.proxy import clock
from paste_mcp.proxy.catalogue import Catalogue
from paste_mcp.proxy.downstream import Link
from paste_mcp.proxy.outcome import is_complete
from paste_mcp.proxy.sdk import Request
from paste_mcp.proxy.speculate import LEFT_OPEN, Guesses
from paste_mcp.proxy.vetting import Vetting

_OF_A_CALL = frozenset({"elicitation/create", "sampling/createMessage"})
"""What servers ask in the middle of calls. Roots are asked for at other times, too, and so tell nothing of a call that
happens to be under way.
"""


class Watch:
    """Begins with the session's guesses and ends by `close`."""

    def __init__(self, vetting: Vetting, engine: Engine, guesses: Guesses, catalogue: Catalogue) -> None:
        self._vetting = vetting
        self._engine = engine
        self._guesses = guesses
        self._catalogue = catalogue
        vetting.listeners.add(self.barred)

    def close(self) -> None:
        self._vetting.listeners.discard(self.barred)

    def listed(self, link: Link, tools: Iterable[Tool]) -> list[Tool]:
        """The server listed these tools. Returns them with what is known of them; what is doubtful is barred."""
        called = link.greeting.name if link.greeting is not None else None
        known = self._vetting.reviewed(link.alias, called, tools)
        for name, reason in self._vetting.doubts(link.alias, known).items():
            self.barred(link.alias, name, reason)
        self._guesses.cancel(self._engine.set_tools(link.alias, known, clock.now()))
        return known

    def barred(self, alias: str, tool: str, reason: str) -> None:
        """This tool must not run early any more, as this session or another one found."""
        self._guesses.cancel(self._engine.bar(alias, tool, reason, clock.now()))

    def asked(self, alias: str, method: str, requests: Sequence[Request]) -> bool:
        """The server asks something while these requests of the host, and maybe guesses, are under way there. Returns
        whether guesses are: then it may be about one of them.
        """
        guesses = self._guesses.on(alias)
        calls = [self._tool(request) for request in requests if request.method == "tools/call"]
        reason = f"it asked the user something ({method})"
        # Whose question it is can be told only where one call is under way.
        alone = len(guesses) + len(calls) == 1
        if guesses:
            self._guesses.bar_all_on(alias, reason, lasting=alone)
        for tool in calls if method in _OF_A_CALL else ():
            self._vetting.bar(alias, tool, reason, lasting=alone)
        return bool(guesses)

    def answered(self, alias: str, tool: str, result: dict[str, object]) -> None:
        """The host's own call of this tool was answered."""
        if not is_complete(result):
            self._vetting.bar(alias, tool, LEFT_OPEN)

    def _tool(self, request: Request) -> str:
        """The server's own name of the tool that the host calls."""
        found = self._catalogue.resolve(str(request.params.get("name")))
        return found[1] if found is not None else ""
