"""`paste-mcp bench ...`: what it costs and what it brings, measured on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, TypeVar

import typer

from paste_mcp.cli_simulate import live
from paste_mcp.told import refuse, say

bench = typer.Typer(help="Measure it on this machine.", no_args_is_help=True)
bench.command("live")(live)

Thing = TypeVar("Thing")


@bench.command()
def overhead(
    vs: Annotated[
        str, typer.Option(help="Other proxies to compare with (fastmcp, mcp-proxy), each installed apart when needed.")
    ] = "",
    only: Annotated[str, typer.Option(help="Of stdio, http_stdio and http_http only these, for a shorter run.")] = "",
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often everything is measured in turn.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="Print one last line of JSON for programs.")] = False,
) -> None:
    """What the proxy costs: against no proxy, against the least any relay can cost, and against other proxies."""
    from paste_mcp.lab.overhead.peers import PEERS
    from paste_mcp.lab.overhead.run import run
    from paste_mcp.lab.overhead.running import OverheadError
    from paste_mcp.lab.overhead.subjects import ROUTES

    if os.name != "posix":
        refuse("bench overhead: waits on pipes as only POSIX systems can; run it on Linux or macOS")
    peers = _chosen("--vs", vs, PEERS)
    routes = _chosen("--only", only, {route.name: route for route in ROUTES}) or list(ROUTES)
    try:
        run(routes, peers, rounds, json)
    except OverheadError as error:
        say(str(error))
        raise typer.Exit(1) from None


def _chosen(option: str, names: str, known: Mapping[str, Thing]) -> list[Thing]:
    """What is known by these names, in the order of what is known."""
    wanted = {name.strip() for name in names.split(",") if name.strip()}
    if unknown := wanted - known.keys():
        refuse(f"{option} {', '.join(sorted(unknown))}: not known; choose from {', '.join(known)}")
    return [thing for name, thing in known.items() if name in wanted]
