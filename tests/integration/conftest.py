"""Real processes: asyncio only, and one index of the research server for all tests."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration_harness import SERVERS


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The research server's cache folder, with its index made, so that no test waits for that."""
    folder = tmp_path_factory.mktemp("research-index")
    make = (
        "import sys, anyio; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from research_cache import IndexCache; from research_query import usable;"
        "anyio.run(IndexCache(Path(sys.argv[2]), usable).path)"
    )
    subprocess.run([sys.executable, "-c", make, str(SERVERS / "research"), str(folder)], check=True, timeout=120)
    return folder


@pytest.fixture(scope="session")
def demo() -> Iterator[subprocess.Popen[str]]:
    """The demo, begun when it is first asked for: it takes half a minute, most of it waiting."""
    command = [sys.executable, "-m", "paste_mcp", "demo", "--json", "--latency", "0.2", "--think", "0.3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        if process.poll() is None:
            # As by Ctrl-C, so that it clears its folder away.
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
