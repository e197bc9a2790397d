"""What a user does to his patterns. Each change says in one line what it did, or raises `CannotError` with one."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from paste_mcp.core.patterns.language import Pattern
from paste_mcp.core.patterns.writer import pattern_data
from paste_mcp.core.prediction.learnt.counts import Group, Item
from paste_mcp.core.prediction.learnt.names import learnt_id
from paste_mcp.curate.collection import Collection, Entry
from paste_mcp.store.pattern_files import load_patterns


class CannotError(ValueError):
    """The change cannot be made; `str()` is one line."""


def found(collection: Collection, name: str) -> list[Entry]:
    """The patterns with this name or id, at least one."""
    entries = collection.find(name)
    if not entries:
        known = {text for entry in collection.entries() for text in (entry.pattern.name, entry.pattern.id) if text}
        near = difflib.get_close_matches(name, sorted(known), n=1)
        remedy = f'did you mean "{near[0]}"?' if near else "`paste-mcp patterns list` shows all"
        raise CannotError(f'no pattern is called "{name}"; {remedy}')
    return entries


def disable(collection: Collection, name: str) -> str:
    """Turn a pattern off: the user's own where it is written, any other by a line in his file."""
    entries = found(collection, name)
    if all(entry.state == "off" for entry in entries):
        return f"{name}: is off already"
    if (holder := collection.holder(name)) is not None:
        holder.turn(name, enabled=False)
        return f"{name}: off, in {holder.path}"
    learnt = next((entry.pattern.id for entry in entries if entry.source == "learnt"), "")
    collection.own.put([{"name": learnt or name, "enabled": False}])
    return f"{learnt or name}: off, by a line in {collection.own.path}"


def enable(collection: Collection, name: str) -> str:
    """Turn a pattern on again."""
    entries = found(collection, name)
    if not any(entry.state == "off" for entry in entries):
        if any(entry.state == "on" for entry in entries):
            return f"{name}: is on already"
        raise CannotError(f"{name}: a pattern of yours with its name, or its context and target, replaces it")
    names = {name, *(entry.pattern.id for entry in entries if entry.source == "learnt" and entry.pattern.id)}
    changed: list[Path] = []
    for file in collection.files:
        for pattern in [pattern for pattern in file.patterns if pattern.name in names and not pattern.enabled]:
            if pattern.context:
                file.turn(pattern.name, enabled=True)
            else:
                file.remove(pattern.name)
            changed.append(file.path)
    if not changed:
        raise CannotError(f"{name}: it comes turned off; copy it to a file of yours with `paste-mcp patterns edit`")
    return f"{name}: on, in {', '.join(map(str, dict.fromkeys(changed)))}"


def forget(collection: Collection, name: str, forget_learnt: Callable[[Callable[[Group, Item], bool]], int]) -> str:
    """Take one of the user's patterns out of his file, or what was learnt out of the store."""
    entries = found(collection, name)
    holder = collection.holder(name)
    if holder is not None and ((own := holder.pattern(name)) is not None and own.context):
        holder.remove(name)
        return f"{name}: gone from {holder.path}; the file as it was is {holder.path.name}.bak"
    learnt = {entry.pattern.id for entry in entries if entry.source == "learnt"}
    if learnt:
        gone = forget_learnt(lambda group, item: _id_of(group, item) in learnt)
        return f"{', '.join(sorted(learnt))}: forgotten ({gone} counts); what is seen from now on is learnt again"
    if holder is not None:
        holder.remove(name)
        return f"{name}: gone from {holder.path}"
    raise CannotError(f"{name}: comes with paste-mcp; turn it off with `paste-mcp patterns disable {name}`")


def _id_of(group: Group, item: Item) -> str:
    """The id of the pattern that a count of what followed what belongs to."""
    if len(group) < 3 or group[0] != "follow" or not isinstance(item, str) or not item:
        return ""
    return learnt_id(str(group[-2]), item)


def take_over(collection: Collection, path: Path, *, replace: bool) -> str:
    """Import a file's patterns into the user's own."""
    incoming = load_patterns(path, users_own=True)
    new: list[Pattern] = []
    for pattern in incoming:
        held = collection.own.pattern(pattern.name)
        if held == pattern:
            continue
        if held is not None and not replace:
            raise CannotError(
                f"{path}: {pattern.name}: {collection.own.path} has another pattern of this name; "
                "rename one, or give --replace"
            )
        new.append(pattern)
    if new:
        collection.own.put(map(pattern_data, new))
    there = f", {len(incoming) - len(new)} were there already" if len(new) < len(incoming) else ""
    return f"{len(new)} patterns imported into {collection.own.path}{there}"
