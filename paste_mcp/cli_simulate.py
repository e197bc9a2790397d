"""The verbs that compare speculation with its rivals: on simulated time, and live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from paste_mcp.told import refuse

JsonOption = Annotated[bool, typer.Option("--json", help="Print one last line of JSON for programs.")]


class SeveralValues(TyperCommand):
    """`--train A B --test C` means `--train A --train B --test C`, as people write lists of files."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each further value of `--train` and `--test`."""
        spread: list[str] = []
        option: str | None = None
        for value in args:
            if value.startswith("-"):
                option = value if value in ("--train", "--test") else None
            elif option is not None and spread[-1] != option:
                spread.append(option)
            spread.append(value)
        return super().parse_args(ctx, spread)


def simulate(
    traces: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[TRACE]...", help="Recorded sessions, each file a set. None: the synthetic suite."),
    ] = None,
    policies: Annotated[
        str,
        typer.Option(help="Of none, orion, specfaas, bigram, paste, ours, oracle, all-wrong, none-again only these."),
    ] = "",
    think: Annotated[
        str, typer.Option(help="Thinking before each turn: a median in s, fixed:S, lognormal:MEDIAN,SIGMA, or a file.")
    ] = "4",
    latency: Annotated[str, typer.Option(help="A server's work on a call, in the same forms.")] = "1",
    start: Annotated[
        str, typer.Option(help="Until a session can call a server for the first time, in the same forms.")
    ] = "fixed:0.5",
    sessions: Annotated[str, typer.Option(help="Sessions side by side; several numbers: one run for each.")] = "1",
    train: Annotated[
        list[Path],
        typer.Option("--train", help="Learn from these instead of each file's other tasks; several may follow."),
    ] = [],  # noqa: B006 - typer copies it
    folds: Annotated[int, typer.Option(min=2, max=20, help="Parts by task that are kept apart, without --train.")] = 5,
    by: Annotated[
        Literal["task", "model"],
        typer.Option(help="task: no task is on both sides. model: a task's runs by other models are learnt from."),
    ] = "task",
    online: Annotated[bool, typer.Option("--online", help="Learn on from one session to the next.")] = False,
    concurrency: Annotated[int, typer.Option(min=0, help="Calls that a server answers side by side; 0: all.")] = 16,
    rate: Annotated[float, typer.Option(min=0, help="Calls that a server begins in a second; 0: all.")] = 0.0,
    cancel: Annotated[
        bool, typer.Option("--cancel/--no-cancel", help="Servers drop a cancelled call, or work on it to the end.")
    ] = True,
    total: Annotated[int | None, typer.Option(min=1, help="limits.total: guesses under way at once.")] = None,
    per_server: Annotated[int | None, typer.Option(min=1, help="limits.per_server: of these, on one server.")] = None,
    launch_cost: Annotated[
        float, typer.Option(min=0, help="Seconds of the proxy's work for each guess (`bench live` measures them).")
    ] = 0.001,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 0,
    json: JsonOption = False,
) -> None:
    """What speculation gains on recorded sessions, beside its rivals, a perfect one, and an always wrong one."""
    from dataclasses import replace

    from paste_mcp.core.speculation.settings import Limits
    from paste_mcp.lab.evaluate.run import EvaluationError
    from paste_mcp.lab.simulate import verb
    from paste_mcp.lab.simulate.run import SimulationError
    from paste_mcp.lab.simulate.servers import Capacity
    from paste_mcp.store.traces import TraceError

    limits = Limits()
    limits = replace(limits, total=total or limits.total, per_server=per_server or limits.per_server)
    options = verb.Options(
        think=think,
        latency=latency,
        start=start,
        sessions=sessions,
        train=train,
        folds=folds,
        by=by,
        online=online,
        capacity=Capacity(concurrency, rate, cancel),
        limits=limits,
        launch_cost_s=launch_cost,
        seed=seed,
    )
    if policies:
        options = replace(options, policies=policies)
    try:
        verb.run(traces or (), options, json=json)
    except (TraceError, EvaluationError, SimulationError) as error:
        refuse(str(error))
