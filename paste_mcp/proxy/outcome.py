"""Reads of a raw `tools/call` result what the engine must know of it."""

from __future__ import annotations

from typing import Any

from paste_mcp.core.commands import Outcome
from paste_mcp.core.patterns.extract import payload_of, status_of
from paste_mcp.core.speculation.serving import unfit

MAX_NODES = 50_000


def is_complete(result: dict[str, Any]) -> bool:
    """Whether this is a final answer. Absent `resultType` means complete (2025-11-25 and before)."""
    return result.get("resultType", "complete") == "complete" and "task" not in result


def outcome_of(result: dict[str, Any]) -> Outcome:
    """What came back for a guess. Interim and task results, those too large to measure, and successes that tell of a
    failure or of nothing found are never servable.
    """
    size, status = _size(result), status_of(result)
    whole = is_complete(result) and size is not None
    servable = whole and (status != "ok" or unfit(payload_of(result)) is None)
    return Outcome(result, status, size or 0, servable=servable)


def _size(result: dict[str, Any]) -> int | None:
    """Roughly the characters that a result holds; None where it has more parts than are worth counting."""
    total, parts, stack = 0, 0, [result]
    while stack:
        value: Any = stack.pop()
        parts += 1
        if parts > MAX_NODES:
            return None
        if isinstance(value, dict):
            total += sum(map(len, value))
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        else:
            total += len(value) if isinstance(value, str) else 8
    return total
