"""Runs a workspace's tests on a throw-away copy, so that the workspace itself stays as it is.

The copy is for cleanliness, not for security: the tests run with the rights of this process and can reach whatever it
can. A run ends with the tests, with its time limit or with the cancellation of the caller; each way the whole process
group is killed and the copy removed. A process that leaves the group on purpose is not followed.
"""

import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import ByteReceiveStream, Process

LEFT_OUT = frozenset({".git", "__pycache__", "node_modules", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".tox"})
MAX_COPY_BYTES = 200_000_000
MAX_RAW_BYTES = 1_000_000
DRAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Run:
    """What came of one run; `exit_code` is None when the time limit ended it."""

    exit_code: int | None
    output: str
    folders: dict[str, str]


def stays_inside(link: Path, root: Path) -> bool:
    """Whether the copy of a link will lead to the copy of its target."""
    try:
        return not link.readlink().is_absolute() and link.resolve().is_relative_to(root)
    except RuntimeError:  # it leads to itself
        return False


def copy_tree(root: Path, target: Path) -> None:
    """Copy what tests need: no caches or environments, and no link that could lead back to the original."""
    copied = 0

    def left_out(folder: str, names: list[str]) -> set[str]:
        nonlocal copied
        unwanted = set()
        for name in names:
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if name in LEFT_OUT or (stat.S_ISDIR(mode) and (path / "pyvenv.cfg").exists()):
                unwanted.add(name)
            elif stat.S_ISLNK(mode):
                if not stays_inside(path, root):
                    unwanted.add(name)
            elif stat.S_ISREG(mode):
                copied += path.stat().st_size
            elif not stat.S_ISDIR(mode):
                unwanted.add(name)
        if copied > MAX_COPY_BYTES:
            raise ValueError(f"the workspace is larger than {MAX_COPY_BYTES} bytes; its tests are not run")
        return unwanted

    try:
        shutil.copytree(root, target, symlinks=True, ignore=left_out)
    except shutil.Error as error:
        raise ValueError(f"cannot copy the workspace: {error.args[0][0][2]}") from error


def remove_tree(folder: Path) -> None:
    """Remove `folder` even where tests took away the right to."""
    with suppress(OSError):
        shutil.rmtree(folder)
        return
    for parent, subfolders, _ in os.walk(folder):
        for path in (Path(parent), *(Path(parent) / name for name in subfolders)):
            with suppress(OSError):
                if not path.is_symlink():  # a link's target is not ours
                    path.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)


def has_pytest() -> bool:
    return importlib.util.find_spec("pytest") is not None


def command(copy: Path, path: str, *, pytest: bool) -> list[str]:
    """How to run the tests at `path` with this interpreter."""
    if pytest:
        options = ["-q", "--tb=short", "--color=no", "-p", "no:cacheprovider", f"--rootdir={copy}"]
        return [sys.executable, "-m", "pytest", *options, f"./{path}"]
    if (copy / path).is_file():
        return [sys.executable, "-m", "unittest", path]
    # Test folders that are packages import their siblings by name, which needs the top-level folder.
    top = ["-t", "."] if (copy / path / "__init__.py").exists() else []
    return [sys.executable, "-m", "unittest", "discover", "-s", path, *top]


def environment(scratch: Path) -> dict[str, str]:
    """This process's environment, less what steers pytest, plus what makes runs alike and clean."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith("PYTEST_") and k not in ("FORCE_COLOR", "PY_COLORS")
    }
    return kept | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "NO_COLOR": "1",
        "COLUMNS": "100",
        "TMPDIR": str(scratch),
        "TEMP": str(scratch),
        "TMP": str(scratch),
    }


def kill_group(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


class Tail:
    """The last bytes of a stream, however much comes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self.closed = anyio.Event()

    async def collect(self, stream: ByteReceiveStream) -> None:
        async for chunk in stream:
            self._bytes += chunk
            if len(self._bytes) > 2 * MAX_RAW_BYTES:
                del self._bytes[:-MAX_RAW_BYTES]
        self.closed.set()

    def text(self) -> str:
        return self._bytes[-MAX_RAW_BYTES:].decode(errors="replace")


async def execute(arguments: list[str], cwd: Path, env: dict[str, str], limit: float) -> tuple[int | None, str]:
    """Run a command in a process group of its own; its exit code (None: out of time) and the end of its output."""
    tail = Tail()
    code: int | None = None
    async with await anyio.open_process(
        arguments, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        try:
            with anyio.move_on_after(limit):
                async with anyio.create_task_group() as tasks:
                    assert process.stdout is not None
                    tasks.start_soon(tail.collect, process.stdout)
                    code = await process.wait()
                    kill_group(process)  # what the tests left running would keep the pipe open
                    with anyio.move_on_after(DRAIN_SECONDS):
                        await tail.closed.wait()
                    tasks.cancel_scope.cancel()
        finally:
            if code is None:
                kill_group(process)
    return code, tail.text()


def make_folder() -> Path:
    # Resolved, because that is how tests will print it.
    folder = Path(tempfile.mkdtemp(prefix="paste-workspace-")).resolve()
    # Ends pytest's search for settings above the copy: another file in /tmp must not change the outcome.
    (folder / "pytest.ini").touch()
    (folder / "tmp").mkdir()
    return folder


@asynccontextmanager
async def throw_away_folder() -> AsyncIterator[Path]:
    folder = make_folder()
    try:
        yield folder
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(remove_tree, folder)


async def run_tests(root: Path, path: str, limit: float, runner: str = "auto") -> Run:
    """Run the tests at `path` (relative to `root`) on a copy. Raises ValueError when it cannot be copied.

    `runner` is pytest, unittest, or auto: pytest where it is installed.
    """
    async with throw_away_folder() as folder:
        copy = folder / "copy" / (root.name or "workspace")
        scratch = folder / "tmp"
        await to_thread.run_sync(copy_tree, root, copy)
        arguments = command(copy, path, pytest=runner == "pytest" or (runner == "auto" and has_pytest()))
        code, output = await execute(arguments, copy, environment(scratch), limit)
        return Run(code, output, {str(copy): ".", str(scratch): "<tmp>"})
