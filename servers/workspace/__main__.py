"""An MCP server for one folder of code: list, search, read, edit, and run its tests on a throw-away copy.

`python servers/workspace ROOT [--latency SECONDS] [--test-timeout SECONDS] [--transport stdio|http|sse] ...`

All paths are relative to ROOT and confined to it; `run_tests` is the exception in that tests are programs and may do
what this process may. stdout carries the protocol; the folder works wherever it is copied, given the `mcp` package.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
from anyio import to_thread
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

# Run as a folder, the modules beside this file are top-level ones; a type checker sees them in the repository.
if TYPE_CHECKING:
    from servers.workspace.workspace_files import Edited, FileList, Lines, Workspace
    from servers.workspace.workspace_grep import Answer, Job, is_plain
    from servers.workspace.workspace_grep import search as search_files
    from servers.workspace.workspace_options import parse_options
    from servers.workspace.workspace_output import repeatable, shortened, summary
    from servers.workspace.workspace_tests import run_tests as run_on_copy
else:
    from workspace_files import Edited, FileList, Lines, Workspace
    from workspace_grep import Answer, Job, is_plain
    from workspace_grep import search as search_files
    from workspace_options import parse_options
    from workspace_output import repeatable, shortened, summary
    from workspace_tests import run_tests as run_on_copy

GREP_SCRIPT = Path(__file__).with_name("workspace_grep.py")
GREP_SECONDS = 10.0
MAX_SEARCHED_FILES = 20_000
INSTRUCTIONS = (
    "A coding workspace. Paths are relative to its root. Find code with `grep` and `list_files`, look at it with "
    "`read`, change it with `edit`, check the change with `run_tests`."
)
READ_PATH = Field(description="File or folder, relative to the workspace.")


class Match(BaseModel):
    path: str
    line: int
    text: str


class GrepResult(BaseModel):
    pattern: str
    matches: list[Match]
    truncated: bool = Field(description="Whether there are more matches than `limit`.")


class TestResult(BaseModel):
    passed: bool
    exit_code: int | None = Field(description="Of the test runner; null when the time limit ended it.")
    summary: str
    output: str = Field(description="What the tests printed, without durations and throw-away paths; the end of it.")


@contextmanager
def told_to_the_agent() -> Iterator[None]:
    """Turn what the agent can do something about into a tool error; absolute paths stay out of it."""
    try:
        yield
    except OSError as error:
        raise ToolError(error.strerror or "the file system refused") from error
    except ValueError as error:
        raise ToolError(str(error)) from error


class Desk:
    """The tools' work: each waits the simulated latency, then does its part off the event loop."""

    def __init__(self, workspace: Workspace, latency: float, test_timeout: float, test_runner: str) -> None:
        self._workspace = workspace
        self._latency = latency
        self._test_timeout = test_timeout
        self._test_runner = test_runner
        self._editing = anyio.Lock()  # two edits of one file at once would lose one of them

    async def list_files(self, path: str, limit: int) -> FileList:
        await anyio.sleep(self._latency)
        with told_to_the_agent():
            return await to_thread.run_sync(self._workspace.list_files, path, limit)

    async def read(self, path: str, start: int, end: int | None) -> Lines:
        await anyio.sleep(self._latency)
        with told_to_the_agent():
            return await to_thread.run_sync(self._workspace.read, path, start, end)

    async def edit(self, path: str, old: str, new: str) -> Edited:
        await anyio.sleep(self._latency)
        async with self._editing:
            with told_to_the_agent():
                return await to_thread.run_sync(self._workspace.edit, path, old, new)

    async def grep(self, pattern: str, path: str, limit: int) -> GrepResult:
        await anyio.sleep(self._latency)
        with told_to_the_agent():
            files = await to_thread.run_sync(self._searchable, path)
            job = Job(root=str(self._workspace.root), files=files, pattern=pattern, limit=limit)
            answer = await (to_thread.run_sync(search_files, job) if is_plain(pattern) else search_in_process(job))
        if "error" in answer:
            raise ToolError(answer["error"])
        return GrepResult.model_validate({"pattern": pattern, **answer})

    def _searchable(self, path: str) -> list[str]:
        files = list(islice(self._workspace.visible_files(path), MAX_SEARCHED_FILES + 1))
        if len(files) > MAX_SEARCHED_FILES:
            raise ValueError(f"{path!r} holds more than {MAX_SEARCHED_FILES} files; give a narrower path")
        return [self._workspace.relative(file) for file in files]

    async def run_tests(self, path: str) -> TestResult:
        await anyio.sleep(self._latency)
        with told_to_the_agent():
            inside = self._workspace.relative(await to_thread.run_sync(self._workspace.resolve, path))
            run = await run_on_copy(self._workspace.root, inside, self._test_timeout, self._test_runner)
        output = shortened(repeatable(run.output, run.folders))
        verdict = summary(output) if run.exit_code is not None else f"stopped after {self._test_timeout:g} s"
        passed = run.exit_code == 0 and not verdict.startswith("Ran 0 tests")
        return TestResult(passed=passed, exit_code=run.exit_code, summary=verdict, output=output)


