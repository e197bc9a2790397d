"""Codex's session logs ("rollouts"): what the model said and got, and what happened, interleaved line by line.

    {"timestamp": ..., "type": "session_meta", "payload": {"id": ...}}
    {"timestamp": ..., "type": "response_item", "payload": {"type": "function_call", "name": ...,
     "namespace": "mcp__SERVER", "arguments": "{...}", "call_id": "call_..."}}
    {"timestamp": ..., "type": "event_msg", "payload": {"type": "mcp_tool_call_end", "call_id": "call_...",
     "invocation": {"server": ..., "tool": ..., "arguments": {...}}, "result": {"Ok": {"content": [...]}}}}
    {"timestamp": ..., "type": "response_item", "payload": {"type": "function_call_output", "call_id": "call_...",
     "output": "..."}}

Older files have the payloads alone on their lines, and names like `SERVER__TOOL`; newer ones have `item_completed`
events. The event tells the server's own names and its whole result, so it wins over what the model was shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from paste_mcp.core.model import Json
from paste_mcp.store.history.past import Past, call_of, key_of, seconds_of, text_of
from paste_mcp.store.traces import TracedSession, split_name

SOURCE: Final = "codex"

_WRAPPERS: Final = ("session_meta", "response_item", "event_msg", "turn_context", "compacted", "world_state")
_ITEMS: Final = ("function_call", "function_call_output", "reasoning", "local_shell_call", "custom_tool_call")
_HEADER: Final = re.compile(r"Wall time: [\d.]+ seconds\nOutput:\n?")
_NEVER_SENT: Final = ("user rejected MCP tool call", "user cancelled MCP tool call")


def is_codex(line: dict[str, Any]) -> bool:
    """The line can only be one of this format."""
    kind = line.get("type")
    if kind in _WRAPPERS:
        return isinstance(line.get("payload"), dict)
    return (kind in _ITEMS and "message" not in line) or {"id", "timestamp", "instructions"} <= line.keys()


def read_codex(lines: Iterable[dict[str, Any]]) -> Iterator[Past]:
    """The session of one file."""
    rollout = _Rollout()
    for line in lines:
        payload = line.get("payload")
        rollout.add(payload if isinstance(payload, dict) else line, text_of(line, "type"), line.get("timestamp"))
    if (past := rollout.past()) is not None:
        yield past


@dataclass(slots=True)
class _Call:
    turn: int
    began: float | None
    name: tuple[str, str] = ("", "")
    written: str = ""
    arguments: Json = None
    result: dict[str, Json] | None = None
    ended: float | None = None
    sent: bool = True


@dataclass(slots=True)
class _Rollout:
    session: str = ""
    model: str = ""
    turn: int = -1
    answered: bool = True
    """Something was answered since the model's last call: what it calls next is another turn."""
    calls: dict[str, _Call] = field(default_factory=dict)

    def add(self, payload: dict[str, Any], wrapper: str, time: Any) -> None:
        kind, at = text_of(payload, "type"), seconds_of(time)
        if wrapper in ("session_meta", "turn_context", ""):
            self.session = self.session or text_of(payload, "id")
            self.model = self.model or text_of(payload, "model")
        elif kind == "function_call":
            self._called(payload, at)
        elif kind == "function_call_output":
            self._answered(text_of(payload, "call_id"), payload.get("output"), at)
        elif kind == "mcp_tool_call_end":
            invocation = payload.get("invocation")
            self._told(text_of(payload, "call_id"), invocation, payload.get("result"), at)
        elif kind == "item_completed":
            item = payload.get("item")
            if isinstance(item, dict) and item.get("type") == "McpToolCall":
                error = item.get("error")
                result = {"Err": text_of(error, "message")} if isinstance(error, dict) else {"Ok": item.get("result")}
                self._told(text_of(item, "id"), item, result, at)

    def _begin(self, id: str, at: float | None) -> _Call:
        if self.answered:
            self.turn += 1
            self.answered = False
        call = self.calls[id] = _Call(self.turn, at)
        return call

    def _called(self, payload: dict[str, Any], at: float | None) -> None:
        id = text_of(payload, "call_id")
        if id in self.calls:
            return
        call = self._begin(id, at)
        name, space = text_of(payload, "name"), text_of(payload, "namespace")
        call.written = f"{space.rstrip('_')}__{name}" if space.startswith("mcp__") else name
        call.name = _split(call.written)
        try:
            call.arguments = json.loads(text_of(payload, "arguments") or "{}")
        except (ValueError, RecursionError):
            call.arguments = None

    def _answered(self, id: str, output: Json, at: float | None) -> None:
        call = self.calls.get(id)
        if call is None:
            return
        self.answered = True
        call.ended = call.ended or at
        if call.result is None:
            call.result = _shown(output) if call.name[0] else {"content": _blocks(output)}

    def _told(self, id: str, invocation: Json, outcome: Json, at: float | None) -> None:
        if not isinstance(invocation, dict) or not isinstance(outcome, dict):
            return
        # What a script of the model's calls has no call of the model's own.
        call = self.calls.get(id) or self._begin(id, at)
        call.name = text_of(invocation, "server"), text_of(invocation, "tool")
        call.written = call.written or f"mcp__{call.name[0]}__{call.name[1]}"
        call.arguments = invocation.get("arguments")
        call.ended, self.answered = at, True
        if isinstance(result := outcome.get("Ok"), dict):
            structured = result.get("structuredContent", result.get("structured_content"))
            content = result.get("content")
            call.result = {
                "content": content if isinstance(content, list) else [],
                "isError": result.get("isError", result.get("is_error")) is True,
                **({} if structured is None else {"structuredContent": structured}),
            }
        else:
            said = text_of(outcome, "Err")
            call.sent = not said.startswith(_NEVER_SENT)
            call.result = {"content": [{"type": "text", "text": said}], "isError": True}

    def past(self) -> Past | None:
        ended = [
            (id, call) for id, call in self.calls.items() if call.name[1] and call.sent and call.result is not None
        ]
        if not ended:
            return None
        calls = tuple(
            call_of(
                call.name,
                call.arguments,
                call.result or {},
                turn=call.turn,
                began=call.began,
                ended=call.ended,
                written=call.written,
            )
            for _, call in ended
        )
        session = TracedSession(self.session, self.session, self.model, SOURCE, calls)
        return Past(key_of(SOURCE, self.session, ended[0][0], "call_"), session, of_host=True)


def _split(name: str) -> tuple[str, str]:
    if name.startswith("mcp__"):
        return split_name(name)
    server, sign, tool = name.partition("__")
    return (server, tool) if sign and server and tool else ("", name)


def _shown(output: Json) -> dict[str, Json]:
    """The result of an MCP call, out of what the model was shown: the structured content, else the list of blocks."""
    if not isinstance(output, str):
        return {"content": _blocks(output)}
    text = _HEADER.sub("", output, count=1) if _HEADER.match(output) else output
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {"content": [{"type": "text", "text": text}]}
    if isinstance(value, list) and all(isinstance(block, dict) and "type" in block for block in value):
        return {"content": value}
    if isinstance(value, dict):
        return {"content": [], "structuredContent": value}
    return {"content": [{"type": "text", "text": text}]}


def _blocks(output: Json) -> list[Json]:
    if isinstance(output, dict):
        output = output.get("content", output.get("output"))
    if isinstance(output, list):
        return [{"type": "text", "text": text_of(item, "text")} for item in output if text_of(item, "text")]
    return [{"type": "text", "text": output}] if isinstance(output, str) else []
