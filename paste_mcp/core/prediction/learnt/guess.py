"""A call that may come, with the probability that the counts give it and what that came from."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from paste_mcp.core.model import Json, Tool
from paste_mcp.core.prediction.learnt.memory import Memory
from paste_mcp.core.prediction.learnt.slots import Candidate

PLAIN: Final = -5.0
"""The logarithm of odds that stands for "no such thing"."""


class Guess(NamedTuple):
    """A whole call. `features` are what `gate.py` weighs; `row` has a candidate for each argument, in their order."""

    tool: Tool
    arguments: dict[str, Json]
    probability: float
    features: tuple[float, ...]
    key: bytes
    """The arguments in canonical form."""
    row: tuple[Candidate, ...] = ()

    @property
    def composed(self) -> bool:
        """A value of it was put together, or read out of text."""
        return any(
            c.kind in ("join", "frame", "step") or any("~" in at.place or "|" in at.place for at in c.columns)
            for c in self.row
        )


def features_of(
    memory: Memory, tool: str, made: bool, row: tuple[Candidate, ...], p: float, p_tool: float, p_arguments: float
) -> tuple[float, ...]:
    """What is known of a guess that was put together; recalled calls have `recalled_features`."""
    changed = [candidate for candidate in row if candidate.kind != "same"]
    latest = memory.latest[0] if memory.latest else ""
    sources = [candidate.columns[-1].tool for candidate in changed if candidate.columns]
    return (
        logit(p),
        logit(p_tool),
        logit(p_arguments),
        float(tool == latest),
        float(made),
        float(len(changed)),
        min((math.log1p(candidate.support) for candidate in changed), default=0.0),
        float(tool in memory.tools),
        float(any(memory.tools.get(source) == memory.turns for source in sources)),
        float(bool(changed) and all(candidate.kind == "const" for candidate in changed)),
        float(any(candidate.kind in ("join", "frame") for candidate in changed)),
        float(any("~" in column.place for candidate in changed for column in candidate.columns)),
        math.log(memory.turns),
        min((math.log(candidate.fit) for candidate in changed), default=0.0),
        float(any(candidate.columns and not candidate.support for candidate in changed)),
        float(any(memory.is_sent(candidate.value) for candidate in changed)),
        0.0,
        0.0,
    )


def recalled_features(memory: Memory, tool: str, made: bool, p: float, seen: float) -> tuple[float, ...]:
    """What is known of a guess that is an earlier session's call."""
    latest = memory.latest[0] if memory.latest else ""
    known = (float(tool == latest), float(made), 0.0, math.log1p(seen), float(tool in memory.tools))
    return (PLAIN, PLAIN, 0.0, *known, 0.0, 0.0, 0.0, 0.0, math.log(memory.turns), 0.0, 0.0, 0.0, logit(p) - PLAIN, 1.0)


def with_recall(features: tuple[float, ...], recalled: float) -> tuple[float, ...]:
    """The features of a call that was put together and is recalled, too."""
    return (*features[:-2], logit(recalled) - PLAIN, 0.0)


def logit(p: float) -> float:
    """The logarithm of the odds of `p`, kept finite."""
    p = min(max(p, 1e-4), 1 - 1e-4)
    return math.log(p / (1 - p))
