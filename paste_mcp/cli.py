"""The verbs, nothing else: arguments in, exit code out. What they do lives below.

Imports are made by the verb that needs them, so that `--help` and shell completion answer at once, and a config file
that cannot be used is told before the second that the SDK takes to import.

Exit codes: 0 done; 1 ran, and the answer is no; 2 the user's input cannot be used, told in one line on stderr.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from paste_mcp.cli_bench import bench
from paste_mcp.cli_connect import connect, disconnect
from paste_mcp.cli_dashboard import dashboard
from paste_mcp.cli_patterns import patterns_app
from paste_mcp.cli_report import report, stats
from paste_mcp.cli_setup import doctor, init
from paste_mcp.cli_simulate import SeveralValues, simulate
from paste_mcp.logs import log_to_stderr
from paste_mcp.told import refuse, say
from paste_mcp.version import __version__

if TYPE_CHECKING:
    from paste_mcp.config import Config
    from paste_mcp.core.patterns.language import Pattern
    from paste_mcp.store.reviewed import Reviewed

app = typer.Typer(
    name="paste-mcp",
    help="An MCP proxy that runs an agent's likely next read-only calls while the model still thinks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(bench, name="bench")
app.add_typer(patterns_app, name="patterns")
for verb in (connect, disconnect, init, doctor, stats, report, dashboard):
    app.command()(verb)
app.command(cls=SeveralValues)(simulate)

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
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        # Typer keeps the class of its own errors to itself: a verb or an option that does not exist, a bad value.
        told = getattr(error, "format_message", None)
        if told is None:
            raise
        if message := " ".join(told().split()):
            say(message)
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
    host: Annotated[
        str, typer.Option(help="Address to listen on (sse, http); beyond this machine only with `auth`.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on (sse, http).")] = 8765,
    patterns: PatternsOption = [],  # noqa: B006 - typer copies it
    speculation: Annotated[
        bool, typer.Option("--speculation/--no-speculation", help="Off: run nothing early, whatever the file says.")
    ] = True,
    ab: Annotated[
        int | None, typer.Option(min=0, max=100, help="Percent of sessions that speculate, to compare with the rest.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what guesses do, to stderr.")] = False,
    log: Annotated[Literal["text", "json"], typer.Option(help="How to log: for people, or for machines.")] = "text",
) -> None:
    """Run the proxy in front of the configured servers. On stdio, stdout carries the protocol and nothing else."""
    log_to_stderr(verbose=verbose, as_json=log == "json")
    with _no_garbage():
        read = _read_config(config)

        import anyio

        from paste_mcp import app as root
        from paste_mcp.proxy.access import LOOPBACK
        from paste_mcp.proxy.telemetry import opened
        from paste_mcp.store.state import state_folder

    if transport != "stdio" and host not in LOOPBACK and read.paste.auth is None:
        refuse(
            f'--host {host}: whoever can reach it could use every server; say who may, by "auth" in the file\'s '
            '"paste" section, or use 127.0.0.1'
        )
    pool = _read_patterns(read, patterns)
    if not speculation:
        read = read.without_speculation()
    if ab is not None:
        read = read.split(ab)
    listener = None
    if transport != "stdio":
        try:
            listener = root.listen(host, port)
        except OSError as error:
            refuse(f"--port {port}: {error.strerror or error}; choose another")
        path = "sse" if transport == "sse" else "mcp"
        print(f"paste-mcp listens on http://{host}:{port}/{path}", file=sys.stderr)
    state, reviewed, telemetry = state_folder(os.environ), _read_reviewed(read), opened(os.environ)
    proxy = root.build(read, pool, state, reviewed=reviewed, files=patterns, telemetry=telemetry)
    anyio.run(root.serve, proxy, transport, listener, host)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """What is made here is there to stay: neither now nor later is it looked through for garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@app.command()
