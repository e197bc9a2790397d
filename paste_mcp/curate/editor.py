"""The user's editor on a draft; his file is replaced only by what can be read as patterns."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from paste_mcp.core.patterns.writer import pattern_data
from paste_mcp.curate.changes import CannotError, found
from paste_mcp.curate.collection import Collection
from paste_mcp.store.pattern_files import PatternFileError, parse_patterns
from paste_mcp.store.pattern_text import with_entry

EDITORS = ("notepad",) if os.name == "nt" else ("nano", "vi")


def edit(collection: Collection, name: str | None, environ: Mapping[str, str], again: Callable[[str], bool]) -> str:
    """Edit the user's file; with `name`, the one which that pattern is in, or his with a copy of it at the end.

    Where the text cannot be read as patterns, `again` is told why and says whether to go back to the editor.
    """
    file, text = collection.own, collection.own.text
    if name is not None:
        entry = found(collection, name)[0]
        if (holder := collection.holder(name)) is not None:
            file, text = holder, holder.text
        else:
            text = with_entry(text, pattern_data(entry.pattern))
    draft = _draft(text)
    while True:
        _run_editor(draft, environ)
        edited = draft.read_bytes().decode("utf-8", "replace")
        if edited == text:
            draft.unlink()
            return f"{file.path}: nothing was changed"
        try:
            parse_patterns(edited, draft, users_own=True)
        except PatternFileError as error:
            if again(str(error)):
                continue
            raise CannotError(f"{error} (your text is kept there; {file.path} is as it was)") from None
        file.replace(edited)
        draft.unlink()
        return f"{file.path}: written, {len(file.patterns)} patterns"


def _draft(text: str) -> Path:
    handle, name = tempfile.mkstemp(prefix="patterns-", suffix=".yaml")
    with os.fdopen(handle, "wb") as file:
        file.write(text.encode())
    return Path(name)


def _run_editor(draft: Path, environ: Mapping[str, str]) -> None:
    command = environ.get("VISUAL") or environ.get("EDITOR") or next(filter(shutil.which, EDITORS), None)
    if command is None:
        raise CannotError("no editor was found; name yours: EDITOR=... paste-mcp patterns edit")
    try:
        ended = subprocess.run([*shlex.split(command), str(draft)], check=False).returncode
    except (OSError, ValueError) as error:
        raise CannotError(f"{command}: does not start ({error}); set EDITOR to your editor") from None
    if ended:
        raise CannotError(f"{command}: ended with {ended}; nothing was changed")
