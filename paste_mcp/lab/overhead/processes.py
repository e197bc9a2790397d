"""A process that is measured: started with a clean hand, its CPU time and memory read, ended with all it started."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

GRACE_S = 5.0


class Process:
    """One process of ours, in a group of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, piped: bool) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        pipe = subprocess.PIPE if piped else subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self._said, env=dict(environment), start_new_session=True
        )

    @property
    def stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def last_words(self) -> str:
        """The last line it wrote to stderr."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def cpu_s(self) -> float | None:
        """CPU time used so far, without its children's; None where the system does not say."""
        try:
            # Linux's clock of another process (CPUCLOCK_SCHED): exact, where /proc counts in hundredths of a second.
            return time.clock_gettime((~self._process.pid << 3) | 2)
        except OSError:
            return None

    def memory_mb(self) -> float | None:
        """Resident memory; None where the system does not say."""
        with suppress(OSError):
            pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20
        return None

    def close(self) -> None:
        """As a host does: close its stdin, then ask, then insist; at last whatever it left running."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if self._process.stdin is None or not self._ends():
            self._signal(signal.SIGTERM)
            self._ends()
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._said.close()

    def _ends(self) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        return self.ended

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
