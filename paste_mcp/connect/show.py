"""What the user sees of a connection: what moves and what stays, and the change itself, without secrets."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from paste_mcp.connect.journal import Record
from paste_mcp.connect.moving import ENTRY, Move
from paste_mcp.connect.plan import Plan
from paste_mcp.connect.sites import Site
from paste_mcp.connect.toml import HIDDEN
from paste_mcp.connect.undo import Undo
from paste_mcp.store.secrets import is_secret, names_secret

_SECRET_KEYS = ("env", "headers", "http_headers")
_VARIABLE_ONLY = re.compile(r"(?:[A-Za-z]+ )?\$(?:\{[\w:.-]+\}|\w+)")
_ASSIGNED = re.compile(r"(?P<name>-{0,2}[\w-]+)(?P<sign>[=:]\s*)(?P<value>.+)", re.DOTALL)
_COMMENT = re.compile(r"^(\s*(?://|#|/\*)).*|(?<=\s)((?://|#|/\*)\s).*")


def shown(name: str, path: tuple[str, ...], value: str, before: str) -> str | None:
    """What stands on the screen for a text of a server's entry; None for itself. What may be a secret is hidden."""
    if name == ENTRY and path[:1] != ("env",):
        return None
    if path[:1] and path[0] in _SECRET_KEYS:
        return None if _VARIABLE_ONLY.fullmatch(value) else HIDDEN
    if "://" in value and not _has_blank(value):
        return _shown_url(value)
    if before.startswith("-") and "=" not in before and names_secret(before) and not _VARIABLE_ONLY.fullmatch(value):
        return HIDDEN
    if (said := _ASSIGNED.fullmatch(value)) and names_secret(said["name"]):
        return f"{said['name']}{said['sign']}{HIDDEN}"
    return HIDDEN if is_secret(value) and not _is_plain_path(value) else None


def _has_blank(text: str) -> bool:
    return any(sign.isspace() for sign in text)


def _is_plain_path(text: str) -> bool:
    """A path whose every part is a word, however long it is together."""
    parts = re.split(r"[/\\]", text)
    return len(parts) > 1 and not any(is_secret(part) for part in parts)


def _shown_url(url: str) -> str | None:
    """The URL without the user and the query's values; None where it has neither."""
    try:
        parts = urlsplit(url)
        user = parts.username is not None
    except ValueError:
        return HIDDEN
    path = "/".join(HIDDEN if is_secret(part) else part for part in parts.path.split("/"))
    query = re.sub(r"=[^&]*", f"={HIDDEN}", parts.query)
    if not user and path == parts.path and query == parts.query:
        return None
    host = f"{HIDDEN}@{parts.netloc.rpartition('@')[2]}" if user else parts.netloc
    return f"{parts.scheme}://{host}{path}" + (f"?{query}" if query else "")


def servers_shown(site: Site, data: bytes) -> list[str]:
    """The lines of the file that are about servers, as they may be shown."""
    text = data.decode("utf-8")
    lines = site.format.region(text, site.keys, str(site.path), shown).splitlines()
    return [
        _COMMENT.sub(lambda found: f"{found[1] or found[2]} {HIDDEN}", line) if is_secret(line) else line
        for line in lines
    ]


def diff(console: Console, site: Site, before: bytes, after: bytes) -> None:
    """Print what changes of the file, secrets hidden."""
    old, new = servers_shown(site, before), servers_shown(site, after)
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]:
        console.print(Text(line, style=colours.get(line[:1], "dim")), soft_wrap=True)


def tell_plan(console: Console, plan: Plan) -> None:
    """Print what connecting one place does."""
    console.print(f"[bold]{escape(plan.site.words)}[/bold]  {escape(str(plan.site.path))}", soft_wrap=True)
    for move in plan.moves:
        console.print(_line(move), soft_wrap=True)
    if plan.moved:
        diff(console, plan.site, plan.on_disk, plan.after)
        console.print(f"The servers go to {escape(str(plan.config))}, for you alone to read.", soft_wrap=True)
        console.print(
            "They get the variables that their entries name and what it takes to run here (PATH, proxies and so on), "
            "not all of the client's environment.",
            soft_wrap=True,
        )
    for move in plan.moved:
        if move.may_sign_in:
            console.print(
                f'If {move.name} wants a login: write "auth": "oauth" for {move.alias} there, then '
                f"paste-mcp login {move.alias} --config {plan.config}",
                soft_wrap=True,
                markup=False,
            )
    if any(move.approved for move in plan.moved):
        console.print(f"{plan.site.client.name} will ask anew before calls that you had approved for good.")


def _line(move: Move) -> Text:
    if move.reason is not None:
        return Text.assemble("  stays  ", move.name, (f": {move.reason}", "dim"))
    return Text.assemble("  moves  ", move.name, (f" as {move.alias}" if move.alias != move.name else "", "dim"))


def tell_undo(console: Console, undo: Undo) -> None:
    """Print what undoing one connection does."""
    console.print(f"[bold]{escape(undo.site.words)}[/bold]  {escape(str(undo.site.path))}", soft_wrap=True)
    for note in undo.notes:
        console.print(f"  {escape(note)}", soft_wrap=True)
    if undo.on_disk is not None and undo.after is not None:
        diff(console, undo.site, undo.on_disk, undo.after)


def table_of(rows: Iterable[tuple[Site, list[Move], Record | None]]) -> Table:
    """The places that were found: where, what can move, what is connected."""
    table = Table(header_style="bold", pad_edge=False, box=None)
    for column in ("client", "servers", "file", "connected"):
        table.add_column(column, overflow="fold")
    for site, moves, record in rows:
        names = ", ".join(move.name if move.reason is None else f"({move.name})" for move in moves) or "none"
        since = "" if record is None else f"yes: {', '.join(record.moved)}"
        table.add_row(escape(site.client.id), escape(names), escape(str(site.path)), escape(since))
    return table


def as_data(site: Site, moves: list[Move], record: Record | None) -> dict[str, Any]:
    """One place, for programs. Names only: no value of an entry is in it."""
    return {
        "client": site.client.id,
        "scope": site.scope,
        "file": str(site.path),
        "moves": {move.name: move.alias for move in moves if move.reason is None},
        "stays": {move.name: move.reason for move in moves if move.reason is not None},
        "connected": None if record is None else {"config": record.config, "servers": list(record.moved)},
    }
