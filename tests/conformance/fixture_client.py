"""The client that the conformance suite watches: `python fixture_client.py [--proxied] URL`.

It lists what the server offers, calls each tool, and reads each prompt and resource. With `--proxied` it is a host on
stdio whose only server is a proxy in front of the URL, so that what the suite sees is what the proxy sends.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
from mcp import Client, MCPError, StdioServerParameters

MODERN = "2026-07-28"
SAMPLES = {"string": "sample", "integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}


def sample(schema: dict[str, Any]) -> Any:
    """A value that fits: the default where there is one."""
    return schema.get("default", SAMPLES.get(str(schema.get("type"))))


def filled(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: sample(of) for name, of in (schema.get("properties") or {}).items()}


async def elicit(context: Any, params: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content=filled(params.requested_schema))


def proxied(url: str, folder: Path) -> StdioServerParameters:
    config = folder / "config.json"
    servers = {"suite": {"type": "http", "url": url}}
    config.write_text(json.dumps({"mcpServers": servers, "paste": {"prefix": False}}))
    arguments = ["-m", "paste_mcp", "serve", "--config", str(config)]
    environment = {**os.environ, "PASTE_MCP_STATE_DIR": str(folder / "state")}
    return StdioServerParameters(command=sys.executable, args=arguments, env=environment)


async def use_everything(client: Client) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    asked = context.get("toolCalls") or [
        {"name": name, "arguments": filled(tool.input_schema)} for name, tool in tools.items()
    ]
    if rich := tools.get("json_schema_2020_12_tool"):
        # This one scenario wants the schema back, through its other tool.
        [echo] = tools.keys() - {rich.name}
        asked = [{"name": echo, "arguments": {"schema": rich.input_schema}}]
    for call in asked:
        with tried(call["name"]):
            await client.call_tool(call["name"], call["arguments"])
    capabilities = client.server_capabilities
    if capabilities.prompts is not None:
        for prompt in (await client.list_prompts()).prompts:
            with tried(prompt.name):
                await client.get_prompt(prompt.name)
    if capabilities.resources is not None:
        for resource in (await client.list_resources()).resources:
            with tried(resource.uri):
                await client.read_resource(resource.uri)


@contextmanager
def tried(what: str) -> Iterator[None]:
    """Some of what the suite lists cannot be called, and some of what it answers the SDK does not accept."""
    try:
        yield
    except (MCPError, ValueError) as error:
        print(f"{what}: {error}", file=sys.stderr)


async def main() -> None:
    warnings.simplefilter("ignore")
    *options, url = sys.argv[1:]
    mode = "auto" if os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION") == MODERN else "legacy"
    with tempfile.TemporaryDirectory() as folder:
        server = proxied(url, Path(folder)) if "--proxied" in options else url
        async with Client(server, mode=mode, elicitation_callback=elicit) as client:
            await use_everything(client)


if __name__ == "__main__":
    anyio.run(main)
