"""A workload made from a seed: workflows that follow ids, done again and again with other values.

Twenty workflows on two servers of the demo servers' shapes (search and visit; list, grep and read), each run fifty
times: the best case of speculation, and said to be. What varies is every value and where in a list the next one stands
(mostly first). What does not is the order of the tools.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias

from paste_mcp.lab.evaluate.folds import Plan
from paste_mcp.lab.evaluate.lessons import Lesson, lesson_of
from paste_mcp.store.traces import session_of

WORKFLOWS: Final = 20
RUNS: Final = 50
EARLY: Final = 3
"""Runs of each workflow after which it counts as known."""
FIRST: Final = "synthetic"
LATER: Final = "synthetic, after 3 runs"

_RANKS: Final = (0, 0, 0, 0, 0, 0, 0, 1, 1, 2)
"""Which entry of a list a step takes, as often as it stands here."""
_LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a workflow: it follows entry `rank` of the list that step `of` brought; None: it begins anew."""

    tool: str
    of: int | None = None
    rank: int = 0


def synthetic(seed: int, workflows: int = WORKFLOWS, runs: int = RUNS) -> tuple[tuple[Lesson, ...], list[Plan]]:
    """The suite twice: from nothing, and from what the first runs of each workflow show."""
    lessons = tuple(lesson_of(session_of(line, "?")) for line in trace_lines(seed, workflows, runs))
    everything = tuple(range(len(lessons)))
    known = min(EARLY, runs) * workflows
    plans = [Plan(FIRST, (), (), everything), Plan(LATER, everything[:known], (), everything[known:])]
    return lessons, [plan for plan in plans if plan.test]


def trace_lines(seed: int, workflows: int, runs: int) -> Iterator[str]:
    """The suite as a trace. Each workflow once, in an order drawn anew, then each once more, and so on."""
    random = Random(f"{seed}|synthetic")  # noqa: S311 - chance, not secrets
    made = [_workflow(random) for _ in range(workflows)]
    for run in range(runs):
        for number in random.sample(range(workflows), workflows):
            yield _session(made[number], f"workflow {number}", f"workflow {number}, run {run}", random)


def _workflow(random: Random) -> list[Step]:
    """Search, then follow results and what they refer to; or grep or list, then read what was found."""
    first, then = random.choice([("research/search", "research/visit"), ("workspace/grep", "workspace/read"),
                                 ("workspace/list_files", "workspace/read")])  # fmt: skip
    steps = [Step(first)]
    for number in range(1, random.randint(4, 7)):
        deeper = then == "research/visit" and number > 1 and random.random() < 0.3
        of = number - 1 if deeper else 0
        taken = [step.rank for step in steps[1:] if step.of == of]
        rank = max(taken) + 1 if taken else random.choice(_RANKS)
        if rank < _LISTED:
            steps.append(Step(then, of, rank))
    return steps


def _session(steps: list[Step], task: str, id: str, random: Random) -> str:
    """One run: the workflow with values that nobody has seen before."""
    brought: list[list[str]] = []
    calls = []
    for turn, step in enumerate(steps):
        followed = brought[step.of][step.rank] if step.of is not None else _word(random)
        arguments, result, listed = _ANSWERS[step.tool](followed, random)
        brought.append(listed)
        calls.append({"tool": step.tool, "arguments": arguments, "result": result, "turn": turn, "read_only": True})
    return json.dumps({"session": id, "task": task, "source": FIRST, "calls": calls})


Answer: TypeAlias = tuple[dict[str, Any], dict[str, Any], list[str]]
"""Arguments, result, and the values in it that further calls may follow."""


def _search(query: str, random: Random) -> Answer:
    urls = [_url(random) for _ in range(_LISTED)]
    results = [
        {"title": _word(random), "url": url, "snippet": _word(random), "score": 9 - at} for at, url in enumerate(urls)
    ]
    return {"query": query}, {"query": query, "results": results}, urls


def _visit(url: str, random: Random) -> Answer:
    related = [_url(random) for _ in range(_LISTED)]
    return {"url": url}, {"url": url, "title": _word(random), "text": _word(random), "see_also": related}, related


def _grep(pattern: str, random: Random) -> Answer:
    paths = [_path(random) for _ in range(_LISTED)]
    matches = [{"path": path, "line": random.randint(1, 900), "text": pattern} for path in paths]
    return {"pattern": pattern}, {"pattern": pattern, "matches": matches, "truncated": False}, paths


def _list(folder: str, random: Random) -> Answer:
    paths = [f"{folder}/{_word(random)}.py" for _ in range(_LISTED)]
    files = [{"path": path, "size": random.randint(1, 90_000)} for path in paths]
    return {"path": folder}, {"files": files, "truncated": False}, paths


def _read(path: str, random: Random) -> Answer:
    return {"path": path}, {"path": path, "text": _word(random), "total_lines": random.randint(1, 900)}, []


_ANSWERS: Final[Mapping[str, Callable[[str, Random], Answer]]] = {
    "research/search": _search,
    "research/visit": _visit,
    "workspace/grep": _grep,
    "workspace/list_files": _list,
    "workspace/read": _read,
}


def _word(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=9))


def _url(random: Random) -> str:
    return f"doc://{_word(random)}/{_word(random)}"


def _path(random: Random) -> str:
    return f"{_word(random)}/{_word(random)}.py"