def check(
    config: ConfigOption,
    patterns: PatternsOption = [],  # noqa: B006 - typer copies it
    accept: Annotated[
        bool, typer.Option("--accept", help="Tools that changed since you first used them are right as they are now.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Start the servers and show every tool, its hints, whether it may run early, and the line to change that."""
    log_to_stderr(verbose=False)
    read = _read_config(config)

    import anyio

    from paste_mcp import app as root
    from paste_mcp.check import as_json, show
    from paste_mcp.proxy.inspect import inspect
    from paste_mcp.store.state import state_folder

    _read_patterns(read, patterns)
    state, reviewed = state_folder(os.environ), _read_reviewed(read)
    vetting = root.vetting(read, reviewed, state)
    reports = anyio.run(partial(inspect, read, root.connectors(read, state, reviewed), vetting, accept=accept))
    print(as_json(reports)) if json else show(read, reports)
    if any(report.problem for report in reports):
        raise typer.Exit(1)


@app.command()
def login(
    server: Annotated[str, typer.Argument(metavar="SERVER", help="Its name in the file.")],
    config: ConfigOption,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser; else only say where.")
    ] = True,
    forget: Annotated[bool, typer.Option("--forget", help="Forget the login instead.")] = False,
) -> None:
    """Log in to a remote server that wants it (`"auth": "oauth"` in its entry); the proxy then uses that login."""
    log_to_stderr(verbose=False)
    read = _read_config(config)
    entry = read.servers.get(server)
    if entry is None:
        refuse(f"{server}: there is no such server in {config}; it has {', '.join(read.servers)}")
    if entry.auth is None:
        refuse(f'{server}: its entry does not ask for a login; write "auth": "oauth" there if it needs one')

    import anyio

    from paste_mcp import app as root
    from paste_mcp.login import Refused
    from paste_mcp.login import login as log_in
    from paste_mcp.store.state import state_folder

    file = root.login_file(state_folder(os.environ), server, entry)
    if forget:
        say(f"{server}: {'forgotten' if file.forget() else 'there was no login'}")
        return

    async def run() -> bool:
        return await log_in(entry, file, browser=browser, tell=say)

    try:
        needed = anyio.run(run)
    except (Refused, OSError) as error:
        say(f"{server}: {error}")
        raise typer.Exit(1) from None
    say(f"{server}: {f'logged in; kept in {file.path}' if needed else 'it lets us in without a login'}")


@app.command()
def demo(
    latency: Annotated[
        float, typer.Option(min=0, max=60, help="Simulated network latency of the servers, seconds.")
    ] = 0.4,
    think: Annotated[float, typer.Option(min=0, max=60, help="Simulated thinking time of the model, seconds.")] = 0.6,
    keep: Annotated[
        Path | None, typer.Option(help="A folder to keep the records in, for `stats` and `report`.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Three workflows on real servers, once without and once with speculation, side by side."""
    from paste_mcp.lab.demo import run

    log_to_stderr(verbose=False)
    if not run(latency, think, json, keep):
        raise typer.Exit(1)


@app.command(cls=SeveralValues)
def evaluate(
    train: Annotated[list[Path], typer.Option("--train", help="Traces to learn from; several may follow.")],
    test: Annotated[list[Path], typer.Option("--test", help="Traces to foresee, each a set; several may follow.")],
    folds: Annotated[int, typer.Option(min=0, max=20, help="Keep so many parts apart; 0: learn from all.")] = 0,
    by: Annotated[
        Literal["task", "model"],
        typer.Option(help="task: no task is on both sides. model: a task's runs by other models are learnt from."),
    ] = "task",
    top: Annotated[int, typer.Option(min=1, max=5, help="Guesses that one turn may make.")] = 3,
    max_waste: Annotated[float, typer.Option(min=0, max=1000, help="Guesses for nothing, per hit, at most.")] = 3.0,
    online: Annotated[bool, typer.Option("--online", help="Learn on from one tested session to the next.")] = False,
    alone: Annotated[bool, typer.Option("--alone", help="Leave out the baselines: much quicker.")] = False,
    misses: Annotated[bool, typer.Option("--misses", help="Say what the other calls would have needed.")] = False,
    dump: Annotated[Path | None, typer.Option(help="Write every guess to this file, one JSON line each.")] = None,
    json: JsonOption = False,
) -> None:
    """How many calls of recorded sessions are foreseen whole, at what waste, beside simpler ways and a perfect one."""
    from paste_mcp.lab.evaluate import run
    from paste_mcp.lab.evaluate.judging import Asked
    from paste_mcp.store.traces import TraceError

    split = run.Split(folds, by)
    try:
        run.run(train, test, split, Asked(top, max_waste), online=online, alone=alone, why=misses, dump=dump, json=json)
    except (TraceError, run.EvaluationError) as error:
        refuse(str(error))


@app.command()
def mine(
    traces: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[TRACE]...",
            help="Traces, records of paste-mcp, logs of Claude Code or Codex, or folders of them. None: your own.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the patterns to this YAML file.")] = None,
    keep: Annotated[bool, typer.Option("--keep/--no-keep", help="Learn for the proxy's next start.")] = True,
    history: Annotated[
        bool, typer.Option("--history", help="Learn short texts that calls sent, too; never what looks like a secret.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Learn from sessions of the past: those that you name, or those that are found on this machine."""
    from paste_mcp import mine as mining
    from paste_mcp.store.history.logs import logs_at, own_logs
    from paste_mcp.store.learnt import StoreError
    from paste_mcp.store.state import learnt_store, state_folder

    state = state_folder(os.environ)
    if traces:
        logs = logs_at(traces)
    else:
        found = own_logs(state, os.environ, Path.home())
        logs = [log for those in found.values() for log in those]
        print(mining.found_in_words(found), file=sys.stderr)
    store = learnt_store(state) if keep else None
    try:
        mined = mining.mine(logs, store, history=history, show=sys.stderr.isatty())
        if output is not None:
            mining.write_patterns(mined, output)
    except (StoreError, OSError) as error:
        refuse(str(error))
    for problem in mined.problems if traces else ():
        say(problem)
    kept = store.path if store is not None else None
    mining.tell(mined, kept, output)
    if json:
        print(mining.as_json(mined, kept, output))
    if traces and not mined.logs:
        raise typer.Exit(2)


@app.command()
def explain(
    record: Annotated[Path, typer.Argument(help="A record of paste-mcp, a trace, or a log of Claude Code or Codex.")],
    call: Annotated[int | None, typer.Option(min=0, help="One call, with all there is to say; counted from 0.")] = None,
    session: Annotated[str | None, typer.Option(help="Only sessions whose id contains this.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="The servers: what they say of their tools, what you allow.")
    ] = None,
    patterns: PatternsOption = [],  # noqa: B006 - typer copies it
    json: JsonOption = False,
) -> None:
    """Why each call of a recorded session would be foreseen now, by what, or what it would have taken."""
    read = None if config is None else _read_config(config)
    pool = _read_patterns(read, patterns)

    import time

    from paste_mcp import explain as explaining
    from paste_mcp.store.learnt import StoreError
    from paste_mcp.store.state import state_folder
    from paste_mcp.store.traces import TraceError

    try:
        known = explaining.knowledge(read, pool, state_folder(os.environ), int(time.time() // 86_400))
        explaining.run(record, known, session=session, call=call, json=json)
    except (StoreError, TraceError, explaining.CannotExplainError) as error:
        refuse(str(error))


def _read_config(path: Path) -> Config:
    from paste_mcp.config import ConfigError, load_config

    try:
        read = load_config(path, os.environ)
    except ConfigError as error:
        refuse(str(error))
    for warning in read.warnings:
        say(warning)
    return read


def _read_patterns(config: Config | None, files: list[Path]) -> list[Pattern]:
    from paste_mcp import app as root
    from paste_mcp.store.pattern_files import PatternFileError
    from paste_mcp.store.state import state_folder

    try:
        return root.read_patterns(config, files, state_folder(os.environ))
    except PatternFileError as error:
        refuse(str(error))


def _read_reviewed(config: Config) -> Reviewed:
    from paste_mcp import app as root
    from paste_mcp.store.reviewed import CatalogueError

    try:
        return root.read_reviewed(config)
    except CatalogueError as error:
        refuse(str(error))
