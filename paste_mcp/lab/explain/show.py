"""Explanations on the terminal and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from paste_mcp.core.model import Json, Prediction
from paste_mcp.lab.explain.verdicts import WORDS, Explained
from paste_mcp.store.history.past import Past

LONGEST: Final = 60
"""Characters of a value that are shown."""
HIDDEN: Final = "(not kept)"
_COLOURS: Final = {
    "foreseen": "green",
    "outranked": "yellow",
    "not worth it": "yellow",
    "held back": "yellow",
    "first": "dim",
}


def overview(console: Console, past: Past, calls: Sequence[Explained]) -> None:
    """A session, one line a call."""
    console.print(f"[bold]{escape(past.session.id)}[/bold]  {len(calls)} calls")
    shown = Table(header_style="bold", pad_edge=False, box=None)
    for column in ("call", "turn", "tool", "verdict", "pattern", "prob.", "rank"):
        number = column in ("call", "turn", "prob.", "rank")
        shown.add_column(column, overflow="fold", justify="right" if number else "left", no_wrap=number)
    for each in calls:
        found = each.prediction
        colour = _COLOURS.get(each.verdict, "red")
        shown.add_row(
            str(each.event.index),
            str(each.event.turn),
            escape(_tool(each)),
            f"[{colour}]{_short(each)}[/{colour}]",
            escape(found.pattern) if found else "",
            f"{found.probability:.2f}" if found else "",
            str(each.rank) if found else "",
        )
    console.print(shown)
    counted = Counter(each.verdict for each in calls)
    console.print("; ".join(f"{counted[verdict]} {verdict}" for verdict in WORDS if counted[verdict]) + "\n")


def detail(console: Console, past: Past, each: Explained) -> None:
    """One call, with all that can be said of it."""
    console.print(f"[bold]call {each.event.index}[/bold] of {escape(past.session.id)}: {escape(_tool(each))}")
    for line in sentences(each, values=past.values):
        console.print(f"  {escape(line)}", soft_wrap=True)


def sentences(each: Explained, *, values: bool) -> Iterator[str]:
    """What can be said of a call, line by line."""
    yield f"{WORDS[each.verdict]}{'' if each.verdict != 'held back' else f' ({each.decision.row})'}"
    if (found := each.prediction) is not None:
        turns = "the turn before" if each.turns_before == 1 else f"{each.turns_before} turns before"
        yield f"by {found.pattern}: probability {found.probability:.2f}, rank {each.rank}, after {turns}"
    if each.usual:
        yield each.usual
    for argument in each.arguments:
        origin = argument.origin or argument.in_text or "seen nowhere before"
        yield f"{argument.name} = {_value(argument.value) if values else HIDDEN}: {origin}"
    if each.instead:
        yield f"foreseen instead: {'; '.join(_guess(guess, values=values) for guess in each.instead)}"
    yield _policy(each)


def _policy(each: Explained) -> str:
    decision = each.decision
    if decision.eligible:
        return f"may run early: {decision.reason}"
    if not each.hints_known and decision.row == "unhinted":
        return "may run early: not known, as the log does not tell what the server says of the tool; give --config"
    return f"may not run early: {decision.reason}{'' if decision.remedy is None else '; `check` shows what to change'}"


def _short(each: Explained) -> str:
    return f"held back: {each.decision.row}" if each.verdict == "held back" else each.verdict


def _tool(each: Explained) -> str:
    call = each.event.call
    return f"{call.server}/{call.tool}" if call.server else call.tool


def _guess(guess: Prediction, *, values: bool) -> str:
    said = ", ".join(f"{name}={_value(value) if values else HIDDEN}" for name, value in guess.call.arguments.items())
    return f"{guess.call.tool}({said}) {guess.probability:.2f}"


def _value(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def as_data(each: Explained, *, values: bool) -> dict[str, Any]:
    """One call for programs."""
    found = each.prediction
    return {
        "call": each.event.index,
        "turn": each.event.turn,
        "server": each.event.call.server,
        "tool": each.event.call.tool,
        "verdict": each.verdict,
        "pattern": found.pattern if found else None,
        "probability": round(found.probability, 4) if found else None,
        "rank": each.rank or None,
        "turns_before": each.turns_before or None,
        "arguments": [
            {"name": argument.name, "origin": argument.origin, "in_text": argument.in_text}
            | ({"value": argument.value} if values else {})
            for argument in each.arguments
        ],
        "may_run_early": each.decision.eligible,
        "row": each.decision.row,
        "reason": each.decision.reason,
        "instead": [
            {"tool": guess.call.tool, "probability": round(guess.probability, 4)}
            | ({"arguments": dict(guess.call.arguments)} if values else {})
            for guess in each.instead
        ],
    }


def last_line(sessions: Sequence[tuple[Past, Sequence[Explained]]]) -> str:
    """All in one line of JSON."""
    return json.dumps(
        {
            "sessions": [
                {
                    "session": past.session.id,
                    "values": past.values,
                    "calls": [as_data(each, values=past.values) for each in calls],
                }
                for past, calls in sessions
            ]
        },
        default=str,
    )
