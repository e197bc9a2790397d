"""Claude Code's session logs: one line for each block of a message, calls on the assistant's, results on the user's.

    {"type": "assistant", "sessionId": ..., "timestamp": ..., "isSidechain": false, "message": {"id": "msg_...",
     "model": ..., "content": [{"type": "tool_use", "id": "toolu_...", "name": "mcp__SERVER__TOOL", "input": {...}}]}}
    {"type": "user", ..., "mcpMeta": {"structuredContent": {...}}, "message": {"content": [
      {"type": "tool_result", "tool_use_id": "toolu_...", "content": [...], "is_error": true}]}}

The format is not documented and changes between releases: whatever is not as expected is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from paste_mcp.core.model import Json
from paste_mcp.store.history.past import Past, call_of, key_of, seconds_of, text_of
from paste_mcp.store.traces import TracedSession, split_name

SOURCE: Final = "claude-code"

_NEVER_SENT: Final = (
    "The user doesn't want to",
    "Claude requested permissions",
    "<tool_use_error>",
    "[Request interrupted",
)
"""How the results begin of calls that Claude Code did not let through."""


def is_claude(line: dict[str, Any]) -> bool:
    """The line can only be one of this format."""
    if line.get("type") == "summary":
        return "leafUuid" in line
    return line.get("type") in ("user", "assistant") and "message" in line and ("sessionId" in line or "uuid" in line)


def read_claude(lines: Iterable[dict[str, Any]]) -> Iterator[Past]:
    """The sessions of one file: the conversation, and each sub-agent's that was logged between."""
    chains: dict[str, _Chain] = {}
    for line in lines:
        message = line.get("message")
        if line.get("type") in ("user", "assistant") and isinstance(message, dict):
            id = (text_of(line, "agentId") or "sidechain") if line.get("isSidechain") is True else ""
            chains.setdefault(id, _Chain(id)).add(line, message)
    for chain in chains.values():
        if (past := chain.past()) is not None:
            yield past


@dataclass(slots=True)
class _Call:
    name: str
    arguments: Json
    turn: int
    began: float | None
    ended: float | None = None
    result: dict[str, Json] | None = None


@dataclass(slots=True)
class _Chain:
    id: str
    session: str = ""
    model: str = ""
    turns: dict[str, int] = field(default_factory=dict)
    calls: dict[str, _Call] = field(default_factory=dict)

    def add(self, line: dict[str, Any], message: dict[str, Any]) -> None:
        self.session = self.session or text_of(line, "sessionId")
        content = message.get("content")
        blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
        at = seconds_of(line.get("timestamp"))
        if line["type"] == "assistant":
            self.model = self.model or text_of(message, "model")
            for block in blocks:
                if block.get("type") == "tool_use" and (id := text_of(block, "id")) and id not in self.calls:
                    # Blocks of one message stand in lines of their own.
                    turn = self.turns.setdefault(text_of(message, "id") or text_of(line, "uuid") or id, len(self.turns))
                    self.calls[id] = _Call(text_of(block, "name"), block.get("input"), turn, at)
        else:
            results = [block for block in blocks if block.get("type") == "tool_result"]
            for block in results:
                call = self.calls.get(text_of(block, "tool_use_id"))
                if call is not None and call.result is None:
                    call.result, call.ended = _result(block, line if len(results) == 1 else {}), at

    def past(self) -> Past | None:
        ended = sorted(
            ((id, call) for id, call in self.calls.items() if call.name and call.result is not None),
            key=lambda found: found[1].turn,
        )
        if not ended:
            return None
        calls = tuple(
            call_of(
                split_name(call.name) if call.name.startswith("mcp__") else ("", call.name),
                call.arguments,
                call.result or {},
                turn=call.turn,
                began=call.began,
                ended=call.ended,
                written=call.name,
            )
            for _, call in ended
        )
        id = f"{self.session}/{self.id}" if self.id else self.session
        session = TracedSession(id, id, self.model, SOURCE, calls)
        return Past(key_of(SOURCE, id, ended[0][0], "toolu_"), session, of_host=True)


def _result(block: dict[str, Any], line: dict[str, Any]) -> dict[str, Json] | None:
    """The result as the server gave it; None where the call never reached it."""
    content = block.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    blocks = blocks if isinstance(blocks, list) else []
    said = text_of(blocks[0], "text") if blocks else ""
    if block.get("is_error") is True and said.startswith(_NEVER_SENT):
        return None
    result: dict[str, Json] = {"content": blocks, "isError": block.get("is_error") is True}
    meta = line.get("mcpMeta")
    if isinstance(meta, dict) and meta.get("structuredContent") is not None:
        result["structuredContent"] = meta["structuredContent"]
    return result
