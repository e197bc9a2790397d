"""A host without the SDK on the proxy's stdio: quick enough that what it measures is the proxy."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

from integration_harness import SERVE, stderr_of

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}}
LONGEST_LINE = 64 * 2**20


class Wire:
    """Requests side by side over one pipe. `told` counts the notifications that came."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.told: Counter[str] = Counter()
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The whole answer, be it a result or an error."""
        id = next(self._ids)
        self._waiting[id] = asyncio.get_running_loop().create_future()
        try:
            self._write({"id": id, "method": method, "params": params or {}})
            return await self._waiting[id]
        finally:
            del self._waiting[id]

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return await self.request("tools/call", {"name": tool, "arguments": arguments})

    async def greet(self) -> dict[str, Any]:
        greeting = await self.request("initialize", HELLO)
        self._write({"method": "notifications/initialized"})
        return greeting

    async def tools(self) -> list[str]:
        return [tool["name"] for tool in (await self.request("tools/list"))["result"]["tools"]]

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            message = json.loads(line)
            if "method" in message:
                self.told[message["method"]] += 1
            elif (waiting := self._waiting.get(message["id"])) is not None and not waiting.done():
                waiting.set_result(message)


@asynccontextmanager
async def wired(config: Path, state: Path) -> AsyncIterator[Wire]:
    """A proxy of its own behind the wire, not greeted yet. It is killed at the end if it does not leave by itself."""
    state.parent.mkdir(parents=True, exist_ok=True)
    with stderr_of(state).open("a") as stderr:
        process = await asyncio.create_subprocess_exec(
            *SERVE,
            "--config",
            str(config),
            stdin=PIPE,
            stdout=PIPE,
            stderr=stderr,
            env={**os.environ, "PASTE_MCP_STATE_DIR": str(state)},
            limit=LONGEST_LINE,
        )
    wire = Wire(process)
    listening = asyncio.create_task(wire.listen())
    try:
        yield wire
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 30)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            listening.cancel()
