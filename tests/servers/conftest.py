"""What the tests of the shipped servers share: their folders, and a client talking to the real process."""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol

import anyio
import pytest
from mcp import Client, StdioServerParameters

SERVERS = Path(__file__).parents[2] / "servers"
# The servers run as folders, each with its own modules at top level; so they are imported here, too.
sys.path[:0] = [str(SERVERS / "research"), str(SERVERS / "workspace")]


class Connect(Protocol):
    def __call__(self, folder: Path, *arguments: str, mode: str = "auto") -> AbstractAsyncContextManager[Client]: ...


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def servers() -> Path:
    return SERVERS


@pytest.fixture
def connect() -> Connect:
    @asynccontextmanager
    async def connected(folder: Path, *arguments: str, mode: str = "auto") -> AsyncIterator[Client]:
        server = StdioServerParameters(command=sys.executable, args=[str(folder), *arguments])
        with anyio.fail_after(30):
            async with Client(server, mode=mode) as client:
                yield client

    return connected
