"""A sample of the served results is fetched once more and compared: is a tool what it claims to be?

The first few results of each tool are checked, then a share of them, chosen by a hash of the call so that nothing in
the core depends on chance. A check is dropped where a write came in between; it never delays anything.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from paste_mcp.core.keys import CallKey, Unkeyable, canonical, parse_strict
from paste_mcp.core.model import Json, ToolCall
from paste_mcp.core.patterns.paths import Span, Step, compile_path

ALWAYS: Final = 3
"""Served results of a tool that are checked whatever the share: a stranger is looked at first."""
MAX_WAITING: Final = 8
"""Checks that may wait in one session; of more, the latest are dropped."""
_COMPARED: Final = ("content", "structuredContent", "isError", "resultType")


@dataclass(frozen=True, slots=True)
class Check:
    """A call to be made again, and the result that was served for it."""

    key: CallKey
    call: ToolCall
    pattern: str
    served: Json


class Checks:
    """The checks of one session: those that wait and those under way, by execution id."""

    def __init__(self) -> None:
        self._served: Counter[tuple[str, str]] = Counter()
        self._waiting: deque[Check] = deque()
        self._running: dict[int, Check | None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def served(self, check: Check, share: float) -> None:
        """A result was served; maybe it is to be checked."""
        tool = (check.key.server, check.key.tool)
        self._served[tool] += 1
        if share > 0 and len(self._waiting) < MAX_WAITING and self._is_chosen(check.key, self._served[tool], share):
            self._waiting.append(check)

    def next(self) -> Check | None:
        """The check that has waited longest."""
        return self._waiting[0] if self._waiting else None

    def start(self, id: int) -> None:
        """The check that `next` gave is under way as execution `id`."""
        self._running[id] = self._waiting.popleft()

    def runs(self, id: int) -> bool:
        return id in self._running

    def end(self, id: int) -> Check | None:
        """Execution `id` is over; None where its result means nothing any more."""
        return self._running.pop(id)

    def drop(self, concerns: Callable[[CallKey], bool]) -> list[int]:
        """These checks mean nothing any more. Returns the executions to be cancelled; they still have to `end`."""
        self._waiting = deque(check for check in self._waiting if not concerns(check.key))
        dropped = [id for id, check in self._running.items() if check is not None and concerns(check.key)]
        for id in dropped:
            self._running[id] = None
        return dropped

    def _is_chosen(self, key: CallKey, number: int, share: float) -> bool:
        if number <= ALWAYS:
            return True
        text = f"{key.server}\0{key.tool}\0{number}\0".encode() + key.arguments
        return int.from_bytes(hashlib.sha256(text).digest()[:8]) < share * 2**64


def same(first: Json, second: Json, ignore: Iterable[str]) -> bool:
    """Whether two raw results say the same, but for what the paths in `ignore` lead to."""
    paths = [compile_path(path) for path in ignore]
    try:
        return canonical(_said(first, paths)) == canonical(_said(second, paths))
    except Unkeyable:
        return False


def _said(result: Json, paths: list[tuple[Step, ...]]) -> Json:
    """What a result says, for comparison: no metadata, JSON in texts read."""
    if not isinstance(result, Mapping):
        return result
    said: dict[str, Any] = {key: result[key] for key in _COMPARED if key in result}
    # The protocol's defaults, so that a server may write them or not.
    said["isError"], said["resultType"] = said.get("isError") is True, said.get("resultType", "complete")
    if "structuredContent" in said:
        said["structuredContent"] = _without(said["structuredContent"], paths)
    content = said.get("content")
    if isinstance(content, list):
        said["content"] = [_block(block, paths) for block in content]
    return said


def _block(block: Json, paths: list[tuple[Step, ...]]) -> Json:
    text = block.get("text") if isinstance(block, Mapping) else None
    if not paths or not isinstance(text, str) or not text.lstrip().startswith(("{", "[")):
        return block
    try:
        return {**block, "text": _without(parse_strict(text), paths)}
    except Unkeyable:
        return block


def _without(document: Json, paths: list[tuple[Step, ...]]) -> Json:
    for steps in paths:
        document = _cut(document, steps) if steps else None
    return document


def _cut(node: Json, steps: tuple[Step, ...]) -> Json:
    """`node` without what `steps` lead to."""
    step, rest = steps[0], steps[1:]
    if isinstance(node, Mapping):
        chosen = set(node) if isinstance(step, Span) and step.members else {step} & set(node)
        kept = {name: inner for name, inner in node.items() if rest or name not in chosen}
        return {name: _cut(inner, rest) if name in chosen else inner for name, inner in kept.items()}
    if isinstance(node, list):
        if isinstance(step, Span):
            places = set(range(*slice(step.start, step.stop).indices(len(node))))
        else:
            places = {step % len(node)} if isinstance(step, int) and -len(node) <= step < len(node) else set()
        return [
            _cut(inner, rest) if at in places else inner for at, inner in enumerate(node) if rest or at not in places
        ]
    return node
