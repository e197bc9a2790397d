"""The text of a pattern file, changed at one place: every other character, comment and blank line stays as it was.

Places are those that the YAML reader itself found. Text in, text out; this module must not know files, nor what a
pattern means. It is only given texts that were read as patterns before.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

WIDTH: Final = 120
EMPTY: Final = "version: 1\npatterns: []\n"
INDENT: Final = "  "


def pool_text(entries: Iterable[Mapping[str, Any]]) -> str:
    """A whole file with these patterns."""
    written = [entry_text(entry, INDENT) for entry in entries]
    return "version: 1\npatterns:\n\n" + "\n".join(written) if written else EMPTY


def entry_text(entry: Mapping[str, Any], indent: str = "") -> str:
    """One pattern as an item of a list: its parts on lines of their own, and what they hold on one line if it fits."""
    laid_out = _inline(entry) if entry.keys() <= {"name", "enabled"} else _laid_out(entry, WIDTH - len(indent) - 2)
    return "".join(f"{indent}{line}" for line in _dumped([laid_out]).splitlines(keepends=True))


def index_of(text: str, name: str) -> int | None:
    """Which pattern has this name, counted from 0."""
    names = [_value(item, "name") for item in _list_in(text).value]
    return next((at for at, found in enumerate(names) if found is not None and found.value == name), None)


def with_entry(text: str, entry: Mapping[str, Any]) -> str:
    """One more pattern, after the last."""
    listed = _list_in(text)
    if listed.flow_style:
        start, end = _start(listed), _end(listed)
        if listed.value:
            end = _end(listed.value[-1])
            return f"{text[:end]}, {_flow_text(entry)}{text[end:]}"
        if _root(text).flow_style:  # nothing in block style may stand in it
            return f"{text[: start + 1]}{_flow_text(entry)}{text[end - 1 :]}"
        return text[:start].rstrip(" ") + _lines(text, "\n" + entry_text(entry, INDENT)).rstrip() + text[end:]
    last = listed.value[-1]
    end = _line_end(text, _end(last))
    written = entry_text(entry, _indent(text, last))
    gap = "\n" if written.count("\n") > 1 else ""
    joint = "" if text[:end].endswith("\n") else "\n"
    return text[:end] + _lines(text, joint + gap + written) + text[end:]


def with_entry_at(text: str, at: int, entry: Mapping[str, Any]) -> str:
    """Another pattern in the place of one."""
    listed = _list_in(text)
    item = listed.value[at]
    if listed.flow_style:
        return text[: _start(item)] + _flow_text(entry) + text[_end(item) :]
    start, end = _dash_line(text, item), _line_end(text, _end(item))
    return text[:start] + _lines(text, entry_text(entry, _indent(text, item))) + text[end:]


def without_entry(text: str, at: int) -> str:
    """One pattern less. Comments before and after it stay."""
    listed = _list_in(text)
    item = listed.value[at]
    if listed.flow_style:
        start, end = _start(item), _end(item)
        if at + 1 < len(listed.value):
            end = _start(listed.value[at + 1])
        elif at:
            start = _end(listed.value[at - 1])
        return text[:start] + text[end:]
    start, end = _dash_line(text, item), _line_end(text, _end(item))
    if len(listed.value) == 1:
        colon = text.rfind(":", 0, start) + 1
        return text[:colon] + " []" + text[colon:start] + text[end:]
    if text[:start].endswith(("\n\n", "\n\r\n")):
        if not text[end:].strip():
            return text[:start].rstrip() + text[start - 1 : start] + text[end:]
        if text[end:].startswith(("\n", "\r\n")):
            end = text.index("\n", end) + 1  # one of the two blank lines around it
    return text[:start] + text[end:]


def with_enabled(text: str, at: int, enabled: bool) -> str:
    """One pattern turned on or off."""
    item = _list_in(text).value[at]
    word = "true" if enabled else "false"
    if (held := _value(item, "enabled")) is not None:
        return text[: _start(held)] + word + text[_end(held) :]
    name = _value(item, "name")
    assert name is not None
    if item.flow_style:
        return f"{text[: _end(name)]}, enabled: {word}{text[_end(name) :]}"
    end = _line_end(text, _end(name))
    column = _start(item) - (text.rfind("\n", 0, _start(item)) + 1)
    joint = "" if text[:end].endswith("\n") else "\n"
    return text[:end] + _lines(text, f"{joint}{' ' * column}enabled: {word}\n") + text[end:]


# --- writing ----------------------------------------------------------------------------------------------------------


def _laid_out(entry: Mapping[str, Any], room: int, *, whole: bool = True) -> CommentedMap:
    """Data that is written over several lines where it does not fit into `room` characters."""
    found = CommentedMap()
    for key, value in entry.items():
        fits = _length(value) <= room - len(str(key)) - 2
        if isinstance(value, Mapping) and (not fits or (whole and key == "arguments")):
            found[key] = _laid_out(value, room - 2, whole=False)
        elif isinstance(value, list) and not fits:
            found[key] = [_inline(one) for one in value]
        else:
            found[key] = _inline(value)
    return found


def _length(value: Any) -> int:
    """Characters that a value takes on one line, or a few more."""
    if isinstance(value, Mapping):
        return sum(_length(key) + _length(inner) + 4 for key, inner in value.items())
    if isinstance(value, list):
        return sum(_length(inner) + 2 for inner in value) + 2
    return len(str(value)) + (2 if isinstance(value, str) and not value.isalnum() else 0)


def _inline(value: Any) -> Any:
    """Data that is written on one line."""
    if not isinstance(value, Mapping | list):
        return value
    found: CommentedMap | CommentedSeq
    if isinstance(value, Mapping):
        found = CommentedMap({key: _inline(inner) for key, inner in value.items()})
    else:
        found = CommentedSeq([_inline(inner) for inner in value])
    found.fa.set_flow_style()
    return found


def _flow_text(data: Any) -> str:
    return _dumped(_inline(data)).strip()


def _dumped(data: Any) -> str:
    yaml = YAML()
    yaml.width = 1_000_000  # lines are never broken: what is too long for one is laid out before
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.indent(mapping=2, sequence=2, offset=0)
    written = io.StringIO()
    yaml.dump(data, written)
    return written.getvalue()


def _lines(text: str, added: str) -> str:
    """What is added, with the line ends that the text has."""
    return added.replace("\n", "\r\n") if "\r\n" in text else added


# --- places -----------------------------------------------------------------------------------------------------------


def _root(text: str) -> MappingNode:
    root = YAML(typ="safe", pure=True).compose(text)
    assert isinstance(root, MappingNode)
    return root


def _list_in(text: str) -> SequenceNode:
    listed = _value(_root(text), "patterns")
    assert isinstance(listed, SequenceNode)
    return listed


def _value(node: Node, key: str) -> Node | None:
    assert isinstance(node, MappingNode)
    found: list[Node] = [value for name, value in node.value if isinstance(name, ScalarNode) and name.value == key]
    return found[0] if found else None


def _start(node: Node) -> int:
    return int(node.start_mark.index)


def _end(node: Node) -> int:
    """Where what is written of a node ends. A block's own end mark stands at what comes after the comments."""
    if isinstance(node, MappingNode | SequenceNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(node, MappingNode) else last)
    return int(node.end_mark.index)


def _line_end(text: str, index: int) -> int:
    """The index after the line that `index` ends on; a block scalar's end mark stands on a later line."""
    while index and text[index - 1] in " \t\r\n":
        index -= 1
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def _dash_line(text: str, item: Node) -> int:
    """The start of the line on which a block list's item begins."""
    start = text.rfind("\n", 0, _start(item)) + 1
    while start and not text[start:].lstrip(" ").startswith("-"):
        start = text.rfind("\n", 0, start - 1) + 1
    return start


def _indent(text: str, item: Node) -> str:
    start = _dash_line(text, item)
    return text[start : text.index("-", start)]
