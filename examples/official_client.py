"""The proxy in an agent of your own, with the official client, and two tools that live in this very program.

    python examples/official_client.py

The "model" is a script that thinks for 0.6 s before each call. The tools take 0.4 s; what they have to do while the
model thinks, it does not wait for.
"""

import tempfile
import time
from pathlib import Path

import anyio
from mcp import Client
from mcp.server import MCPServer
from mcp_types import ToolAnnotations

import paste_mcp

READ = ToolAnnotations(read_only_hint=True, open_world_hint=False)
PAGES = {f"https://docs.example/{n}": f"Page {n} on pipes." for n in range(1, 6)}

library = MCPServer("library")


@library.tool(annotations=READ)
async def search(query: str) -> dict[str, list[dict[str, str]]]:
    """Find pages."""
    await anyio.sleep(0.4)
    return {"results": [{"url": url, "title": query} for url in PAGES]}


@library.tool(annotations=READ)
async def visit(url: str) -> str:
    """Read a page."""
    await anyio.sleep(0.4)
    return PAGES[url]


async def think() -> None:
    await anyio.sleep(0.6)


async def main() -> None:
    config = {"mcpServers": {"library": {"speculation": "annotated"}}, "paste": {"learning": "off"}}
    with tempfile.TemporaryDirectory() as state:
        async with paste_mcp.embed(config, servers={"library": library}, state=Path(state)) as proxy:
            began = time.perf_counter()
            async with Client(proxy.transport()) as client:
                await client.list_tools()
                found = await client.call_tool("library__search", {"query": "pipes"})
                for result in found.structured_content["results"][:3]:
                    await think()
                    asked = time.perf_counter()
                    await client.call_tool("library__visit", {"url": result["url"]})
                    print(f"visit waited {time.perf_counter() - asked:.2f} s")
            ledger = proxy.ledger
            print(f"{time.perf_counter() - began:.1f} s: {ledger.hits} of {ledger.demand} calls were there already")


if __name__ == "__main__":
    anyio.run(main)
