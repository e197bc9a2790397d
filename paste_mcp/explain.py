"""What `paste-mcp explain` does: a log, and what is known now, in; why each call was foreseen or not, out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from paste_mcp.config import Config
from paste_mcp.core.model import Tool
from paste_mcp.core.patterns.language import Pattern
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.lab.explain import show
from paste_mcp.lab.explain.replay import Knowledge
from paste_mcp.lab.explain.verdicts import Explained, explained
from paste_mcp.proxy.catalogue import tool_of
from paste_mcp.store.catalogues import Catalogues, launch_key
from paste_mcp.store.history.logs import RECORD, Log
from paste_mcp.store.history.past import Past
from paste_mcp.store.state import learnt_store


class CannotExplainError(ValueError):
    """There is nothing to explain as asked; `str()` is one line."""


def knowledge(config: Config | None, patterns: Sequence[Pattern], state: Path, today: int) -> Knowledge:
    """What the proxy would know if it started now. Raises `StoreError`."""
    history = config is not None and config.paste.history
    return Knowledge(
        pool=Pool(patterns),
        # Logs do not say which definition of a tool they saw, so what is not bound to one counts, too.
        counts=learnt_store(state).load(today, literals=history, unbound=True),
        policies={} if config is None else {alias: config.policy(alias) for alias in config.servers},
        tools={} if config is None else _listed(config, state),
    )


def _listed(config: Config, state: Path) -> dict[tuple[str, str], Tool]:
    """The servers' tools as they listed them the last time."""
    keys = {alias: launch_key(alias, server.launch()) for alias, server in config.servers.items()}
    catalogues = Catalogues(state / "catalogues", keys)
    found: dict[tuple[str, str], Tool] = {}
    for alias in keys:
        raw = catalogues.offer(alias).lists.get("tools/list", {}).get("tools")
        for definition in raw if isinstance(raw, list) else ():
            if isinstance(definition, dict) and isinstance(definition.get("name"), str):
                tool = tool_of(alias, definition)
                found[alias, tool.name] = tool
    return found


def run(path: Path, known: Knowledge, *, session: str | None, call: int | None, json: bool) -> None:
    """Explain a log's sessions, or those whose id holds `session`, or one call of theirs.

    Raises `TraceError` and `CannotExplainError`.
    """
    log = Log(path)
    pasts = [past for past in log.read() if session is None or session in past.session.id]
    if not pasts:
        raise CannotExplainError(
            f'{path}: holds no session whose id contains "{session}"; leave --session out to see all'
        )
    told: list[tuple[Past, list[Explained]]] = []
    for past in pasts:
        calls = list(explained(past, known, hints_told=log.kind != RECORD))
        if call is not None:
            calls = [each for each in calls if each.event.index == call]
        if calls:
            told.append((past, calls))
    if not told:
        most = max((len(past.session.calls) for past in pasts), default=0)
        raise CannotExplainError(f"--call {call}: {path} has calls 0 to {most - 1}; choose one of them")
    console = Console(stderr=json)
    for past, calls in told:
        if call is None:
            show.overview(console, past, calls)
        else:
            show.detail(console, past, calls[0])
    if not all(past.values for past, _ in told):
        console.print("This record keeps no values: where they came from is told as far as its derivations tell.")
    if json:
        print(show.last_line(told))
