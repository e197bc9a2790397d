"""Patterns on the terminal and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from paste_mcp.core.patterns.writer import pattern_data
from paste_mcp.curate.collection import Entry
from paste_mcp.store.pattern_text import entry_text

_STATES = {"on": "[green]on[/green]", "off": "[red]off[/red]", "replaced": "[yellow]replaced[/yellow]"}


def table(console: Console, entries: Sequence[Entry]) -> None:
    """One line a pattern."""
    shown = Table(header_style="bold", pad_edge=False, box=None)
    for column in ("name", "source", "after → next"):
        shown.add_column(column, overflow="fold")
    for column in ("prob.", "hit/seen", ""):
        shown.add_column(column, justify="right", no_wrap=True)
    for entry in entries:
        pattern = entry.pattern
        evidence = pattern.evidence
        shown.add_row(
            escape(pattern.name),
            entry.source,
            escape(f"{entry.context} → {entry.target}") if pattern.context else "",
            f"{pattern.probability:.2f}" if pattern.context else "",
            f"{evidence.hit:.0f}/{evidence.seen:.0f}" if evidence else "",
            _STATES[entry.state],
        )
    console.print(shown)
    if not entries:
        console.print("No pattern speaks of that.")


def as_yaml(entry: Entry) -> str:
    """The pattern as it would be written, after a line that says where it is."""
    place = "learnt" if entry.file is None else f"{entry.source}, in {entry.file}"
    return f"# {place}; {entry.state}\n{entry_text(pattern_data(entry.pattern))}"


def as_data(entry: Entry) -> dict[str, Any]:
    """The pattern for programs."""
    written = pattern_data(entry.pattern)
    return {
        "name": entry.pattern.name,
        "id": entry.pattern.id,
        "source": entry.source,
        "file": None if entry.file is None else str(entry.file),
        "state": entry.state,
        "enabled": entry.state == "on",
        **{key: written.get(key) for key in ("context", "target", "arguments", "probability", "evidence")},
    }


def last_line(entries: Sequence[Entry]) -> str:
    """All in one line of JSON."""
    return json.dumps({"patterns": [as_data(entry) for entry in entries]})
