"""Small logs in the formats that are found on users' disks, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SESSION = "3f2a7c1e-0000-4000-8000-000000000001"


def write_lines(path: Path, lines: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


class Claude:
    """A conversation of Claude Code's, line by line."""

    def __init__(self, session: str = SESSION, agent: str | None = None) -> None:
        self.lines: list[Any] = []
        self._session = session
        self._agent = agent
        self._second = 0

    def line(self, kind: str, message: Any, **more: Any) -> None:
        self._second += 1
        side = {} if self._agent is None else {"agentId": self._agent}
        self.lines.append(
            {
                "parentUuid": None,
                "isSidechain": self._agent is not None,
                **side,
                "userType": "external",
                "cwd": "/home/ada/project",
                "sessionId": self._session,
                "version": "2.1.230",
                "gitBranch": "main",
                "type": kind,
                "message": message,
                "uuid": f"u{self._second}",
                "timestamp": f"2026-03-01T10:00:{self._second:02}.500Z",
                **more,
            }
        )

    def says(self, message_id: str, *blocks: dict[str, Any]) -> Claude:
        """The assistant's message, one line for each block."""
        for block in blocks:
            message = {
                "id": message_id,
                "type": "message",
                "role": "assistant",
                "model": "claude-x",
                "content": [block],
            }
            self.line("assistant", message)
        return self

    def hears(self, call: str, content: Any, *, error: bool | None = None, **more: Any) -> Claude:
        result = {"type": "tool_result", "tool_use_id": call, "content": content}
        if error is not None:
            result["is_error"] = error
        self.line("user", {"role": "user", "content": [result]}, **more)
        return self


def use(id: str, name: str, /, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def results_of(query: str, *urls: str) -> list[dict[str, Any]]:
    return [said(json.dumps({"query": query, "results": [{"url": url, "title": f"on {url}"} for url in urls]}))]


def claude_session(session: str = SESSION, prefix: str = "toolu_01AAAAAAAAAA", topic: str = "tea") -> list[Any]:
    """A search, then two visits side by side, with one of the host's own tools between."""
    talk = Claude(session)
    talk.lines += [
        {"type": "summary", "summary": "Reading about it", "leafUuid": "u9"},
        {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}, "isSnapshotUpdate": False},
    ]
    talk.line("user", {"role": "user", "content": f"Read about {topic}"})
    urls = [f"https://{topic}.example/{n}" for n in range(3)]
    talk.says("msg_1", said("Searching."), use(f"{prefix}1", "mcp__research__search", query=topic))
    talk.hears(f"{prefix}1", results_of(topic, *urls))
    talk.says("msg_2", use(f"{prefix}2", "Read", file_path="/home/ada/notes.md"))
    talk.hears(f"{prefix}2", "notes", toolUseResult={"file": {}})
    talk.says(
        "msg_3",
        use(f"{prefix}3", "mcp__research__visit", url=urls[0]),
        use(f"{prefix}4", "mcp__research__visit", url=urls[1]),
    )
    talk.hears(f"{prefix}4", [said("the second page")])
    talk.hears(f"{prefix}3", [said("the first page")])
    return talk.lines


class Codex:
    """A rollout of Codex's, line by line."""

    def __init__(self, session: str = "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001") -> None:
        self.lines: list[Any] = []
        self._second = 0
        self.line(
            "session_meta", {"id": session, "cwd": "/home/ada", "originator": "codex_cli", "cli_version": "0.153.4"}
        )
        self.line("turn_context", {"cwd": "/home/ada", "model": "gpt-x", "approval_policy": "never"})

    def line(self, kind: str, payload: Any) -> Codex:
        self._second += 1
        self.lines.append({"timestamp": f"2026-03-02T10:00:{self._second:02}.000Z", "type": kind, "payload": payload})
        return self

    def calls(self, id: str, name: str, *, namespace: str | None = None, **arguments: Any) -> Codex:
        payload = {"type": "function_call", "name": name, "arguments": json.dumps(arguments), "call_id": id}
        return self.line("response_item", payload | ({} if namespace is None else {"namespace": namespace}))

    def gets(self, id: str, output: Any) -> Codex:
        return self.line("response_item", {"type": "function_call_output", "call_id": id, "output": output})

    def told(self, id: str, server: str, tool: str, result: Any, **arguments: Any) -> Codex:
        invocation = {"server": server, "tool": tool, "arguments": arguments}
        payload = {"type": "mcp_tool_call_end", "call_id": id, "invocation": invocation, "result": result}
        return self.line("event_msg", payload | {"duration": {"secs": 0, "nanos": 42}})