async def search_in_process(job: Job) -> Answer:
    """Search where a pattern of exponential cost can be stopped."""
    try:
        with anyio.fail_after(GREP_SECONDS):
            done = await anyio.run_process(
                [sys.executable, "-I", "-B", str(GREP_SCRIPT)],
                input=json.dumps(job).encode(),
                check=False,
                stderr=subprocess.DEVNULL,
            )
    except TimeoutError:
        raise ToolError(
            f"the pattern took more than {GREP_SECONDS:g} s; use a simpler one or a narrower path"
        ) from None
    if done.returncode != 0:
        raise ToolError("the search ended abnormally")
    answer: Answer = json.loads(done.stdout)
    return answer


def grep_lines(result: GrepResult) -> str:
    """The classic form, `path:line:text`; the added remarks cannot be mistaken for a match."""
    lines = [f"{match.path}:{match.line}:{match.text}" for match in result.matches] or ["(no matches)"]
    return "\n".join([*lines, f"(only the first {len(result.matches)} matches)"] if result.truncated else lines)


def add_reading_tools(server: MCPServer[None], desk: Desk) -> None:
    def reads_only(title: str) -> ToolAnnotations:
        return ToolAnnotations(
            title=title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        )

    @server.tool(title="List files", annotations=reads_only("List files"))
    async def list_files(
        path: Annotated[str, READ_PATH] = ".", limit: Annotated[int, Field(ge=1, le=5000)] = 200
    ) -> FileList:
        """List the files at or under a path with their sizes; hidden files, links and caches are left out."""
        return await desk.list_files(path, limit)

    @server.tool(title="Search in files", annotations=reads_only("Search in files"))
    async def grep(
        pattern: Annotated[str, Field(min_length=1, max_length=1000, description="Python regular expression.")],
        path: Annotated[str, READ_PATH] = ".",
        limit: Annotated[int, Field(ge=1, le=1000)] = 50,
    ) -> Annotated[CallToolResult, GrepResult]:
        """Find the lines that match a regular expression, as path:line:text; big and binary files are left out."""
        result = await desk.grep(pattern, path, limit)
        return CallToolResult(
            content=[TextContent(type="text", text=grep_lines(result))], structured_content=result.model_dump()
        )

    @server.tool(title="Read file", annotations=reads_only("Read file"))
    async def read(
        path: Annotated[str, Field(description="File, relative to the workspace.")],
        start: Annotated[int, Field(ge=1, description="First line, counted from 1.")] = 1,
        end: Annotated[int | None, Field(ge=1, description="Last line, included; by default the file's last.")] = None,
    ) -> Lines:
        """Read a text file or some lines of it (at most 2000 at once), exactly as `edit` will match it."""
        return await desk.read(path, start, end)


def add_acting_tools(server: MCPServer[None], desk: Desk) -> None:
    @server.tool(
        title="Edit file",
        annotations=ToolAnnotations(
            title="Edit file", read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
        ),
    )
    async def edit(
        path: Annotated[str, Field(description="File, relative to the workspace.")],
        old: Annotated[str, Field(description="Text that occurs exactly once in the file.")],
        new: Annotated[str, Field(description="What takes its place.")],
    ) -> Edited:
        """Replace one exact piece of text in a file. Fails if it is missing or not unique."""
        return await desk.edit(path, old, new)

    # Tests are arbitrary programs: no hint about what they leave alone would be honest.
    @server.tool(title="Run tests", annotations=ToolAnnotations(title="Run tests"))
    async def run_tests(path: Annotated[str, READ_PATH] = ".") -> TestResult:
        """Run the tests at a path (pytest if installed, else unittest) on a throw-away copy of the workspace."""
        return await desk.run_tests(path)


def make_server(desk: Desk) -> MCPServer[None]:
    server = MCPServer[None](
        "workspace", title="Coding workspace", version="1.0.0", instructions=INSTRUCTIONS, log_level="WARNING"
    )
    add_reading_tools(server, desk)
    add_acting_tools(server, desk)
    return server


def main() -> None:
    options = parse_options(sys.argv[1:])
    server = make_server(Desk(Workspace(options.root), options.latency, options.test_timeout, options.test_runner))
    if options.transport == "stdio":
        server.run()
    elif options.transport == "http":
        server.run("streamable-http", host=options.host, port=options.port)
    else:
        server.run("sse", host=options.host, port=options.port)


if __name__ == "__main__":
    main()
