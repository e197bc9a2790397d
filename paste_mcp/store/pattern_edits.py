"""A user's pattern file, changed: what could not be read back is never written, and the file is replaced whole.

The file as it was stays beside it (`.bak`). Whoever else changed it in the meantime is told, not overruled.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from paste_mcp.core.patterns.language import Pattern
from paste_mcp.store import pattern_text as texts
from paste_mcp.store.folders import make_private
from paste_mcp.store.pattern_files import PatternFileError, parse_patterns, read_text

HEADING: Final = """\
# Your own patterns: every `paste-mcp serve` reads them. The head of the shipped patterns.yaml explains how they are
# written; `paste-mcp patterns show NAME` prints any pattern as an example.

"""


class PatternFile:
    """A file of patterns. Raises `PatternFileError` where it cannot be read or written."""

    def __init__(self, path: Path, *, new: bool = False) -> None:
        """`new`: the file need not be there yet."""
        self.path = path
        self._found = None if new and not path.exists() else read_text(path)
        self.text = self._found if self._found is not None else HEADING + texts.EMPTY
        self.patterns: list[Pattern] = parse_patterns(self.text, path, users_own=True)

    def pattern(self, name: str) -> Pattern | None:
        """The pattern with this name."""
        return next((pattern for pattern in self.patterns if pattern.name == name), None)

    def put(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Write these patterns, each in the place of the one that has its name, or at the end."""
        text = self.text
        for entry in entries:
            at = texts.index_of(text, entry["name"])
            text = texts.with_entry(text, entry) if at is None else texts.with_entry_at(text, at, entry)
        self.replace(text)

    def remove(self, name: str) -> None:
        """Take out the pattern with this name."""
        self.replace(texts.without_entry(self.text, self._at(name)))

    def turn(self, name: str, *, enabled: bool) -> None:
        """Turn the pattern with this name on or off."""
        self.replace(texts.with_enabled(self.text, self._at(name), enabled))

    def replace(self, text: str) -> None:
        """Make this the file's text."""
        patterns = parse_patterns(text, self.path, users_own=True)
        now = read_text(self.path) if self.path.exists() else None
        if now != self._found:
            raise PatternFileError(self.path, None, "was changed by someone else meanwhile", "do it again")
        if self._found is not None:
            write_text(self.path.with_name(f"{self.path.name}.bak"), self._found)
        write_text(self.path, text)
        self.text = self._found = text
        self.patterns = patterns

    def _at(self, name: str) -> int:
        at = texts.index_of(self.text, name)
        if at is None:
            raise LookupError(name)
        return at


def write_text(path: Path, text: str) -> None:
    """Replace a file, or make it for this user alone: whoever reads finds all of the text or the file as it was."""
    target = path.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        make_private(target.parent)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        reason = error.strerror or type(error).__name__
        raise PatternFileError(path, None, f"cannot be written: {reason}", "check the path and its rights") from None
