"""Which tool comes next: the longest context that was seen, backed off to shorter ones."""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from paste_mcp.core.prediction.learnt.slots import Learnt
from paste_mcp.core.prediction.learnt.zero_shot import PRIOR, Readers

MAX_TOOLS: Final = 8
MAX_OF_CONTEXT: Final = 16
BACK_OFF: Final = 2.0
"""How many observations the shorter context is worth."""
FEW: Final = 16.0
"""From so many observations of what follows a tool, names say nothing more."""
AGAIN: Final = 0.45
"""How often a tool follows itself, before anything was seen."""


def next_tools(learnt: Learnt, known: Container[str], readers: Readers) -> list[tuple[str, float]]:
    """The tools that may come in the next turn, each with its probability, likeliest first.

    Empirical Bayes: each context's relative frequencies, shrunk towards those of the next shorter one; the shortest
    is "the same tool again, or any by how usual it is". Where little was seen after the last tool, the names of what it
    showed speak, too.
    """
    memory = learnt.memory
    if memory.latest is None:
        return []
    latest = memory.latest[0]
    again = learnt.rate(("again",), AGAIN, 4.0)
    *longer, anything = memory.contexts()
    contexts = [learnt.of(context) for context in longer]
    names = {*memory.tools, latest}
    for context in contexts:
        names.update(str(name) for name in list(context)[:MAX_OF_CONTEXT] if name)
    found: list[tuple[str, float]] = []
    total = learnt.amount(anything, "")
    for name in names:
        if name in known:
            chance = again if name == latest else (1 - again) * (learnt.amount(anything, name) + 0.1) / (total + 10.0)
            for context in reversed(contexts):
                chance = (context.get(name, 0.0) + BACK_OFF * chance) / (context.get("", 0.0) + BACK_OFF)
            found.append((name, chance))
    seen = contexts[-1].get("", 0.0)
    if seen < FEW and (named := readers.of_last_turn(memory)):
        chance = PRIOR / len(named) * (1 - seen / FEW)
        found = [*((name, other) for name, other in found if name not in named or other > chance)]
        held = {name for name, _ in found}
        found += [(name, chance) for name in named if name not in held]
    found.sort(key=lambda item: (-item[1], item[0]))
    return found[:MAX_TOOLS]
