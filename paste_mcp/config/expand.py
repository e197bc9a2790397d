"""Fills in placeholders: `${NAME}`, `${NAME:-default}` and `${env:NAME}`, and `~` at the start of a path.

One pass: what a variable holds is taken as it is, so that a `${` inside a secret means nothing. The default applies
where the variable is not set, as in Claude Code, whose file this is; a variable set to nothing stays nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from paste_mcp.config.errors import Place

_OURS = re.compile(r"(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)
_EDITORS_OWN = re.compile(
    r"(?:input|command|config|workspaceFolder|file\w*):[\w.-]+"
    r"|workspaceFolder|workspaceFolderBasename|workspaceRoot|userHome|pathSeparator|fileDirname"
)
_REMEDY = "write ${NAME}, ${NAME:-default} or ${env:NAME}"


def expand(text: str, environ: Mapping[str, str], place: Place) -> str:
    """The text with its placeholders filled in. Raises ConfigError for one that cannot be."""
    parts: list[str] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        end = text.find("}", start)
        if end < 0:
            place.fail(f"a placeholder is not closed; {_REMEDY}")
        inner = text[start + 2 : end]
        if "${" in inner:
            place.fail(f"a placeholder inside a placeholder is not supported; {_REMEDY}")
        parts += [text[at:start], _value(inner, environ, place)]
        at = end + 1
    parts.append(text[at:])
    return "".join(parts)


def expand_home(text: str, environ: Mapping[str, str]) -> str:
    """The text with a leading `~` replaced by the user's home folder; `~name` is left as it is."""
    if text != "~" and not text.startswith(("~/", "~\\")):
        return text
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if not home:
        try:
            home = str(Path.home())
        except RuntimeError:
            return text
    return home + text[1:]


def passable(text: str, place: Place) -> str:
    """The text, if it can name a file or be handed to a process."""
    try:
        can_pass = b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        can_pass = False
    if not can_pass:
        place.fail("holds a character that cannot be passed to the system (NUL or half of a pair); remove it")
    return text


def _value(inner: str, environ: Mapping[str, str], place: Place) -> str:
    """What stands for `${inner}`. A default is never repeated in an error: it may be a secret."""
    ours = _OURS.fullmatch(inner)
    if ours and (value := environ.get(ours["name"])) is not None:
        return value
    if _EDITORS_OWN.fullmatch(inner):
        place.fail(f"${{{inner}}} is filled in by an editor only; write the value itself or an environment variable")
    if ours is None:
        place.fail(f"this placeholder is not understood; {_REMEDY}")
    if ours["default"] is None:
        name = ours["name"]
        place.fail(f"environment variable {name} is not set; set it or write a default: ${{{name}:-default}}")
    return ours["default"]
