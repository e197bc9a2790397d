"""`paste-mcp init` and `doctor`: a config file made by asking, and a set-up examined."""

from __future__ import annotations

import json as jsons
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from paste_mcp.cli_connect import machine, on_terminal
from paste_mcp.told import refuse, say


def init(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The file to write; by default servers.json in your config folder."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: every server in shadow.")] = False,
) -> None:
    """Ask, server by server, what may run early, and write a config file that explains itself."""
    if not yes and not on_terminal():
        refuse("init asks questions, and there is no terminal; --yes writes the defaults (every server in shadow)")
    from paste_mcp.config import ConfigError, parse_config
    from paste_mcp.config.jsonc import read_jsonc
    from paste_mcp.connect.journal import Journal, config_folder, replace_file
    from paste_mcp.connect.sites import ConnectError, owner_of
    from paste_mcp.init import starting_text, with_policies

    path = (config or Journal(config_folder(os.environ)).folder / "servers.json").absolute()
    if owner := owner_of(path, machine()):
        refuse(f"{path}: is a file of {owner.name}; run: paste-mcp connect {owner.id}, then init on the file it writes")
    try:
        there = path.exists()
        text = starting_text(path, machine(), os.environ, say)
        read = parse_config(read_jsonc(text, str(path)), str(path), os.environ, path.parent)
        if not yes:
            policies, reports = _asked(read)
            text = with_policies(text, policies, reports, str(path))
        elif there:
            refuse(f"{path}: is there already; without --yes its servers are asked about")
        read = parse_config(read_jsonc(text, str(path)), str(path), os.environ, path.parent)
        if there:
            replace_file(path.with_name(f"{path.name}.bak"), path.read_bytes())
        replace_file(path, text.encode())
    except (ConfigError, ConnectError) as error:
        refuse(str(error))
    print(f"{path} written: {', '.join(f'{alias} {read.policy(alias).mode}' for alias in read.servers)}")
    print(f"See it: paste-mcp check --config {path}")


def _asked(read: Any) -> tuple[dict[str, Any], list[Any]]:
    """The user's word on each server, with its tools in view."""
    import logging

    import anyio
    from rich.console import Console

    from paste_mcp import app as root
    from paste_mcp.check import show_server
    from paste_mcp.init import decided
    from paste_mcp.proxy.inspect import inspect
    from paste_mcp.store.state import state_folder

    logging.basicConfig(level=logging.CRITICAL)  # what does not start is shown with the others
    console = Console()
    with console.status("starting the servers"):
        reports = anyio.run(inspect, read, root.connectors(read, state_folder(os.environ)))
    policies = {}
    for report in reports:
        show_server(console, report)
        if report.problem is None:
            policies[report.alias] = decided(report, _Terminal())
    return policies, reports


class _Terminal:
    """The user at his terminal."""

    def confirm(self, question: str) -> bool:
        return typer.confirm(question, default=False)

    def prompt(self, question: str) -> str:
        return str(typer.prompt(question, default="", show_default=False))


def doctor(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Examine this file; by default those that clients name.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one last line of JSON for programs.")] = False,
) -> None:
    """Find what is wrong: clients' entries, runtimes, config, servers (which are started); and say what mends it."""
    import logging
    from dataclasses import asdict

    from rich.console import Console

    from paste_mcp.connect.journal import Journal, config_folder
    from paste_mcp.doctor import Doctor
    from paste_mcp.store.state import state_folder

    logging.basicConfig(level=logging.CRITICAL)
    examined = Doctor(machine(), os.environ, Journal(config_folder(os.environ)), state_folder(os.environ))
    console = Console(stderr=json, highlight=False)
    with console.status("looking"):
        examined.examine(config, Path.cwd())
    problems = [finding for finding in examined.findings if finding.level == "problem"]
    for finding in examined.findings:
        style = "red" if finding.level == "problem" else "yellow"
        console.print(f"[{style}]{finding.level}[/{style}]  ", end="")
        console.print(f"{finding.about}: {finding.what}\n         {finding.remedy}", markup=False, soft_wrap=True)
    if not examined.findings:
        console.print("Nothing is wrong.")
    if json:
        print(jsons.dumps({"findings": [asdict(finding) for finding in examined.findings]}))
    if problems:
        raise typer.Exit(1)
