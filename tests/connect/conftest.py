import pytest
from connect_harness import Home


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    return Home(tmp_path, monkeypatch)
