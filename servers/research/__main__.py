"""An MCP server that searches and reads the documentation of the Python standard library.

`python servers/research [--latency SECONDS] [--cache-dir DIR] [--transport stdio|http|sse] [--host H] [--port P]`

It answers from a local full-text index only: no network, nothing of the library is imported or run. stdout carries
the protocol; the folder works wherever it is copied, given the `mcp` package.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
from anyio import to_thread
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

# Run as a folder, the modules beside this file are top-level ones; a type checker sees them in the repository.
if TYPE_CHECKING:
    from servers.research.research_cache import IndexCache, IndexUnavailable
    from servers.research.research_options import parse_options
    from servers.research.research_query import Page, SearchResult, search, usable, visit
else:
    from research_cache import IndexCache, IndexUnavailable
    from research_options import parse_options
    from research_query import Page, SearchResult, search, usable, visit

INSTRUCTIONS = (
    "Search the documentation strings of the Python standard library with `search`, then read a result in full with "
    "`visit`. Modules written in C have no source and so no pages."
)


class Library:
    """The two questions, asked off the event loop, each after the simulated latency."""

    def __init__(self, cache: IndexCache, latency: float) -> None:
        self._cache = cache
        self._latency = latency

    async def _index(self) -> Path:
        await anyio.sleep(self._latency)
        try:
            return await self._cache.path()
        except IndexUnavailable as error:
            raise ToolError(str(error)) from error

    async def search(self, query: str, limit: int) -> SearchResult:
        return await to_thread.run_sync(search, await self._index(), query, limit)

    async def visit(self, url: str) -> Page:
        index = await self._index()
        page = await to_thread.run_sync(visit, index, url)
        if page is not None:
            return page
        near = await to_thread.run_sync(search, index, url.removeprefix("doc://python/"), 3)
        hint = f" Near: {', '.join(hit.url for hit in near.results)}." if near.results else ""
        raise ToolError(f"no page at {url!r}.{hint} Use a url that `search` or `see_also` returned.")


@asynccontextmanager
async def preparing(cache: IndexCache, _server: MCPServer[None]) -> AsyncIterator[None]:
    """Have the index made while the client is still saying hello, so that the first search finds it ready."""

    async def prepare() -> None:
        try:
            await cache.path()
        except IndexUnavailable as error:
            print(f"research: {error}", file=sys.stderr)  # each tool call tries again and reports it

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(prepare)
        yield
        tasks.cancel_scope.cancel()


def make_server(cache: IndexCache, latency: float) -> MCPServer[None]:
    library = Library(cache, latency)
    server = MCPServer[None](
        "research",
        title="Python library research",
        version="1.0.0",
        instructions=INSTRUCTIONS,
        log_level="WARNING",
        lifespan=partial(preparing, cache),
    )

    def reads_only(title: str) -> ToolAnnotations:
        return ToolAnnotations(
            title=title, read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        )

    @server.tool(title="Search documentation", annotations=reads_only("Search documentation"))
    async def search(
        query: Annotated[str, Field(description="Any text; pages matching any of its words are ranked.")],
        limit: Annotated[int, Field(ge=1, le=50, description="How many results at most.")] = 5,
    ) -> SearchResult:
        """Search the documentation strings of the Python standard library. Reads a local index only."""
        return await library.search(query, limit)

    @server.tool(title="Read documentation page", annotations=reads_only("Read documentation page"))
    async def visit(
        url: Annotated[str, Field(description="A url from `search` or `see_also`, e.g. doc://python/json#dumps.")],
    ) -> Page:
        """Read one documentation page (module, class or function) in full. Reads a local index only."""
        return await library.visit(url)

    return server


def main() -> None:
    options = parse_options(sys.argv[1:])
    server = make_server(IndexCache(options.cache_dir, usable), options.latency)
    if options.transport == "http":
        server.run("streamable-http", host=options.host, port=options.port)
    elif options.transport == "sse":
        server.run("sse", host=options.host, port=options.port)
    else:
        server.run()


if __name__ == "__main__":
    main()
