"""Pattern files that change while the proxy serves."""

import logging
from functools import partial

import anyio
import pytest

from paste_mcp.proxy import edited
from paste_mcp.proxy.edited import EditedPatterns
from paste_mcp.store.pattern_files import load_patterns

pytestmark = pytest.mark.anyio
PATTERN = """version: 1
patterns:
  - name: {name}
    context: [{{tool: search}}]
    target: {{tool: visit}}
    probability: 0.5
"""


@pytest.fixture
def anyio_backend():
    """Real time: files are read in threads, which a simulated clock knows nothing of."""
    return "asyncio"


class Following:
    """Follows one file, and notes each pool that came of it."""

    def __init__(self, file):
        self.pools, self.some = [], anyio.Event()
        self.edited = EditedPatterns([file], partial(self.read, file), self.use)

    def read(self, file):
        return load_patterns(file, users_own=True) if file.exists() else []

    def use(self, pool):
        self.pools.append([pattern.name for pattern in pool.patterns])
        self.some.set()

    async def next(self):
        with anyio.fail_after(20):
            await self.some.wait()
        self.some = anyio.Event()
        return self.pools[-1]


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(edited, "LOOK_S", 0.01)
    return tmp_path / "patterns.yaml"


def save(file, text):
    """As editors do, so that nobody reads half a file."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


async def test_a_file_that_appears_changes_or_goes_is_followed(file):
    following = Following(file)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(following.edited.run)
        save(file, PATTERN.format(name="one"))
        assert await following.next() == ["one"]
        save(file, PATTERN.format(name="another"))
        assert await following.next() == ["another"]
        file.unlink()
        assert await following.next() == []
        tasks.cancel_scope.cancel()


class Told(logging.Handler):
    def __init__(self):
        super().__init__()
        self.texts, self.some = [], anyio.Event()

    def emit(self, record):
        self.texts.append(record.getMessage())
        self.some.set()


async def test_a_broken_edit_is_told_once_and_changes_nothing_until_it_is_mended(file):
    save(file, PATTERN.format(name="one"))
    following, told = Following(file), Told()
    told.setLevel(logging.WARNING)
    edited.logger.addHandler(told)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(following.edited.run)
            save(file, "version: 1\npatterns: [")
            with anyio.fail_after(20):
                await told.some.wait()
            assert following.pools == []
            save(file, PATTERN.format(name="mended"))
            assert await following.next() == ["mended"]
            tasks.cancel_scope.cancel()
    finally:
        edited.logger.removeHandler(told)
    (text,) = told.texts
    assert str(file) in text and "\n" not in text and "stay in force" in text
