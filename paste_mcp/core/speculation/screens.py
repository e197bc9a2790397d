"""What makes a tool that calls itself read-only doubtful, by its name and what it takes; and values that are no data.

Of 299 real tools with readOnlyHint: true that were examined, ten changed state; these screens catch most of them and
cost few honest ones. The user's `allow` overrides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from paste_mcp.core.model import Json, Tool

WRITE_VERBS = frozenset(
    "add append apply archive assign cancel clear click close commit connect copy create delete deploy disable "
    "disconnect drop edit enable execute export fill import insert install invite kill lock mark merge modify move "
    "mutate patch post press publish push put rebase remove rename replace reset restart restore revert run send set "
    "start stop store submit subscribe switch trigger type unlock unsubscribe update upload upsert wipe write "
    "activate consume dequeue pop receive poll navigate select".split()
)
CODE_ARGUMENTS = frozenset({"sql", "command", "cmd", "script", "code", "pipeline", "expression", "program"})
OUTPUT_ARGUMENTS = frozenset(
    {"output", "output_path", "outputpath", "outfile", "output_file", "dest", "destination", "export_target", "save_to"}
)
READ_VERBS = frozenset("get list read search find show describe fetch view query lookup count check inspect".split())
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def suspicion(tool: Tool) -> str | None:
    """Why this tool may not be the read it says it is; None where nothing speaks against it."""
    if (doubt := contradiction(tool)) is not None:
        return doubt
    if verb := _writing_verb(tool.name):
        return f'its name says "{verb}"'
    properties = tool.input_schema.get("properties")
    for name, schema in properties.items() if isinstance(properties, Mapping) else ():
        plain = "_".join(_words(name))
        if plain in CODE_ARGUMENTS:
            return f'it takes code ("{name}")'
        if plain in OUTPUT_ARGUMENTS:
            return f'it may write a file ("{name}")'
        if choice := _writing_choice(schema):
            return f'"{name}" can be "{choice}"'
    return None


_MOST_TEXTS = 1_000
_NUMBER = re.compile(r"-[\d.,]+")


def is_odd(text: str) -> bool:
    """It begins like an option of a program, or holds a step up out of a folder."""
    return (text.startswith("-") and not _NUMBER.fullmatch(text)) or ".." in re.split(r"[/\\]", text)


def texts_in(arguments: Mapping[str, Json]) -> Iterator[str]:
    """The texts in these arguments, the first many of them."""
    stack: list[Json] = [dict(arguments)]
    for _ in range(_MOST_TEXTS):
        if not stack:
            return
        value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, str):
            yield value


def contradiction(tool: Tool) -> str | None:
    """Where the tool's own words do not go together, or do not go with a read."""
    if tool.hints.destructive is not True:
        return None
    return "it says both read-only and destructive" if tool.hints.read_only else "it says that it is destructive"


def _writing_verb(name: str) -> str | None:
    """The write verb in a tool's name. After a leading read verb the words are nouns (`get_commit`), but for "and"."""
    words = _words(name)
    if words and words[0] in READ_VERBS:
        words = words[words.index("and") :] if "and" in words else []
    return next((word for word in words if word in WRITE_VERBS), None)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def _writing_choice(schema: Json) -> str | None:
    """A value of an operation selector that is a write verb."""
    choices = schema.get("enum") if isinstance(schema, Mapping) else None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, str) and any(word in WRITE_VERBS for word in _words(choice)[:1]):
            return choice
    return None
