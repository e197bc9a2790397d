"""The user's dial, followed while the proxy runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import anyio

from paste_mcp.core.speculation.budget import Budget

LOOK_S: Final = 2.0
"""How often the dial is looked at."""


async def follow_dial(eagerness: Callable[[], float], budget: Budget) -> None:
    """Have the budget go by the dial, until cancelled."""
    while True:
        budget.eagerness = eagerness()
        await anyio.sleep(LOOK_S)
