import pytest
from trio.testing import MockClock


@pytest.fixture(params=["trio-simulated"])
def anyio_backend(request):
    """Simulated seconds: when every task waits, the clock jumps to the next deadline."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}
