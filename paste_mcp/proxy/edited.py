"""Pattern files that are edited while the proxy serves: read again soon after, off everybody's way.

Sessions that are open foresee by the new patterns from their next turn on. A file that cannot be used is told in one
line, once, and what was read before stays in force.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import anyio
from anyio import to_thread

from paste_mcp.core.patterns.language import Pattern
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.store.pattern_files import PatternFileError

logger = logging.getLogger("paste_mcp")

LOOK_S: Final = 2.0
"""How long an edit may go unnoticed."""

Stamp: TypeAlias = tuple[int, int, int] | None
"""What changes with a file: when it was written, its size, which one it is; None where there is none."""


class EditedPatterns:
    """Follows `files`, some of which may not be there yet. `read` gives all patterns anew, `use` takes them."""

    def __init__(
        self, files: Sequence[Path], read: Callable[[], Sequence[Pattern]], use: Callable[[Pool], None]
    ) -> None:
        self._files = tuple(files)
        self._read = read
        self._use = use
        self._seen = self._stamps()

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await anyio.sleep(LOOK_S)
            stamps = await to_thread.run_sync(self._stamps)
            if stamps == self._seen:
                continue
            self._seen = stamps
            try:
                pool = await to_thread.run_sync(self._pool)
            except PatternFileError as error:
                logger.warning("%s (the patterns read before stay in force)", error)
                continue
            self._use(pool)
            logger.info("the patterns were edited: %d are in force", len(pool))

    def _pool(self) -> Pool:
        return Pool(self._read())

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(map(_stamp, self._files))


def _stamp(file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
