"""A pydantic-ai agent whose tools are behind the proxy. Its model is a function, so it needs no key and no network.

    pip install 'paste-mcp[examples]' && python examples/pydantic_ai_agent.py

The agent loop is pydantic-ai's own; put a real model's name in place of `FunctionModel(...)` and it is a real agent.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from official_client import library
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

import paste_mcp


async def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Search, read the first three results, answer. It thinks 0.6 s each time."""
    await asyncio.sleep(0.6)
    returns = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
    if not returns:
        return ModelResponse(parts=[ToolCallPart("library__search", {"query": "pipes"})])
    if len(returns) <= 3:
        url = returns[0].content["results"][len(returns) - 1]["url"]
        return ModelResponse(parts=[ToolCallPart("library__visit", {"url": url})])
    return ModelResponse(parts=[TextPart(" ".join(str(part.content) for part in returns[1:]))])


async def main() -> None:
    config = {"mcpServers": {"library": {"speculation": "annotated"}}, "paste": {"learning": "off"}}
    with tempfile.TemporaryDirectory() as state:
        async with (
            paste_mcp.embed(config, servers={"library": library}, state=Path(state)) as proxy,
            proxy.listening() as url,
        ):
            agent = Agent(FunctionModel(model), toolsets=[MCPToolset(url)])
            began = time.perf_counter()
            answer = await agent.run("What are pipes?")
            print(answer.output)
            print(f"{time.perf_counter() - began:.1f} s for 4 calls of 0.4 s and 5 thoughts of 0.6 s")
        (record,) = (Path(state) / "sessions").glob("*.jsonl")
        hits = record.read_text().count('"answered":"hit"')
        print(f"{hits} of 4 calls were there already")


if __name__ == "__main__":
    asyncio.run(main())
