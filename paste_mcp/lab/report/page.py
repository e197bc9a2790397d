"""The report as one HTML file: nothing is fetched, all is readable without scripts, inputs recompute the year."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from paste_mcp.lab.report.gather import Report
from paste_mcp.lab.report.rows import Row
from paste_mcp.lab.report.timeline import timeline
from paste_mcp.lab.report.words import duration, money, percent
from paste_mcp.store.sessions import Session
from paste_mcp.version import __version__

_TEMPLATE: Final = Path(__file__).with_name("page.html")


def page(report: Report, shown: Session) -> str:
    """The whole file."""
    estimate = report.estimate
    assumed = estimate.assumptions
    fields = (
        ("team", "People who work as you do", assumed.team, "1"),
        ("cost_per_hour", f"An hour of one of them, {assumed.currency}", assumed.cost_per_hour, "any"),
        ("days", "Working days a year", assumed.days, "1"),
        ("attended", "Share of waiting that someone waits for", assumed.attended, "any"),
        ("cost_per_call", f"A call made for nothing, {assumed.currency}", assumed.cost_per_call, "any"),
    )
    inputs = "".join(
        f'<label>{escape(words)}<input name="{name}" type="number" min="0" step="{step}" value="{value:g}"></label>'
        for name, words, value, step in fields
    )
    filled = {
        "version": __version__,
        "headline": _headline(report),
        "figures": _figures(report),
        "timeline": timeline(shown),
        "inputs": inputs,
        "hours": f"{estimate.hours:,.0f}",
        "money": escape(money(estimate.money, assumed.currency)),
        "sure": _sure(report),
        "ab": escape(report.comparison.words),
        "tools": _table("Tool", report.tools),
        "patterns": _table("Pattern", report.patterns),
        "why": "".join(f"<tr><td>{escape(why)}<td>{count}" for why, count in report.total.why_not.most_common()),
        "data": json.dumps(estimate.as_json()).replace("<", "\\u003c"),
    }
    text = _TEMPLATE.read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _headline(report: Report) -> str:
    word = "would have saved you" if report.shadow_only else "saved you"
    return f"Running calls early {word} <b>{duration(report.gain_s)}</b> of waiting."


def _figures(report: Report) -> str:
    waiting, sums = report.waiting, report.total
    figures = (
        ("sessions", f"{len(report.sessions)}", f"on {len(report.days)} day(s), {sums.calls} calls"),
        ("tools took", duration(waiting.without_s), "what an agent waits without speculation"),
        ("saved" if not report.shadow_only else "would be saved", duration(report.gain_s),
         f"{percent(report.gain_s / waiting.without_s if waiting.without_s else None)} of that"),
        ("oracle", duration(waiting.oracle_s), f"{percent(report.of_oracle)} of what perfect foresight would save"),
        ("for nothing", f"{sums.wasted} of {sums.issued}", f"early calls, {duration(sums.wasted_s)} of work"),
    )  # fmt: skip
    return "".join(f"<div><dt>{name}<dd>{value}<small>{escape(more)}</small></div>" for name, value, more in figures)


def _sure(report: Report) -> str:
    estimate = report.estimate
    said = "saved" if estimate.basis == "saved" else "would have saved"
    text = f"From {estimate.days_seen} day(s) of yours: {estimate.seconds_per_day:.1f} s {said} a day. "
    if estimate.hours_low is None:
        return text + "Too few days to say how sure that is."
    return text + f"95 % interval by resampling days: {estimate.hours_low:,.0f} to {estimate.hours_high:,.0f} hours."


def _table(name: str, rows: Sequence[Row]) -> str:
    shadow = not any(row.issued for row in rows)
    head = "calls,would hit,would save,would send" if shadow else "calls,hit,late,saved,sent,for nothing,right"
    cells = "".join(f'<th scope="col">{each}' for each in head.split(","))
    body = "".join(f'<tr><th scope="row">{escape(row.name)}{_cells(row, shadow)}' for row in rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="By {name.lower()}"><table>'
        f'<thead><tr><th scope="col">{name}{cells}<tbody>{body}</table></div>'
    )


def _cells(row: Row, shadow: bool) -> str:
    values: tuple[object, ...] = (row.calls, row.shadow_hits, duration(row.would_save_s), row.shadow_issued)
    if not shadow:
        values = (row.calls, row.hits, row.late_hits, duration(row.saved_s), row.issued, row.wasted,
                  percent(row.accuracy))  # fmt: skip
    return "".join(f"<td>{value}" for value in values)
