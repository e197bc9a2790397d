"""The workspace's files: paths confined to the root, listing, reading lines, one exact replacement.

Everything here is synchronous and raises OSError or ValueError with a message fit for the agent. It does not protect
against other programs that swap a folder for a link between the check and the use.
"""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, Field

SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules"})
MAX_FILE_BYTES = 2_000_000
MAX_LINES = 2_000


class FileEntry(BaseModel):
    path: str
    size: int = Field(description="Bytes.")


class FileList(BaseModel):
    files: list[FileEntry]
    truncated: bool = Field(description="Whether there are more than `limit`.")


class Lines(BaseModel):
    path: str
    start: int = Field(description="Number of the first line returned.")
    end: int = Field(description="Number of the last line returned; less than `start` if there is none.")
    text: str
    total_lines: int


class Edited(BaseModel):
    path: str
    replaced_at_line: int = Field(description="Line on which the replaced text began.")


class Workspace:
    """A folder and the only way from a path an agent gives to a file in it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve(strict=True)

    def resolve(self, path: str) -> Path:
        """The existing file or folder at `path`, links followed. Raises ValueError for anything outside the root."""
        given = Path(path)
        if "\0" in path or given.is_absolute() or given.drive or ".." in given.parts:
            raise ValueError(f"{path!r}: give a path relative to the workspace, without '..'")
        try:
            found = (self.root / given).resolve()
        except RuntimeError:
            raise ValueError(f"{path!r}: a link that leads to itself") from None
        if not found.is_relative_to(self.root):
            raise ValueError(f"{path!r} leads outside the workspace")
        if any(part.casefold() == ".git" for part in found.relative_to(self.root).parts):
            raise ValueError(f"{path!r}: version control data is not part of the workspace")
        if not found.exists():
            raise ValueError(f"{path!r}: no such file or folder")
        return found

    def file(self, path: str) -> Path:
        found = self.resolve(path)
        if not found.is_file():
            raise ValueError(f"{path!r} is not a file")
        return found

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def visible_files(self, path: str) -> Iterator[Path]:
        """Regular files at or under `path` in a fixed order: no links, nothing hidden, no caches."""
        start = self.resolve(path)
        if start.is_file():
            yield start
            return
        for folder, subfolders, names in os.walk(start):
            subfolders[:] = sorted(n for n in subfolders if not n.startswith(".") and n not in SKIPPED_FOLDERS)
            for name in sorted(names):
                file = Path(folder) / name
                if not name.startswith(".") and file.is_file() and not file.is_symlink():
                    yield file

    def list_files(self, path: str, limit: int) -> FileList:
        found = list(islice(self.visible_files(path), limit + 1))
        entries = [FileEntry(path=self.relative(file), size=file.stat().st_size) for file in found[:limit]]
        return FileList(files=entries, truncated=len(found) > limit)

    def read(self, path: str, start: int, end: int | None) -> Lines:
        file = self.file(path)
        lines = list(io.StringIO(read_text(file), newline="\n"))  # lines as editors count them
        if start > max(len(lines), 1):
            raise ValueError(f"{path!r} has {len(lines)} lines; there is no line {start}")
        if end is not None and end < start:
            raise ValueError(f"end ({end}) is before start ({start})")
        chosen = lines[start - 1 : end][:MAX_LINES]
        return Lines(
            path=self.relative(file),
            start=start,
            end=start + len(chosen) - 1,
            text="".join(chosen),
            total_lines=len(lines),
        )

    def edit(self, path: str, old: str, new: str) -> Edited:
        """Replace the only occurrence of `old`; the file is exchanged whole, so no reader sees half of it."""
        file = self.file(path)
        text = read_text(file)
        if not old or old == new:
            raise ValueError("old must not be empty" if not old else "old and new are the same")
        at = text.find(old)
        if at < 0:
            raise ValueError(f"{path!r}: old text not found; it must match exactly, white space included")
        if text.find(old, at + 1) >= 0:
            raise ValueError(f"{path!r}: old text occurs more than once; give more of its surroundings")
        replace_content(file, (text[:at] + new + text[at + len(old) :]).encode())
        return Edited(path=self.relative(file), replaced_at_line=text.count("\n", 0, at) + 1)


def read_text(file: Path) -> str:
    """The file as text, its line ends untouched: what `read` shows must be what `edit` matches."""
    if file.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"{file.name}: larger than {MAX_FILE_BYTES} bytes")
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        raise ValueError(f"{file.name}: not UTF-8 text") from None


def replace_content(file: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".edit-")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        shutil.copymode(file, partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
