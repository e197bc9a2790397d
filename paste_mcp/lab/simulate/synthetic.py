"""A workload made from a seed: workflows that follow ids, done again and again with other values.

Twenty workflows, each run fifty times: on servers of the demo servers' shapes (search and visit; list, grep and read),
which the shipped patterns know, and on a help desk's, which they do not. It is the best case of speculation, and said
to be. What varies is every value; the order of the tools and where in a list the next value stands (mostly first)
belong to the workflow.
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
_FAMILIES: Final = (
    ("research/search", "research/visit", "research/visit"),
    ("workspace/grep", "workspace/read", None),
    ("workspace/list_files", "workspace/read", None),
    ("desk/lookup", "desk/history", "desk/customer"),
)
"""A tool that looks up, one that opens what it found, and one that follows what that refers to."""


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
    """A look-up, then following what it found, and sometimes what that refers to."""
    first, then, deeper = random.choice(_FAMILIES)
    steps = [Step(first)]
    while len(steps) < 4 or (len(steps) < 7 and random.random() < 0.6):
        if deeper is not None and steps[-1].tool == then and random.random() < 0.4:
            steps.append(Step(deeper, len(steps) - 1, 0))
            continue
        taken = [step.rank for step in steps if step.of == 0]
        rank = max(taken) + 1 if taken else random.choice(_RANKS)
        if rank == _LISTED:
            break
        steps.append(Step(then, 0, rank))
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


def _lookup(subject: str, random: Random) -> Answer:
    refs = [_word(random) for _ in range(_LISTED)]
    return {"subject": subject}, {"cases": [{"ref": ref, "state": "open"} for ref in refs]}, refs


def _history(ref: str, random: Random) -> Answer:
    who = _word(random)
    return {"case": ref}, {"ref": ref, "opened_by": {"number": who}, "notes": _word(random)}, [who]


def _customer(number: str, random: Random) -> Answer:
    return {"customer": number}, {"customer": number, "name": _word(random)}, []


_ANSWERS: Final[Mapping[str, Callable[[str, Random], Answer]]] = {
    "research/search": _search,
    "research/visit": _visit,
    "workspace/grep": _grep,
    "workspace/list_files": _list,
    "workspace/read": _read,
    "desk/lookup": _lookup,
    "desk/history": _history,
    "desk/customer": _customer,
}


def _word(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=9))


def _url(random: Random) -> str:
    return f"doc://{_word(random)}/{_word(random)}"


def _path(random: Random) -> str:
    return f"{_word(random)}/{_word(random)}.py"
