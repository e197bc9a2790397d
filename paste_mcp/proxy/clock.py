"""The only reader of time. The event loop's clock, so that tests may run on a simulated one."""

from __future__ import annotations

import asyncio
import time

import anyio


def now() -> float:
    """Seconds on a monotonic clock, for every duration and deadline."""
    try:
        # What anyio does too, without asking first which event loop it is: every call asks several times.
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return anyio.current_time()


def wall() -> float:
    """Seconds since 1970, for records that outlive the process."""
    return time.time()
