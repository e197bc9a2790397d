"""An MCP server that answers as the servers of a recorded session did.

`python servers/replay TRACE [--session ID] [--server NAME] [--latency D] [--transport stdio|http] ...`

TRACE is a trace, a full record of paste-mcp, or a log of Claude Code or Codex. Nothing is run and nothing is reached:
a call that was recorded gets its recorded result, any other an honest error. Needs paste-mcp installed, which reads the
files. stdout carries the protocol.
"""

import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from mcp import stdio_server
from mcp.server import Server
from mcp.types import CallToolResult, ListToolsResult, TextContent

from paste_mcp.lab.simulate.times import Fixed, Seconds, Times
from paste_mcp.store.history.logs import Log
from paste_mcp.store.traces import TracedSession, TraceError

# Run as a folder, the modules beside this file are top-level ones; a type checker sees them in the repository.
if TYPE_CHECKING:
    from servers.replay.replay_options import parse_options
    from servers.replay.replay_recording import NotRecordedError, Recorded, Recording
    from servers.replay.replay_tools import result_of, tool_of
else:
    from replay_options import parse_options
    from replay_recording import NotRecordedError, Recorded, Recording
    from replay_tools import result_of, tool_of


class Replay:
    """Answers calls, each after the time that it takes."""

    def __init__(self, recording: Recording, drawn: Seconds | None, seed: str, concurrency: int) -> None:
        self._recording = recording
        self._times = Times(seed, Fixed(0.0), drawn) if drawn is not None else None
        self._slots = anyio.Semaphore(concurrency) if concurrency else None

    async def list_tools(self, context: Any, params: Any) -> ListToolsResult:
        return ListToolsResult(tools=[tool_of(name, calls) for name, calls in self._recording.tools()])

    async def call_tool(self, context: Any, params: Any) -> CallToolResult:
        name, arguments = params.name, params.arguments or {}
        async with AsyncExitStack() as slot:
            if self._slots is not None:
                await slot.enter_async_context(self._slots)
            try:
                recorded = self._recording.find(name, arguments)
            except NotRecordedError as error:
                await anyio.sleep(self._takes_s(None, name, arguments))
                return CallToolResult(content=[TextContent(type="text", text=str(error))], is_error=True)
            await anyio.sleep(self._takes_s(recorded, name, arguments))
        self._recording.given(name, arguments)
        return result_of(recorded.call)

    def _takes_s(self, recorded: Recorded | None, name: str, arguments: dict[str, Any]) -> float:
        if self._times is None:
            return recorded.took_s if recorded is not None else 0.0
        if recorded is None:
            return self._times.latency_s("", f"{name} {sorted(arguments)}")
        return self._times.latency_s(recorded.session, recorded.position)


def read(options: Any) -> list[TracedSession]:
    """The sessions that were asked for. Raises `TraceError`."""
    pasts = [
        past for past in Log(options.trace).read() if options.session is None or options.session in past.session.id
    ]
    kept = [past.session for past in pasts if past.values]
    if not kept:
        problem, remedy = "holds no such session", "leave --session out to replay all"
        if pasts:
            problem, remedy = "keeps no values", 'record with "record": "full", then replay that'
        raise TraceError(options.trace, None, problem, remedy)
    return kept


async def serve(server: Server[Any], options: Any) -> None:
    if options.transport == "stdio":
        async with stdio_server() as (reads, writes):
            await server.run(reads, writes, server.create_initialization_options())
    else:
        config = uvicorn.Config(
            server.streamable_http_app(), host=options.host, port=options.port, log_level="warning", access_log=False
        )
        await uvicorn.Server(config).serve()


def main() -> None:
    options = parse_options(sys.argv[1:])
    try:
        recording = Recording(read(options), options.server)
    except TraceError as error:
        print(f"replay: error: {error}", file=sys.stderr)
        sys.exit(2)
    if not len(recording):
        print(f"replay: error: {options.trace}: no call to a server called {options.server!r}", file=sys.stderr)
        sys.exit(2)
    replay = Replay(recording, options.drawn, options.seed, options.concurrency)
    server: Server[Any] = Server(
        "replay",
        version="1.0.0",
        instructions="Answers calls that were recorded, with their recorded results; nothing else happens.",
        on_list_tools=replay.list_tools,
        on_call_tool=replay.call_tool,
    )
    anyio.run(serve, server, options)


if __name__ == "__main__":
    main()
