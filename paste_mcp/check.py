"""What `paste-mcp check` shows of the servers: a table a tool, and the config line that would change a refusal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from paste_mcp.config import Config
from paste_mcp.core.model import Hints, Tool
from paste_mcp.core.shapes import shape_of
from paste_mcp.core.speculation.policy import Decision
from paste_mcp.core.speculation.settings import ServerPolicy
from paste_mcp.proxy.inspect import ServerReport, ToolReport

_HINTS = (
    ("read_only", "read-only", "writes"),
    ("destructive", "destructive", ""),
    ("idempotent", "idempotent", ""),
    ("open_world", "open world", "closed world"),
)


def show(config: Config, reports: list[ServerReport]) -> None:
    """Print the reports for a person."""
    console = Console()
    for report in reports:
        show_server(console, report)
    if config.paste.speculation is None and all(report.mode == "shadow" for report in reports):
        console.print(
            "Nothing is run early yet: every server is in [bold]shadow[/bold], where guesses are only counted.\n"
            'If you trust the servers\' own hints, add one line:  [bold]"paste": {"speculation": "annotated"}[/bold]\n'
        )
    console.print(
        "Sessions: the process on stdio, the connection on SSE, Mcp-Session-Id on HTTP up to 2025-11-25; on 2026-07-28 "
        "HTTP only under /mcp/s/NAME. Without a session nothing is run early."
    )


def show_server(console: Console, report: ServerReport) -> None:
    """Print one server and its tools."""
    if report.problem is not None:
        console.print(f"[bold]{report.alias}[/bold]  [red]did not start[/red]: {escape(report.problem)}\n")
        return
    console.print(f"[bold]{report.alias}[/bold]  protocol {report.version}, speculation {report.mode}")
    table = Table(header_style="bold", pad_edge=False, box=None)
    for column in ("tool", "hints", "early", "row", "why, and the line on this server that would change it"):
        table.add_column(column, overflow="fold")
    for tool in report.tools:
        table.add_row(
            escape(tool.tool.name),
            _known(tool.tool),
            _verdict(report, tool),
            tool.decision.row,
            escape(_why(report, tool.decision)),
        )
    console.print(table, "")
    if report.accepted:
        console.print(f"Accepted as they are now: {', '.join(report.accepted)}\n", markup=False)


def _verdict(report: ServerReport, tool: ToolReport) -> str:
    if not tool.decision.eligible:
        return "[red]no[/red]"
    return "[yellow]counted[/yellow]" if report.mode == "shadow" else "[green]yes[/green]"


def _known(tool: Tool) -> str:
    """What the tool says of itself, and what the catalogue says of it."""
    if tool.review is None:
        return _hints(tool.hints)
    words = tool.review.kind if tool.review.sure else f"{tool.review.kind}?"
    return f"{_hints(tool.hints)}; known: {words}{', metered' if tool.review.metered else ''}"


def _hints(hints: Hints) -> str:
    said = []
    for name, if_true, if_false in _HINTS:
        value = getattr(hints, name)
        word = if_true if value else if_false
        if value is not None and word:
            said.append(word)
    return ", ".join(said) or "none"


def _why(report: ServerReport, decision: Decision) -> str:
    if decision.remedy is None:
        return decision.reason
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in as_change(report.policy, decision.remedy)]
    return "\n".join([decision.reason, *lines])


def as_change(before: ServerPolicy, after: ServerPolicy) -> list[tuple[str, Any]]:
    """The keys of a server's entry that differ, as the config file writes them."""
    changed: list[tuple[str, Any]] = []
    if as_config(before) != as_config(after):
        changed.append(("speculation", as_config(after)))
    for key in ("approval", "cost", "hosts"):
        if getattr(before, key) != getattr(after, key):
            value = getattr(after, key)
            changed.append((key, list(value) if isinstance(value, tuple) else value))
    return changed


def as_config(policy: ServerPolicy) -> str | dict[str, Any]:
    """What a policy says of trust, as the config file writes it."""
    rest: dict[str, Any] = {
        **({"closed_world": True} if policy.closed_world else {}),
        **({"allow": list(policy.allow)} if policy.allow else {}),
        **({"deny": list(policy.deny)} if policy.deny else {}),
    }
    if not rest:
        return policy.mode
    return rest if policy.mode == "listed" else {"mode": policy.mode, **rest}


def as_json(reports: list[ServerReport]) -> str:
    """The reports in one line for programs."""
    return json.dumps({"servers": [_as_data(report) for report in reports]})


def _as_data(report: ServerReport) -> dict[str, Any]:
    return {
        "alias": report.alias,
        "speculation": report.mode,
        "protocol": report.version,
        "problem": report.problem,
        "accepted": report.accepted,
        "tools": [
            {
                "name": tool.shown,
                "tool": tool.tool.name,
                "hints": {name: getattr(tool.tool.hints, name) for name, _, _ in _HINTS},
                "known": None if tool.tool.review is None else asdict(tool.tool.review),
                "shape": shape_of(tool.tool.name, tool.tool.input_schema),
                "eligible": tool.decision.eligible,
                "sent": tool.decision.eligible and report.mode in ("annotated", "listed"),
                "row": tool.decision.row,
                "reason": tool.decision.reason,
                "remedy": tool.decision.remedy and dict(as_change(report.policy, tool.decision.remedy)),
            }
            for tool in report.tools
        ],
    }
