"""Finds logs on the user's disk, tells by its first lines what a file is, and reads the sessions of any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from paste_mcp.store.history.claude import is_claude, read_claude
from paste_mcp.store.history.codex import is_codex, read_codex
from paste_mcp.store.history.lines import Lines
from paste_mcp.store.history.past import Past, digest_of, key_of
from paste_mcp.store.history.recordings import further_parts, is_further_part, is_recording, read_recording
from paste_mcp.store.history.skeleton import Digests
from paste_mcp.store.traces import TracedSession, TraceError, read_traces

LOOKED_AT: Final = 200
"""Lines at the beginning of a file by which its format is told."""

RECORD, TRACE, CLAUDE, CODEX = "own record", "trace", "Claude Code log", "Codex log"

_KINDS: Final[Mapping[str, Callable[[dict[str, Any]], bool]]] = {
    TRACE: lambda line: isinstance(line.get("calls"), list),
    RECORD: is_recording,
    CODEX: is_codex,
    CLAUDE: is_claude,
}


@dataclass(slots=True)
class Log:
    """One log: a file, with those in which it goes on."""

    path: Path
    skipped: int = 0
    """Lines that could not be read."""
    kind: str = ""
    """What it is; known once it is read."""
    parts: list[Path] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = further_parts(self.path)

    def read(self) -> Iterator[Past]:
        """Its sessions. Raises `TraceError` where the file cannot be read, or is none of the known formats."""
        self.kind = kind_of(self.path)
        if self.kind == TRACE:
            yield from map(_of_trace, read_traces(self.path))
            return
        files = [Lines(path) for path in (self.path, *(self.parts if self.kind == RECORD else ()))]
        lines = (line for file in files for line in file)
        if self.kind == RECORD:
            yield from read_recording(lines, Digests.beside(self.path))
        else:
            yield from (read_claude if self.kind == CLAUDE else read_codex)(lines)
        self.skipped = sum(file.skipped for file in files)


def kind_of(path: Path) -> str:
    """The format of a file, by its content. Raises `TraceError` where it is none that is known."""
    for line in islice(Lines(path), LOOKED_AT):
        for kind, is_one in _KINDS.items():
            if is_one(line):
                return kind
    raise TraceError(path, None, "no sessions in a known format", "give traces, records, Claude Code or Codex logs")


def logs_at(paths: Iterable[Path]) -> list[Log]:
    """The logs that these files and folders are."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.is_file() and _is_named_like_a_log(file))
            found.update(dict.fromkeys(sorted(file for file in inside if not is_further_part(file))))
        else:
            found[path] = None
    return [Log(path) for path in found]


def own_logs(state: Path, environ: Mapping[str, str], home: Path) -> dict[str, list[Log]]:
    """The user's logs, by what they are: our records in the state folder, Claude Code's and Codex's where those keep
    them.
    """
    claude = environ.get("CLAUDE_CONFIG_DIR")
    codex = Path(environ.get("CODEX_HOME") or home / ".codex")
    folders = {
        RECORD: [state / "sessions"],
        CLAUDE: [Path(claude) / "projects"]
        if claude
        else [home / ".claude/projects", home / ".config/claude/projects"],
        CODEX: [codex / "sessions", codex / "archived_sessions"],
    }
    return {kind: logs_at(folder for folder in those if folder.is_dir()) for kind, those in folders.items()}


def _is_named_like_a_log(file: Path) -> bool:
    return file.name.endswith((".jsonl", ".jsonl.gz"))


def _of_trace(session: TracedSession) -> Past:
    first = session.calls[0] if session.calls else None
    of_first = [] if first is None else [first.name, dict(first.arguments), first.result.text]
    digest = digest_of([session.task, session.model, session.source, *of_first])
    return Past(key_of("trace", session.id, digest, "-"), session)
