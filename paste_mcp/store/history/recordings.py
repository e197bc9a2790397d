"""Our own records (`proxy/recorder.py`), read as sessions of calls; what guesses did is `store/sessions.py`'s to read.

Full records hold arguments and results. The others hold of each argument a keyed digest and where the session had its
value before; `skeleton.py` makes a session of the same build out of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, get_args

from paste_mcp.core.model import Json, Status
from paste_mcp.core.patterns.extract import payload_of
from paste_mcp.store.history.past import Past, text_of
from paste_mcp.store.history.skeleton import Digests, skeleton
from paste_mcp.store.learnt import session_key
from paste_mcp.store.traces import TracedCall, TracedSession

SOURCE: Final = "paste-mcp"


def is_recording(line: dict[str, Any]) -> bool:
    """The line can only be one of this format."""
    return "session" in line and bool(line.keys() & {"opened", "derivations", "summary"}) and "calls" not in line


def further_parts(path: Path) -> list[Path]:
    """The files in which a long session's record goes on: `ID.jsonl`, `ID.1.jsonl`, ..."""
    id = path.name.removesuffix(".jsonl")
    parts = (
        (part.name.removeprefix(f"{id}.").removesuffix(".jsonl"), part) for part in path.parent.glob(f"{id}.*.jsonl")
    )
    return [part for _, part in sorted((int(number), part) for number, part in parts if number.isdecimal())]


def is_further_part(path: Path) -> bool:
    """The file is read with the one before it."""
    id, _, number = path.name.removesuffix(".jsonl").rpartition(".")
    return number.isdecimal() and path.with_name(f"{id}.jsonl").exists()


def read_recording(lines: Iterable[dict[str, Any]], digests: Digests) -> Iterator[Past]:
    """The session of one record, all parts together; `digests` are those of this installation."""
    calls = [line for line in lines if text_of(line, "tool") and isinstance(line.get("n"), int)]
    if not calls:
        return
    id = text_of(calls[0], "session")
    full = all(isinstance(call.get("arguments"), dict) for call in calls)
    parts = [(call["arguments"], _result(call.get("result"))) for call in calls] if full else skeleton(calls, digests)
    made = tuple(
        TracedCall(
            server=text_of(call, "server"),
            tool=text_of(call, "tool"),
            arguments=arguments,
            result=payload_of(result),
            status=_status(call.get("status")),
            turn=turn if isinstance(turn := call.get("turn"), int) else at,
            read_only=reads if isinstance(reads := call.get("read_only"), bool) else None,
            started=_seconds(call.get("started")),
            ended=_seconds(call.get("ended")),
            name=f"{text_of(call, 'server')}/{text_of(call, 'tool')}",
        )
        for at, (call, (arguments, result)) in enumerate(zip(calls, parts, strict=True))
    )
    definitions = {(text_of(call, "server"), text_of(call, "tool")): text_of(call, "definition") for call in calls}
    yield Past(session_key(id), TracedSession(id, id, "", SOURCE, made), definitions, values=full)


def _result(result: Json) -> dict[str, Json]:
    """A record keeps a result whole where it holds a document, else its text."""
    if isinstance(result, dict):
        return result
    return {"content": [{"type": "text", "text": result}] if isinstance(result, str) and result else []}


def _status(status: Any) -> Status:
    return status if status in get_args(Status) else "ok"


def _seconds(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
