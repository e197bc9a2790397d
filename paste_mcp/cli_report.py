"""The verbs that look back: `stats` and `report`. What they do is in `lab/report`."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from paste_mcp.told import refuse

if TYPE_CHECKING:
    from paste_mcp.store.sessions import Session

UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}

RecordsArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[RECORD]...", help="Records of paste-mcp, or folders of them. None: your own."),
]
SinceOption = Annotated[
    str | None, typer.Option(help="Only sessions that did anything since: 90m, 24h, 7d, 2w, or a date like 2026-01-31.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one last line of JSON for programs.")]


def stats(
    records: RecordsArgument = None,
    by: Annotated[Literal["session", "server", "tool", "pattern"], typer.Option(help="One line for each.")] = "tool",
    since: SinceOption = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again whenever something happens.")] = False,
    json: JsonOption = False,
) -> None:
    """What speculation does, live and in the past: calls, seconds saved and wasted, and why others were not sent."""
    from rich.console import Console

    from paste_mcp.lab.report.rows import rows_by, total
    from paste_mcp.lab.report.tables import stats as table

    if watch and json:
        refuse("--watch shows tables; leave out --json")

    def look() -> tuple[list[Session], int]:
        found = _sessions(records, since)
        return found, sum(session.live(time.time()) for session in found)

    console = Console(stderr=json)
    if watch:
        _watch(console, lambda: table(rows_by((seen := look())[0], by), total(seen[0]), by, seen[1]))
        return
    found, live = look()
    rows, sums = rows_by(found, by), total(found)
    console.print(table(rows, sums, by, live))
    if json:
        from json import dumps

        print(dumps({"by": by, "rows": [row.as_json() for row in rows], "total": sums.as_json(), "live": live}))


def _watch(console: object, render: object) -> None:
    from rich.console import Console
    from rich.live import Live

    assert isinstance(console, Console) and callable(render)
    with Live(render(), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(1.0)
            live.update(render(), refresh=True)


def report(
    records: RecordsArgument = None,
    since: SinceOption = None,
    html: Annotated[Path | None, typer.Option(help="Write the report to this file, a page of its own.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Write the timeline of one session to this file.")] = None,
    session: Annotated[
        str | None, typer.Option(help="That session, by the beginning of its id; else the one that saved most.")
    ] = None,
    ab: Annotated[bool, typer.Option("--ab", help="Only compare the arms of `serve --ab`.")] = False,
    team: Annotated[int, typer.Option(min=1, help="People who work as you do.")] = 10,
    cost_per_hour: Annotated[float, typer.Option(min=0, help="What an hour of one of them costs.")] = 80.0,
    days: Annotated[int, typer.Option(min=1, max=366, help="Working days a year.")] = 220,
    attended: Annotated[
        float, typer.Option(min=0, max=1, help="Share of an agent's waiting that someone waits for.")
    ] = 1.0,
    cost_per_call: Annotated[float, typer.Option(min=0, help="What a call costs that was made for nothing.")] = 0.0,
    currency: Annotated[str, typer.Option(help="Its sign or name.")] = "$",
    json: JsonOption = False,
) -> None:
    """What speculation did for you, beside perfect foresight, and what that would come to for a team in a year."""
    from rich.console import Console

    from paste_mcp.lab.report.gather import gather
    from paste_mcp.lab.report.savings import Assumptions
    from paste_mcp.lab.report.tables import show_arms, show_report

    found = _sessions(records, since)
    told = gather(found, Assumptions(team, cost_per_hour, days, attended, cost_per_call, currency))
    console = Console(stderr=json)
    if ab:
        show_arms(console, told.comparison)
    else:
        show_report(console, told)
    if html is not None or svg is not None:
        _write(told.sessions, session, html, svg, told)
        for path in filter(None, (html, svg)):
            console.print(f"Written: {path}", soft_wrap=True, highlight=False)
    if json:
        from json import dumps

        print(dumps(told.comparison.as_json() if ab else told.as_json()))


def _write(
    sessions: tuple[Session, ...], wanted: str | None, html: Path | None, svg: Path | None, told: object
) -> None:
    from paste_mcp.lab.report.gather import Report
    from paste_mcp.lab.report.page import page
    from paste_mcp.lab.report.timeline import timeline
    from paste_mcp.lab.report.waiting import waiting_of

    assert isinstance(told, Report)
    candidates = [one for one in sessions if wanted is None or one.id.startswith(wanted)]
    if not candidates:
        refuse(f"--session {wanted}: no such session; `paste-mcp stats --by session` lists them" if wanted else
               "there is no session to show yet; use the proxy first")  # fmt: skip
    shown = max(candidates, key=lambda one: waiting_of(one).gained_s)
    try:
        if svg is not None:
            svg.write_text(timeline(shown), encoding="utf-8")
        if html is not None:
            html.write_text(page(told, shown), encoding="utf-8")
    except OSError as error:
        refuse(f"{error.filename}: cannot be written: {error.strerror}; choose another place")


def _sessions(records: list[Path] | None, since: str | None) -> list[Session]:
    from paste_mcp.store.sessions import read_sessions
    from paste_mcp.store.state import state_folder
    from paste_mcp.store.traces import TraceError

    after = 0.0 if since is None else since_when(since, time.time())
    paths = records or [folder for folder in [state_folder(os.environ) / "sessions"] if folder.is_dir()]
    try:
        return [session for session in read_sessions(paths) if session.ended >= after]
    except TraceError as error:
        refuse(str(error))


def since_when(text: str, now: float) -> float:
    """Seconds since 1970 of `--since`."""
    if match := re.fullmatch(r"(\d{1,6})([mhdw])", text):
        return now - int(match[1]) * UNITS_S[match[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        refuse(f"--since {text}: not a time; write 90m, 24h, 7d, 2w or 2026-01-31")
