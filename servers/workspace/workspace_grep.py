"""Searches given files for a regular expression, line by line.

It is a module and also a script that takes one JSON job on stdin and prints one JSON answer. A regular expression can
take exponential time and cannot be interrupted in a thread, where it would hold the interpreter lock as well; so the
server runs patterns with special characters in a process it can kill, and only plain text in a thread. It does not
decide which files may be searched.
"""

import json
import re
import sys
from pathlib import Path
from typing import NotRequired, TypedDict

MAX_FILE_BYTES = 1_000_000
MAX_LINE_CHARS = 2_000
MAX_TEXT_CHARS = 400
SPECIAL = frozenset("\\^$.|?*+()[]{}")


class Job(TypedDict):
    root: str
    files: list[str]
    pattern: str
    limit: int


class Found(TypedDict):
    path: str
    line: int
    text: str


class Answer(TypedDict):
    matches: list[Found]
    truncated: bool
    error: NotRequired[str]


def is_plain(pattern: str) -> bool:
    """Whether the pattern means just itself, so that searching for it takes linear time."""
    return SPECIAL.isdisjoint(pattern)


def text_lines(file: Path) -> list[str]:
    """The file's lines, each cut to a bounded length; none for big, binary or unreadable files."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            return []
        content = file.read_bytes()
    except OSError:
        return []
    if b"\0" in content:
        return []
    lines = content.decode(errors="replace").removesuffix("\n").split("\n")  # lines as editors count them
    return [line.removesuffix("\r")[:MAX_LINE_CHARS] for line in lines]


def search(job: Job) -> Answer:
    try:
        pattern = re.compile(job["pattern"])
    except (re.error, RecursionError, OverflowError) as error:
        return Answer(matches=[], truncated=False, error=f"bad regular expression: {error}")
    matches: list[Found] = []
    for path in job["files"]:
        for number, line in enumerate(text_lines(Path(job["root"]) / path), start=1):
            if pattern.search(line):
                if len(matches) == job["limit"]:
                    return Answer(matches=matches, truncated=True)
                matches.append(Found(path=path, line=number, text=line[:MAX_TEXT_CHARS]))
    return Answer(matches=matches, truncated=False)


if __name__ == "__main__":
    json.dump(search(json.load(sys.stdin.buffer)), sys.stdout)
