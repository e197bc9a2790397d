"""All patterns that are known, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from paste_mcp.core.patterns.language import SAME, Pattern
from paste_mcp.core.patterns.pool import Pool
from paste_mcp.core.prediction.learnt.counts import Counts
from paste_mcp.core.prediction.learnt.written import written
from paste_mcp.data import data_path
from paste_mcp.store.pattern_edits import PatternFile
from paste_mcp.store.pattern_files import load_patterns

Source: TypeAlias = Literal["yours", "shipped", "learnt"]
State: TypeAlias = Literal["on", "off", "replaced"]
"""Replaced: a pattern of the user's has its name, or its context and target."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One pattern. `file` is where it is written; what was learnt is in no file."""

    pattern: Pattern
    source: Source
    state: State
    file: Path | None = None

    @property
    def context(self) -> str:
        """What came before, in a few words."""
        return ", ".join(
            _name(element.server.text, element.tool.text) + ("" if element.status == "ok" else f" ({element.status})")
            for element in self.pattern.context
        )

    @property
    def target(self) -> str:
        """What comes next, in a few words."""
        pattern = self.pattern
        if not pattern.context:
            return ""
        last = pattern.context[-1]
        server = (pattern.target.server or last.server).text
        return _name(server, last.tool.text if pattern.target.tool == SAME else pattern.target.tool)

    def speaks_of(self, words: Iterable[str]) -> bool:
        """Every word occurs in it: in its name or its tools, or says where it comes from or whether it is on."""
        pattern = self.pattern
        text = f"{pattern.name} {pattern.why} {self.context} {self.target}".lower()
        return all(word.lower() in text or word.lower() in (self.source, self.state) for word in words)


def _name(server: str, tool: str) -> str:
    return tool if server == "*" else f"{server}/{tool}"


@dataclass(slots=True)
class Collection:
    """The patterns of a user. `own` is the file that what he changes is written to; it is read first of his files."""

    own: PatternFile
    others: Sequence[PatternFile] = ()
    """More of the user's files; they stay as they are, but for patterns that are in them."""
    shipped: bool = True
    counts: Counts = field(default_factory=Counts)
    """What was learnt."""

    @property
    def files(self) -> list[PatternFile]:
        """The user's files, in the order in which they are read: of one name the last one counts."""
        return [self.own, *self.others]

    def entries(self, *, texts: bool = True) -> list[Entry]:
        """All of them: the user's own first, then those that come along, then what was learnt."""
        found = list(self._patterns(texts))
        pool = Pool(pattern for pattern, _, _ in found)
        in_force = {id(pattern) for pattern in pool.patterns}

        def state(pattern: Pattern) -> State:
            if id(pattern) in in_force:
                return "on"
            return "off" if not pattern.enabled or {pattern.name, pattern.id} & pool.disabled else "replaced"

        names = {pattern.name for pattern, source, _ in found if source != "yours"}
        names |= {pattern.id for pattern, source, _ in found if source == "learnt"}
        return [
            Entry(pattern, source, state(pattern), file)
            for pattern, source, file in found
            # What only turns another one off is told there.
            if pattern.context or pattern.name not in names
        ]

    def find(self, name: str) -> list[Entry]:
        """The patterns with this name, or with this id."""
        return [entry for entry in self.entries() if name in (entry.pattern.name, entry.pattern.id)]

    def shareable(self, *, texts: bool) -> list[Entry]:
        """The user's own and what was learnt, as far as it is on; without `texts`, no learnt ones stand in it."""
        return [
            entry
            for entry in self.entries(texts=texts)
            if entry.pattern.context and entry.state == "on" and entry.source != "shipped"
        ]

    def holder(self, name: str) -> PatternFile | None:
        """The user's file whose pattern of this name counts."""
        return next((file for file in reversed(self.files) if file.pattern(name) is not None), None)

    def _patterns(self, texts: bool) -> Iterator[tuple[Pattern, Source, Path | None]]:
        for file in self.files:
            for pattern in file.patterns:
                yield pattern, "yours", file.path
        if self.shipped:
            path = data_path("patterns.yaml")
            for pattern in load_patterns(path, users_own=False):
                yield pattern, "shipped", path
        for pattern in written(self.counts, texts=texts):
            yield pattern, "learnt", None
