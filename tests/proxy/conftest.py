import pytest
from trio.testing import MockClock

from paste_mcp.proxy import afterwards


@pytest.fixture(params=["trio-simulated"])
def anyio_backend(request):
    """Simulated seconds: when every task waits, the clock jumps to the next deadline."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture(autouse=True)
def no_lulls(monkeypatch):
    """The proxy foresees what comes next at once, so that seconds add up exactly."""
    monkeypatch.setattr(afterwards, "LULL_S", 0)
