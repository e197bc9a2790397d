"""The verbs, nothing else: arguments in, exit code out. What they do lives below.

Imports are made by the verb that needs them, so that `--help` and shell completion answer at once, and a config file
that cannot be used is told before the second that the SDK takes to import.

Exit codes: 0 done; 1 ran, and the answer is no; 2 the user's input cannot be used, told in one line on stderr.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from paste_mcp import __version__

if TYPE_CHECKING:
    from paste_mcp.config import Config
    from paste_mcp.core.patterns.language import Pattern

app = typer.Typer(
    name="paste-mcp",
    help="An MCP proxy that runs an agent's likely next read-only calls while the model still thinks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", help="The servers: an `mcpServers` JSON file, with an optional `paste` section."),
]
PatternsOption = Annotated[
    list[Path],
    typer.Option("--patterns", "-p", help="A YAML file of patterns of your own; may be given more than once."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one last line of JSON for programs.")]


def main() -> None:
    """The console script."""
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        # Typer keeps the class of its own errors to itself: a verb or an option that does not exist, a bad value.
        told = getattr(error, "format_message", None)
        if told is None:
            raise
        if message := " ".join(told().split()):
            _say(message)
        code = 2
    sys.exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"paste-mcp {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def serve(
    config: ConfigOption,
    transport: Annotated[
        Literal["stdio", "sse", "http"], typer.Option(help="How hosts reach the proxy; desktop clients use stdio.")
    ] = "stdio",
    host: Annotated[str, typer.Option(help="Address to listen on (sse, http); loopback only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on (sse, http).")] = 8765,
    patterns: PatternsOption = [],  # noqa: B006 - typer copies it
    speculation: Annotated[
        bool, typer.Option("--speculation/--no-speculation", help="Off: run nothing early, whatever the file says.")
    ] = True,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what guesses do, to stderr.")] = False,
) -> None:
    """Run the proxy in front of the configured servers. On stdio, stdout carries the protocol and nothing else."""
    _log_to_stderr(verbose)
    read = _read_config(config)

    import anyio

    from paste_mcp import app as root
    from paste_mcp.proxy.upstream import LOOPBACK

    if transport != "stdio" and host not in LOOPBACK:
        _refuse(f"--host {host}: only this machine may connect, since hosts are not authenticated; use 127.0.0.1")
    pool = _read_patterns(read, patterns)
    if not speculation:
        read = read.without_speculation()
    listener = None
    if transport != "stdio":
        try:
            listener = root.listen(host, port)
        except OSError as error:
            _refuse(f"--port {port}: {error.strerror or error}; choose another")
        path = "sse" if transport == "sse" else "mcp"
        print(f"paste-mcp listens on http://{host}:{port}/{path}", file=sys.stderr)
    proxy = root.build(read, pool, root.state_folder(os.environ))
    anyio.run(root.serve, proxy, transport, listener)


@app.command()
def check(
    config: ConfigOption,
    patterns: PatternsOption = [],  # noqa: B006 - typer copies it
    json: JsonOption = False,
) -> None:
    """Start the servers and show every tool, its hints, whether it may run early, and the line to change that."""
    _log_to_stderr(verbose=False)
    read = _read_config(config)

    import anyio

    from paste_mcp import app as root
    from paste_mcp.check import as_json, show
    from paste_mcp.proxy.inspect import inspect

    _read_patterns(read, patterns)
    reports = anyio.run(inspect, read, root.connectors(read))
    print(as_json(reports)) if json else show(read, reports)
    if any(report.problem for report in reports):
        raise typer.Exit(1)


@app.command()
def demo(
    latency: Annotated[
        float, typer.Option(min=0, max=60, help="Simulated network latency of the servers, seconds.")
    ] = 0.4,
    think: Annotated[float, typer.Option(min=0, max=60, help="Simulated thinking time of the model, seconds.")] = 0.6,
    json: JsonOption = False,
) -> None:
    """Three workflows on real servers, once without and once with speculation, side by side."""
    from paste_mcp.lab.demo import run

    _log_to_stderr(verbose=False)
    if not run(latency, think, json):
        raise typer.Exit(1)


def _read_config(path: Path) -> Config:
    from paste_mcp.config import ConfigError, load_config

    try:
        read = load_config(path, os.environ)
    except ConfigError as error:
        _refuse(str(error))
    for warning in read.warnings:
        _say(warning)
    return read


def _read_patterns(config: Config, files: list[Path]) -> list[Pattern]:
    from paste_mcp import app as root
    from paste_mcp.store.pattern_files import PatternFileError

    try:
        return root.read_patterns(config, files)
    except PatternFileError as error:
        _refuse(str(error))


def _refuse(message: str) -> NoReturn:
    _say(message)
    raise typer.Exit(2)


def _say(message: str) -> None:
    print(f"paste-mcp: {message}", file=sys.stderr)


def _log_to_stderr(verbose: bool) -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("paste_mcp").setLevel(logging.DEBUG if verbose else logging.INFO)
