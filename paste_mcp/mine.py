"""What `paste-mcp mine` does and says: logs in, what was learnt into the store or a file of patterns, words out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from paste_mcp.core.patterns.language import Pattern
from paste_mcp.core.patterns.writer import pattern_data
from paste_mcp.core.prediction.learnt.written import written
from paste_mcp.proxy import clock
from paste_mcp.store.history.logs import Log
from paste_mcp.store.learnt import LearntStore
from paste_mcp.store.mining import Miner, calls_to_learn
from paste_mcp.store.pattern_text import pool_text
from paste_mcp.store.traces import TraceError

MOST_TOLD: Final = 5
"""Patterns that are told in words."""


@dataclass(slots=True)
class Mined:
    """What came of it."""

    sessions: int = 0
    calls: int = 0
    new_calls: int = 0
    logs: dict[str, int] = field(default_factory=dict)
    """Logs with sessions in them, by what they are."""
    left_out: int = 0
    """Calls that no proxy sees: the host's own tools."""
    skipped_lines: int = 0
    problems: list[str] = field(default_factory=list)
    patterns: list[Pattern] = field(default_factory=list)


def mine(logs: Sequence[Log], store: LearntStore | None, *, history: bool, show: bool) -> Mined:
    """Learn from all sessions of these logs. A log that cannot be read, or not to its end, costs one line.

    `show`: a progress bar on stderr. Raises StoreError.
    """
    miner = Miner(store, int(clock.wall() // 86_400), history=history)
    mined = Mined()
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not show) as progress:
        task = progress.add_task("mining", total=sum(map(_size, logs)))
        for log in logs:
            progress.update(task, description=escape(log.path.name[:40]))
            _learn(log, miner, mined)
            progress.advance(task, _size(log))
        miner.write()
    mined.patterns = written(miner.counts)
    return mined


def _learn(log: Log, miner: Miner, mined: Mined) -> None:
    try:
        for past in log.read():
            if calls := calls_to_learn(past):
                mined.sessions += 1
                mined.calls += len(calls)
                mined.new_calls += miner.learn(past)
            mined.left_out += len(past.session.calls) - len(calls)
    except TraceError as error:
        mined.problems.append(str(error))
    else:
        mined.logs[log.kind] = mined.logs.get(log.kind, 0) + 1
    mined.skipped_lines += log.skipped


def write_patterns(mined: Mined, file: Path) -> None:
    """Write the patterns as YAML. Raises OSError."""
    file.write_text(pool_text(map(pattern_data, mined.patterns)), encoding="utf-8")


def tell(mined: Mined, kept: Path | None, file: Path | None) -> None:
    """Say it to a person."""
    console = Console(highlight=False, soft_wrap=True)
    calls = f"{_number(mined.calls, 'call')} in {_number(mined.sessions, 'session')}"
    known = "" if mined.new_calls == mined.calls or kept is None else f", {mined.new_calls:,} of them new"
    console.print(f"{calls}{known}; {_number(len(mined.patterns), 'pattern')} learnt")
    if mined.left_out:
        console.print(f"{_number(mined.left_out, 'call')} of the hosts' own tools left out: no proxy sees them")
    if mined.skipped_lines:
        console.print(f"{_number(mined.skipped_lines, 'line')} could not be read and were skipped")
    for pattern in best(mined.patterns):
        console.print(f"  {escape(in_words(pattern))}")
    if kept is not None and mined.calls:
        console.print(f"kept in {escape(str(kept))}: the proxy foresees by it from its next start")
    if file is not None:
        console.print(f"written to {escape(str(file))}")


def as_json(mined: Mined, kept: Path | None, file: Path | None) -> str:
    """The same in one line for programs."""
    return json.dumps(
        {
            "sessions": mined.sessions,
            "calls": mined.calls,
            "new_calls": mined.new_calls,
            "patterns": len(mined.patterns),
            "logs": mined.logs,
            "left_out": mined.left_out,
            "skipped_lines": mined.skipped_lines,
            "problems": mined.problems,
            "best": [in_words(pattern) for pattern in best(mined.patterns)],
            "kept": None if kept is None else str(kept),
            "written": None if file is None else str(file),
        }
    )


def found_in_words(found: Mapping[str, Sequence[Log]]) -> str:
    """What there is on this machine."""
    return f"found {', '.join(_number(len(logs), kind) for kind, logs in found.items())}"


def best(patterns: Iterable[Pattern]) -> list[Pattern]:
    """Those that came true most often."""
    return sorted(patterns, key=_hits, reverse=True)[:MOST_TOLD]


def in_words(pattern: Pattern) -> str:
    """One pattern in a line."""
    data = pattern_data(pattern)
    source, _, target = pattern.name.removeprefix("learnt:").partition(" > ")
    often = ""
    if pattern.evidence is not None:
        often = f", {pattern.evidence.hit:.0f} of {pattern.evidence.seen:.0f} times"
    arguments = "; ".join(f"{name} is {_source(name, value)}" for name, value in data.get("arguments", {}).items())
    return f"{source} is followed by {target}{often}{': ' if arguments else ''}{arguments}"


def _source(name: str, value: Any) -> str:
    """A source as the pattern language writes it, in words where it is one of the usual ones."""
    match value:
        case {"next": inner}:
            return f"the next {_source(name, inner)}"
        case {"result": call, "path": path}:
            return f"{path} of the result of {_call(call)}"
        case {"argument": call, **rest}:
            return f"{rest.get('name', name)} of {_call(call)}"
        case {"const": constant}:
            return json.dumps(constant, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _call(reference: Any) -> str:
    return str(reference.get("tool")) if isinstance(reference, dict) else "that call"


def _hits(pattern: Pattern) -> float:
    return pattern.evidence.hit if pattern.evidence else 0.0


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _size(log: Log) -> int:
    return sum(path.stat().st_size for path in (log.path, *log.parts) if path.exists())
