"""What was recorded, to be asked again: by tool and arguments, in the order in which it was answered then."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paste_mcp.core.keys import CallKey, Unkeyable, call_key
from paste_mcp.core.model import ToolCall
from paste_mcp.store.traces import TracedCall, TracedSession

MAX_SHOWN = 200
"""Characters of arguments in an error."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call of a session, by its position there."""

    session: str
    position: int
    call: TracedCall

    @property
    def took_s(self) -> float:
        """How long it took; 0 where nobody wrote it down."""
        started, ended = self.call.started, self.call.ended
        return max(0.0, ended - started) if started is not None and ended is not None else 0.0


class NotRecordedError(LookupError):
    """No recorded call is this one; `str()` says what there is."""


class Recording:
    """The calls of some sessions. Equal calls are answered in turn as they were; after the last, by the last again."""

    def __init__(self, sessions: Sequence[TracedSession], server: str | None = None) -> None:
        self._answers: dict[CallKey, list[Recorded]] = defaultdict(list)
        self._given: Counter[CallKey] = Counter()
        self._calls: dict[tuple[str, str], list[TracedCall]] = defaultdict(list)
        for session in sessions:
            for position, call in enumerate(session.calls):
                if server is not None and call.server != server:
                    continue
                self._calls[call.server, call.tool].append(call)
                try:
                    self._answers[_key(call.server, call.tool, call.arguments)].append(
                        Recorded(session.id, position, call)
                    )
                except Unkeyable:
                    continue
        servers = {of for of, _ in self._calls}
        self._names = {tool_name(*tool, alone=len(servers) == 1): tool for tool in self._calls}

    def __len__(self) -> int:
        return sum(map(len, self._calls.values()))

    def tools(self) -> Iterator[tuple[str, list[TracedCall]]]:
        """Each tool's name with the calls it got."""
        for name, tool in sorted(self._names.items()):
            yield name, self._calls[tool]

    def key(self, name: str, arguments: Mapping[str, Any]) -> CallKey:
        """What this call is known by. Raises `NotRecordedError` for a tool that has no recorded call."""
        if name not in self._names:
            raise NotRecordedError(f"no call of {name!r} is recorded; recorded are {', '.join(sorted(self._names))}")
        try:
            return _key(*self._names[name], arguments)
        except Unkeyable as error:
            raise NotRecordedError(f"{name}: these arguments cannot be compared ({error})") from None

    def find(self, name: str, arguments: Mapping[str, Any]) -> Recorded:
        """The recorded call that answers this one next. Raises `NotRecordedError`."""
        key = self.key(name, arguments)
        recorded = self._answers.get(key)
        if not recorded:
            calls = self._calls[self._names[name]]
            shown = json.dumps(dict(calls[0].arguments), ensure_ascii=False)[:MAX_SHOWN]
            raise NotRecordedError(
                f"{name} is not recorded with these arguments; of its {len(calls)} recorded calls the first has {shown}"
            )
        return recorded[min(self._given[key], len(recorded) - 1)]

    def given(self, name: str, arguments: Mapping[str, Any]) -> None:
        """The answer went out: the next equal call gets the next one. A cancelled call does not count."""
        self._given[self.key(name, arguments)] += 1


def tool_name(server: str, tool: str, *, alone: bool) -> str:
    """What a tool is called: by its own name where it cannot be mistaken."""
    return tool if alone or not server else f"{server}__{tool}"


def _key(server: str, tool: str, arguments: Mapping[str, Any]) -> CallKey:
    return call_key(ToolCall(server, tool, arguments), "")
