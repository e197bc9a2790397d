"""The demonstration: scripted agents on real servers through the real proxy over stdio, without and with speculation.

Measured are whole workflows, thinking included. What is simulated is the model (a script and a pause) and the
network (a pause in the example servers); everything else is what a user runs.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from paste_mcp.data import data_path
from paste_mcp.lab.drawing import show
from paste_mcp.lab.runs import Comparison, Run, Step
from paste_mcp.lab.workflows import WORKFLOWS, Script, Workflow

LONGEST_S = 1800.0


def run(latency_s: float, think_s: float, as_json: bool, keep: Path | None = None) -> bool:
    """Run and show everything; True if speculation changed no result. With `as_json` stdout gets one line of JSON and
    stderr the rest. `keep`: a state folder that the records of the runs with speculation are put into.
    """
    console = Console(stderr=as_json)
    console.print(
        f"Three workflows, each without and with speculation. Real servers, real proxy, official client.\n"
        f"Simulated: {latency_s:g} s network latency per tool call, {think_s:g} s thinking before each call.\n"
    )
    comparisons = anyio.run(_compare_all, latency_s, think_s, console, keep)
    show(console, comparisons)
    if keep is not None:
        console.print(f"The records are in {keep}: PASTE_MCP_STATE_DIR={keep} paste-mcp report")
    if as_json:
        rows = [comparison.as_json() for comparison in comparisons]
        print(json.dumps({"workflows": rows, "latency_s": latency_s, "think_s": think_s}))
    return all(comparison.identical for comparison in comparisons)


async def _compare_all(latency_s: float, think_s: float, console: Console, keep: Path | None) -> list[Comparison]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    folder = Path(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="paste-mcp-demo-")))
    try:
        with Progress(*columns, console=console) as progress, anyio.fail_after(LONGEST_S):
            bar = progress.add_task("preparing the example servers", total=1 + len(WORKFLOWS))
            await _prepare()
            comparisons = []
            for workflow in WORKFLOWS:
                progress.update(bar, advance=1, description=workflow.name)
                comparisons.append(await _compare(folder / workflow.name, workflow, latency_s, think_s))
            progress.update(bar, advance=1, description="done")
        if keep is not None:
            await anyio.to_thread.run_sync(_keep, folder, keep)
        return comparisons
    finally:
        await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


def _keep(folder: Path, state: Path) -> None:
    """Copy the records of the runs with speculation, and their audit log."""
    for kind in ("sessions", "audit"):
        (state / kind).mkdir(mode=0o700, parents=True, exist_ok=True)
        for record in folder.glob(f"*/True/state/{kind}/*.jsonl"):
            shutil.copy2(record, state / kind)


async def _prepare() -> None:
    """Have the research server build its index (kept for next time), so that no run is charged with it."""
    server = StdioServerParameters(command=sys.executable, args=[str(data_path("servers") / "research")])
    async with Client(server) as client:
        await client.call_tool("search", {"query": "anything"})


@dataclass(slots=True)
class _Turn:
    """When a run that has its proxy ready may begin, and has ended."""

    ready: anyio.Event = field(default_factory=anyio.Event)
    begin: anyio.Event = field(default_factory=anyio.Event)
    ended: anyio.Event = field(default_factory=anyio.Event)


async def _compare(folder: Path, workflow: Workflow, latency_s: float, think_s: float) -> Comparison:
    """The workflow without, then with speculation, each through a proxy of its own on a fresh copy of the project.

    The proxies start side by side, since starting takes longest; the runs follow one another.
    """
    without, with_ = Run(), Run()
    turns = [_Turn(), _Turn()]
    async with anyio.create_task_group() as tasks:
        for run, turn, speculate in ((without, turns[0], False), (with_, turns[1], True)):
            tasks.start_soon(_run, folder / str(speculate), workflow, speculate, latency_s, think_s, run, turn)
        for turn in turns:
            await turn.ready.wait()
        for turn in turns:
            turn.begin.set()
            await turn.ended.wait()
    return Comparison(workflow.name, without, with_)


async def _run(
    folder: Path, workflow: Workflow, speculate: bool, latency_s: float, think_s: float, run: Run, turn: _Turn
) -> None:
    state = folder / "state"
    proxy = await anyio.to_thread.run_sync(_set_up, folder, workflow, speculate, latency_s, state)
    async with Client(proxy) as client:
        await client.list_tools()
        turn.ready.set()
        await turn.begin.wait()
        await _act(client, workflow.script(), think_s, run)
        turn.ended.set()
    _read_record(state, run)


def _set_up(folder: Path, workflow: Workflow, speculate: bool, latency_s: float, state: Path) -> StdioServerParameters:
    """A copy of the sample project, a configuration, and how to start the proxy with it."""
    shutil.copytree(data_path("servers") / "workspace" / "sample", folder / "project")
    config = folder / "servers.json"
    entry = demo_server(workflow.server, folder / "project", speculate, latency_s)
    config.write_text(json.dumps({"mcpServers": {workflow.server: entry}}, indent=2))
    arguments = ["-m", "paste_mcp", "serve", "--config", str(config)]
    return StdioServerParameters(command=sys.executable, args=arguments, env={"PASTE_MCP_STATE_DIR": str(state)})


def demo_server(name: str, project: Path, speculate: bool, latency_s: float) -> dict[str, Any]:
    """An example server's entry in the configuration. Running the tests is arbitrary code: it may run early because
    this entry names it, and for no other reason.
    """
    speculation: Any = "annotated"
    arguments = [str(data_path("servers") / name), "--latency", str(latency_s)]
    if name == "workspace":
        arguments += [str(project), "--test-runner", "unittest"]
        speculation = {"mode": "annotated", "allow": ["run_tests"]}
    return {"command": sys.executable, "args": arguments, "speculation": speculation if speculate else "off"}


async def _act(client: Client, script: Script, think_s: float, run: Run) -> None:
    """The agent: think, call, look at the result, think again."""
    began = time.perf_counter()
    clock: Callable[[], float] = lambda: time.perf_counter() - began  # noqa: E731
    tool, arguments = next(script)
    while True:
        await anyio.sleep(think_s)
        asked = clock()
        result = await client.call_tool(tool, arguments)
        run.steps.append(Step(tool, asked, clock()))
        run.results.append(result.model_dump(mode="json", by_alias=True))
        try:
            tool, arguments = script.send(result.structured_content or {})
        except StopIteration:
            break
    run.seconds = clock()


def _read_record(state: Path, run: Run) -> None:
    """How the proxy answered each call, and its sums, from its own record of the session."""
    (record,) = (state / "sessions").glob("*.jsonl")
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    for step, line in zip(run.steps, (line for line in lines if "answered" in line), strict=True):
        step.answered = line["answered"]
    run.ledger = lines[-1]["summary"]
