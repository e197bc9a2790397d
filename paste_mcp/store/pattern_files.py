"""Pattern files: YAML in, patterns out, and one line for whatever is wrong, with the file and the line.

The only place where patterns meet files. What a pattern means is `core.patterns.language`'s business. Only plain YAML
is read: no anchors, no duplicate keys, no tags that make objects, no huge files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from paste_mcp.core.patterns.language import Pattern, PatternError, parse_pool
from paste_mcp.core.patterns.problems import Steps
from paste_mcp.data import data_path

MAX_FILE: Final = 256 * 1024
"""Bytes of a pattern file."""
MAX_DEPTH: Final = 40
"""Levels of nesting; a pattern needs about ten."""
MAX_BRACKETS: Final = 4 * MAX_DEPTH
_BRACKET: Final = re.compile(r"[\[\]{}]")


class PatternFileError(ValueError):
    """A pattern file that cannot be used; `str()` is one line: `FILE:LINE: PROBLEM; REMEDY`.

    `line` counts from 1; it is None where the problem is the file as a whole.
    """

    def __init__(self, path: Path, line: int | None, problem: str, remedy: str) -> None:
        where = str(path) if line is None else f"{path}:{line}"
        super().__init__(" ".join(f"{where}: {problem}; {remedy}".split()))
        self.path = path
        self.line = line


def load_patterns(path: Path, users_own: bool) -> list[Pattern]:
    """The patterns of one file, in order. Raises `PatternFileError`, also where the file cannot be read."""
    return parse_patterns(read_text(path), path, users_own)


def parse_patterns(text: str, path: Path, users_own: bool) -> list[Pattern]:
    """The patterns that a file with this text has. Raises `PatternFileError`."""
    if _brackets_deep(text) > MAX_BRACKETS:
        raise PatternFileError(path, None, "is nested too deeply", "flatten it")
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(text)
        if root is not None:
            _refuse_anchors(root, path)
        data: Any = None if root is None else yaml.constructor.construct_document(root)
    except MarkedYAMLError as error:
        raise _of_yaml(path, error) from None
    except RecursionError:
        raise PatternFileError(path, None, "is nested too deeply", "flatten it") from None
    except (YAMLError, ValueError, TypeError, ArithmeticError) as error:
        if isinstance(error, PatternFileError):
            raise
        raise PatternFileError(path, None, f"is not YAML: {_first_line(error)}", "see patterns.yaml") from None
    try:
        return parse_pool(data, users_own)
    except PatternError as error:
        line = None if root is None else _line_of(root, error.steps)
        problem = f"{error.place}: {error.problem}" if error.steps else error.problem
        raise PatternFileError(path, line, problem, error.remedy) from None


def default_patterns() -> list[Pattern]:
    """The shipped pool. Raises `PatternFileError`."""
    return load_patterns(data_path("patterns.yaml"), users_own=False)


def read_text(path: Path) -> str:
    """The text of a pattern file, whatever it says. Raises `PatternFileError`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PatternFileError(path, None, f"cannot be read: {reason}", "check the path and its rights") from None
    if len(data) > MAX_FILE:
        raise PatternFileError(path, None, f"is larger than {MAX_FILE // 1024} KiB", "split it into several files")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PatternFileError(path, line, "is not UTF-8 text", "save it as UTF-8") from None


def _brackets_deep(text: str) -> int:
    """How deep brackets are open at most, those in texts included. Asked first: the parser takes the square of it."""
    deep = deepest = 0
    for sign in _BRACKET.findall(text):
        deep = deep + 1 if sign in "[{" else max(0, deep - 1)
        deepest = max(deepest, deep)
    return deepest


def _refuse_anchors(root: Node, path: Path) -> None:
    """An alias needs an anchor, so refusing anchors refuses both: a file of aliases can stand for gigabytes."""
    stack: list[tuple[Node, int]] = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        if node.anchor is not None:
            raise PatternFileError(path, _line(node), f"uses an anchor (&{node.anchor})", "write the value out")
        if depth > MAX_DEPTH:
            raise PatternFileError(path, _line(node), "is nested too deeply", "flatten it")
        if isinstance(node, MappingNode):
            stack.extend((inner, depth + 1) for pair in reversed(node.value) for inner in reversed(pair))
        elif isinstance(node, SequenceNode):
            stack.extend((inner, depth + 1) for inner in reversed(node.value))


def _of_yaml(path: Path, error: MarkedYAMLError) -> PatternFileError:
    mark = error.problem_mark or error.context_mark
    problem = _first_line(error.problem or error.context or "is not YAML")
    remedy = "check indentation, colons and quotes"
    if "duplicate key" in problem:
        problem, remedy = problem.partition(" with value")[0], "keep one of the two"
    return PatternFileError(path, None if mark is None else mark.line + 1, problem, remedy)


def _line_of(root: Node, steps: Steps) -> int | None:
    """The line of the value that `steps` lead to, or of the last step that the file has."""
    node, line = root, _line(root)
    for step in steps:
        if isinstance(node, MappingNode):
            found = [
                (key, value) for key, value in node.value if isinstance(key, ScalarNode) and key.value == str(step)
            ]
            if not found:
                break
            line, node = _line(found[0][0]), found[0][1]
        elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = _line(node)
        else:
            break
    return line


def _line(node: Node) -> int | None:
    return None if node.start_mark is None else int(node.start_mark.line) + 1


def _first_line(error: object) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
