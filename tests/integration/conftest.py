"""Real processes: asyncio only, and one index of the research server for all tests."""

import subprocess
import sys
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
