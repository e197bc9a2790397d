"""Keeps the index file: where it lives, whether it is still good, and how it is made once.

The file is a cache under a directory of the user's own, named after everything it depends on, put in place with one
rename. The build runs in a child process, so the event loop answers meanwhile. It knows nothing of what is inside.
"""

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
from anyio import to_thread

BUILDER = Path(__file__).with_name("research_build.py")


class IndexUnavailable(Exception):
    """The index can neither be found nor built; the text says why."""


def default_directory() -> Path:
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    return Path(base or Path.home() / ".cache") / "paste-mcp-research"


def index_name(library: Path) -> str:
    """Named after interpreter, library and builder: a change in any of them makes a new file."""
    parts = (sys.version, str(library), str(library.stat().st_mtime_ns), BUILDER.read_text(encoding="utf-8"))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"stdlib-{sys.version_info.major}.{sys.version_info.minor}-{digest}.sqlite"


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A new private file (0600) beside `target`, which takes its place when all went well and is removed if not."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".building-")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


class IndexCache:
    """The index of a library (this interpreter's standard one unless told otherwise), made on first need."""

    def __init__(self, directory: Path | None, usable: Callable[[Path], bool], library: Path | None = None) -> None:
        self._directory = directory
        self._usable = usable
        self._library = library or Path(sysconfig.get_path("stdlib"))
        self._lock = anyio.Lock()
        self._ready: Path | None = None

    async def path(self) -> Path:
        """The finished index file. Whoever comes first builds it; the others wait; a cancelled builder is replaced."""
        async with self._lock:
            if self._ready is None or not self._ready.exists():
                self._ready = await self._find_or_build()
            return self._ready

    async def _find_or_build(self) -> Path:
        try:
            directory = await to_thread.run_sync(self._writable_directory)
            index = directory / index_name(self._library)
            if not await to_thread.run_sync(self._usable, index):
                await self._build(index)
        except OSError as error:
            raise IndexUnavailable(f"cannot keep the index: {error}") from error
        return index

    def _writable_directory(self) -> Path:
        """The wanted directory; without a wanted one, and no home to write to, a throw-away one."""
        directory = self._directory or default_directory()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                pass
        except OSError:
            if self._directory is not None:
                raise
            directory = self._directory = Path(tempfile.mkdtemp(prefix="paste-mcp-research-"))
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
        return directory.resolve()

    async def _build(self, index: Path) -> None:
        with replacing(index) as partial:
            command = [sys.executable, "-I", "-B", str(BUILDER), str(self._library), str(partial)]
            done = await anyio.run_process(
                command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            if done.returncode != 0:
                lines = done.stderr.decode(errors="replace").strip().splitlines()
                raise IndexUnavailable(lines[-1] if lines else f"the builder ended with code {done.returncode}")
