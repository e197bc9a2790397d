"""`paste-mcp connect` and `disconnect`: a client's servers behind the proxy, and back."""

from __future__ import annotations

import json as jsons
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paste_mcp.told import refuse, say

if TYPE_CHECKING:
    from paste_mcp.connect.clients import Machine
    from paste_mcp.connect.sites import Found, Site

Clients = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CLIENT]...", help="For example claude-code. None: show what there is, and ask."),
]
Project = Annotated[
    Path | None, typer.Option("--project", help="The files of the project in this folder, instead of the user's own.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print one last line of JSON for programs.")]


def connect(
    clients: Clients = None,
    server: Annotated[
        list[str] | None, typer.Option("--server", "-s", help="Only this server; may be given more than once.")
    ] = None,
    project: Project = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Move a client's servers behind the proxy: shows the change and asks; `disconnect` undoes it exactly."""
    with _told():
        from paste_mcp.connect import show
        from paste_mcp.connect.journal import Journal, config_folder
        from paste_mcp.connect.launcher import launcher
        from paste_mcp.connect.plan import carry_out, plan

        here, journal = machine(), Journal(config_folder(os.environ))
        console = _console(json)
        found = _found(clients, here, project)
        if not clients:
            found = _chosen(console, found, journal, here, json=json, ask=not (yes or dry_run))
        start, only = launcher(), frozenset(server or ())
        done: list[dict[str, Any]] = []
        for place in found:
            planned = plan(place, journal, start, os.environ, here.home, datetime.now(UTC), only)
            if missing := only - place.servers.keys() - planned.record.moved.keys():
                say(f"{place.site.words}: has no server {', '.join(sorted(missing))}")
            show.tell_plan(console, planned)
            if not planned.moved:
                console.print("  nothing to move\n")
                continue
            console.print(f"Started by {start.command}: {start.why}.", soft_wrap=True)
            carried = not dry_run and (yes or _agreed(f"Change {place.site.path}?"))
            if carried:
                carry_out(planned, journal)
                _tell_done(console, planned.site, planned.config)
            done.append(
                {**show.as_data(place.site, planned.moves, None), "config": str(planned.config), "done": carried}
                | {"backup": planned.record.backup if carried else None}
            )
        if json:
            print(jsons.dumps({"connect": done}))
        if clients and not done:
            raise typer.Exit(1)


def disconnect(
    clients: Clients = None, project: Project = None, yes: Yes = False, dry_run: DryRun = False, json: Json = False
) -> None:
    """Undo `connect`: the client's file becomes what it was; where it was edited since, only what is ours goes."""
    with _told():
        from paste_mcp.connect import show
        from paste_mcp.connect.journal import Journal, config_folder
        from paste_mcp.connect.undo import carry_out_undo, undo
        from paste_mcp.store.state import state_folder

        journal, console = Journal(config_folder(os.environ)), _console(json)
        folder = None if project is None else str(project.absolute())
        records = [record for record in journal.records() if folder is None or record.folder == folder]
        _known(clients)
        if clients:
            # Without --project the client's own servers are meant; a project's come back with that project's name.
            records = [r for r in records if r.client in clients and (folder is not None or r.folder is None)]
            for id in clients:
                if not any(record.client == id for record in records):
                    refuse(f"{id}: is not connected{_elsewhere(journal, id)}")
        elif not records:
            console.print("Nothing is connected.")
        done = []
        for record in records:
            planned = undo(record)
            show.tell_undo(console, planned)
            carried = not dry_run and (yes or _agreed(f"Change {planned.site.path}?"))
            if carried:
                before = len(planned.notes)
                carry_out_undo(planned, journal)
                for note in planned.notes[before:]:
                    console.print(f"  {note}", soft_wrap=True, markup=False)
                words = "is what it was, byte for byte" if planned.exact else "has its servers back"
                if planned.after is not None:
                    console.print(f"{planned.site.path} {words}.\n", soft_wrap=True, markup=False)
            done.append(
                {"client": record.client, "scope": record.scope, "file": record.file, "servers": list(record.moved)}
                | {"exact": planned.exact, "notes": planned.notes, "done": carried}
            )
        state = state_folder(os.environ)
        if any(one["done"] for one in done) and not journal.records() and state.exists():
            console.print(
                f"What was recorded and learnt stays in {state}; delete it to forget all of it.", markup=False
            )
        if json:
            print(jsons.dumps({"disconnect": done}))


def _elsewhere(journal: Any, id: str) -> str:
    folders = [record.folder for record in journal.records() if record.client == id and record.folder]
    return f"; in a project it is: --project {folders[0]}" if folders else ""


def _tell_done(console: Any, site: Site, config: Path) -> None:
    console.print(
        f"Connected. Now for {site.client.name}: {site.client.again}.\n"
        f"Nothing runs early yet; paste-mcp init --config {config} asks what may. Back: paste-mcp disconnect "
        f"{site.client.id}{f' --project {site.folder}' if site.folder else ''}\n",
        soft_wrap=True,
        markup=False,
    )
    if site.scope == "project":
        console.print("The file belongs to the project: whoever else uses it would need this paste-mcp, too.\n")


def _found(clients: list[str] | None, machine: Machine, project: Path | None) -> list[Found]:
    """What there is at the places that are meant. A named client whose file is missing is told."""
    from paste_mcp.connect.sites import ConnectError, look, sites

    _known(clients)
    if project is not None and not project.is_dir():
        refuse(f"--project {project}: there is no such folder")
    places = sites(machine, None if project is None else project.absolute())
    found = []
    for site in places:
        if clients and site.client.id not in clients:
            continue
        try:
            there = look(site)
        except ConnectError as error:
            if clients:
                raise
            say(str(error))
            continue
        if there is not None:
            found.append(there)
    for id in clients or ():
        if not any(there.site.client.id == id and there.servers for there in found):
            looked = sorted({str(site.path) for site in places if site.client.id == id})
            elsewhere = _with_projects(machine, id) if project is None else ""
            refuse(f"{id}: no servers found in {' or '.join(looked) or 'a project, where it has no file'}{elsewhere}")
    return found


def _with_projects(machine: Machine, id: str) -> str:
    """Where else this client keeps servers: a hint to be added to a message."""
    from paste_mcp.connect.clients import client
    from paste_mcp.connect.sites import projects

    row = client(id)
    folders = projects(machine, row) if row is not None else []
    more = f" (and for {len(folders) - 1} more projects)" if len(folders) > 1 else ""
    return f"; for a project there are: --project {shlex.quote(folders[0])}{more}" if folders else ""


def _known(clients: list[str] | None) -> None:
    from paste_mcp.config.errors import near
    from paste_mcp.connect.clients import CLIENTS

    ids = [row.id for row in CLIENTS]
    for id in clients or ():
        if id not in ids:
            meant = near(id, ids, cutoff=0.6)
            refuse(f"{id}: no such client; {f'did you mean {meant}?' if meant else 'choose from ' + ', '.join(ids)}")


def _chosen(console: Any, found: list[Found], journal: Any, machine: Machine, *, json: bool, ask: bool) -> list[Found]:
    """Show what there is, and ask which is meant. Where nobody can be asked, none is."""
    from paste_mcp.connect import show
    from paste_mcp.connect.clients import CLIENTS
    from paste_mcp.connect.moving import moves

    rows = [(there, moves(there, os.environ, machine.home), journal.record(there.site.id)) for there in found]
    if not rows:
        console.print("No client's servers were found on this machine. For a project's: --project DIR")
    else:
        console.print(show.table_of((there.site, decided, record) for there, decided, record in rows))
        console.print("In brackets: stays where it is. A project's own servers: --project DIR", style="dim")
    for id in sorted({row.id for row in CLIENTS}):
        if hint := _with_projects(machine, id):
            console.print(f"{id}{hint}", style="dim", soft_wrap=True, markup=False)
    if json:
        print(jsons.dumps({"found": [show.as_data(there.site, decided, record) for there, decided, record in rows]}))
        raise typer.Exit
    movable = [there for there, decided, _ in rows if any(move.reason is None for move in decided)]
    if not movable or not ask or not on_terminal():
        if movable:
            console.print(f"Name one: paste-mcp connect {movable[0].site.client.id}")
        raise typer.Exit
    answer = typer.prompt("Connect which? Names, or nothing", default="", show_default=False)
    wanted = answer.replace(",", " ").split()
    _known(wanted)
    return [there for there in movable if there.site.client.id in wanted]


def _agreed(question: str) -> bool:
    if not on_terminal():
        refuse("there is no terminal to ask on; --yes does it, --dry-run only shows it")
    return typer.confirm(question, default=False)


def on_terminal() -> bool:
    """There is somebody to ask."""
    return sys.stdin.isatty()


def machine() -> Machine:
    """This one."""
    from paste_mcp.connect.clients import Machine

    platform = sys.platform if sys.platform in ("darwin", "win32") else "linux"
    return Machine(platform, str(Path.home()), os.environ)  # type: ignore[arg-type]


def _console(json: bool) -> Any:
    from rich.console import Console

    return Console(stderr=json, highlight=False)


@contextmanager
def _told() -> Iterator[None]:
    """What cannot be done is told in one line."""
    from paste_mcp.connect.sites import ConnectError

    try:
        yield
    except ConnectError as error:
        refuse(str(error))
