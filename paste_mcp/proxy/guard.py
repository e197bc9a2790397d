"""Ends the servers of a proxy that was killed, which can no longer do it itself. POSIX only.

A shell of a megabyte waits at a pipe that only the proxy holds open. However the proxy ends, the pipe ends with it; the
servers' groups that are still there are asked then (TERM), and killed after a while.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import DEVNULL, PIPE, Popen

logger = logging.getLogger("paste_mcp")

_SHELL = "/bin/sh"
_SCRIPT = """
groups=
while read -r word group; do
  others=
  for one in $groups; do [ "$one" = "$group" ] || others="$others $one"; done
  groups=$others
  [ "$word" = watch ] && groups="$groups $group"
done
[ -n "$groups" ] || exit 0
for one in $groups; do kill -TERM "-$one"; done
sleep 2
for one in $groups; do kill -KILL "-$one"; done
"""


class Guard:
    """Started for the first group that is watched, and gone with the last."""

    def __init__(self) -> None:
        self._shell: Popen[bytes] | None = None
        self._watched = 0

    @contextmanager
    def watching(self, group: int) -> Iterator[None]:
        """Meanwhile this process group does not outlive us."""
        self._watched += 1
        self._tell("watch", group)
        try:
            yield
        finally:
            self._watched -= 1
            self._tell("forget", group)
            if not self._watched:
                self._leave()

    def _tell(self, word: str, group: int) -> None:
        if self._shell is None:
            try:
                # A session of its own: what a terminal sends to all of ours is not for it.
                self._shell = Popen(
                    [_SHELL, "-c", _SCRIPT], stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
                )
            except OSError as error:
                logger.debug("servers are not guarded: %s", error)
                return
        assert self._shell.stdin is not None
        with suppress(OSError):
            os.write(self._shell.stdin.fileno(), f"{word} {group}\n".encode())

    def _leave(self) -> None:
        if self._shell is not None:
            with suppress(OSError), self._shell:
                pass  # closes the pipe and waits: nothing is left to be done, so it ends at once
            self._shell = None


GUARD = Guard()
