"""What is known of servers' tools beyond what they say of themselves now: reviews, pins, what sessions found out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from paste_mcp.core.keys import canonical
from paste_mcp.core.model import Tool
from paste_mcp.core.shapes import shape_of
from paste_mcp.store.pins import CHANGED, Pins, Seen
from paste_mcp.store.reviewed import Reviewed

logger = logging.getLogger("paste_mcp")

Bar: TypeAlias = Callable[[str, str, str], None]
"""Told (alias, tool, reason): this tool must not run early any more."""


class Vetting:
    """Shared by all sessions of a proxy. `launches` is what each server's command starts, by alias."""

    def __init__(self, reviewed: Reviewed, pins: Pins, launches: Mapping[str, str | None]) -> None:
        self.listeners: set[Bar] = set()
        self._reviewed = reviewed
        self._pins = pins
        self._launches = launches
        self._told: set[tuple[str, str, str]] = set()

    def reviewed(self, alias: str, called: str | None, tools: Iterable[Tool]) -> list[Tool]:
        """The tools of the server that calls itself so, each with what is known of it."""
        launch = self._launches.get(alias)
        return [
            replace(
                tool, review=self._reviewed.review(launch, called, tool.name, shape_of(tool.name, tool.input_schema))
            )
            for tool in tools
        ]

    def doubts(self, alias: str, tools: Iterable[Tool]) -> dict[str, str]:
        """Those of the tools that must not run early, whatever they say, with the reason. A change is logged once."""
        seen = {tool.name: seen_of(tool) for tool in tools}
        found = self._pins.see(alias, seen)
        for name, reason in found.items():
            if reason == CHANGED and (what := (alias, name, seen[name].seal)) not in self._told:
                self._told.add(what)
                logger.warning("server %s: %s does not run early: %s", alias, name, reason)
        return found

    def bar(self, alias: str, tool: str, reason: str, *, lasting: bool = True) -> None:
        """A session saw that this tool must not run early: all sessions hear of it, and later runs where it lasts."""
        logger.info("server %s: %s does not run early any more: %s", alias, tool, reason)
        if lasting:
            self._pins.bar(alias, tool, reason)
        for told in list(self.listeners):
            told(alias, tool, reason)

    def accept(self, alias: str, tools: Iterable[Tool]) -> list[str]:
        """The user accepts the tools as they are now; returns the names of those that had changed."""
        return self._pins.accept(alias, {tool.name: seen_of(tool) for tool in tools})


def seen_of(tool: Tool) -> Seen:
    """The digests of a tool: of its name, the shape of its input and its hints; and of all that it says."""
    hints = tool.hints
    shape = shape_of(tool.name, tool.input_schema)
    seal = [shape, hints.read_only, hints.destructive, hints.idempotent, hints.open_world]
    return Seen(canonical(seal).decode() if shape else "", tool.definition)
