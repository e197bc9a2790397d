"""The verbs that compare speculation with its rivals: on simulated time, and live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from paste_mcp.told import refuse, say

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


ThinkOption = Annotated[
    str, typer.Option(help="Thinking before each turn: a median in s, fixed:S, lognormal:MEDIAN,SIGMA, or a file.")
]
LatencyOption = Annotated[str, typer.Option(help="A server's work on a call, in the same forms.")]
SeedOption = Annotated[int, typer.Option(help="The same seed draws the same times.")]


def simulate(
    traces: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[TRACE]...", help="Recorded sessions, each file a set. None: the synthetic suite."),
    ] = None,
    policies: Annotated[str, typer.Option(help="Only these, like none,ours,oracle; empty: all that there are.")] = "",
    think: ThinkOption = "4",
    latency: LatencyOption = "1",
    start: Annotated[str, typer.Option(help="Until a server can be called first, in the same forms.")] = "fixed:0.5",
    sessions: Annotated[str, typer.Option(help="Sessions side by side; several numbers: one run for each.")] = "1",
    train: Annotated[
        list[Path],
        typer.Option("--train", help="Learn from these, not from each file's other tasks; several may follow."),
    ] = [],  # noqa: B006 - typer copies it
    folds: Annotated[int, typer.Option(min=2, max=20, help="Parts by task that are kept apart, without --train.")] = 5,
    by: Annotated[
        Literal["task", "model"],
        typer.Option(help="task: no task is on both sides. model: a task's runs by other models are learnt from."),
    ] = "task",
    online: Annotated[bool, typer.Option("--online", help="Learn on from one session to the next.")] = False,
    concurrency: Annotated[int, typer.Option(min=0, help="Calls that a server answers side by side; 0: all.")] = 16,
    rate: Annotated[float, typer.Option(min=0, help="Calls that a server begins in a second; 0: all.")] = 0.0,
    cancel: Annotated[bool, typer.Option(help="Servers drop a cancelled call, or work on it to the end.")] = True,
    shared: Annotated[bool, typer.Option("--shared", help="Sessions share servers; else each has its own.")] = False,
    total: Annotated[int | None, typer.Option(min=1, help="limits.total: guesses under way at once.")] = None,
    per_server: Annotated[int | None, typer.Option(min=1, help="limits.per_server: of these, on a server.")] = None,
    launch_cost: Annotated[float, typer.Option(min=0, help="Seconds of the proxy's work on a guess.")] = 0.001,
    seed: SeedOption = 0,
    scale: Annotated[bool, typer.Option("--scale", help="Instead: what a decision costs among 1 to 10,000.")] = False,
    json: JsonOption = False,
) -> None:
    """What speculation gains on recorded sessions, beside its rivals, a perfect one, and an always wrong one."""
    from paste_mcp.lab.evaluate.run import EvaluationError
    from paste_mcp.lab.simulate import scale as scaling
    from paste_mcp.lab.simulate import verb
    from paste_mcp.lab.simulate.run import SimulationError
    from paste_mcp.lab.simulate.servers import Capacity
    from paste_mcp.store.traces import TraceError

    capacity = Capacity(concurrency, rate, cancel)
    options = verb.Options(
        policies=policies, think=think, latency=latency, start=start, sessions=sessions, train=train, folds=folds,
        by=by, online=online, capacity=capacity, shared=shared, total=total, per_server=per_server,
        launch_cost_s=launch_cost, seed=seed,
    )  # fmt: skip
    try:
        if scale:
            scaling.run(to_json=json)
        else:
            verb.run(traces or (), options, json=json)
    except (TraceError, EvaluationError, SimulationError) as error:
        refuse(str(error))


def live(
    trace: Annotated[
        Path | None, typer.Option(help="Recorded sessions to hold live, each as long as its thinking takes.")
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=1000, help="So many sessions of the trace.")] = 4,
    think: ThinkOption = "0.6",
    latency: LatencyOption = "0.4",
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """The same through the real proxy, the official client and replayed servers; is the simulation right?"""
    from paste_mcp.lab.simulate.live import run
    from paste_mcp.lab.simulate.live_session import LiveError
    from paste_mcp.lab.simulate.run import SimulationError
    from paste_mcp.lab.simulate.times import Times
    from paste_mcp.lab.simulate.verb import seconds_of
    from paste_mcp.store.traces import TraceError

    try:
        times = Times(str(seed), seconds_of("--think", think), seconds_of("--latency", latency))
        close = run(trace, most, times, latency, json_line=json)
    except (TraceError, SimulationError) as error:
        refuse(str(error))
    except LiveError as error:
        say(str(error))
        raise typer.Exit(1) from None
    if not close:
        raise typer.Exit(1)
