"""`paste-mcp patterns ...`: the verbs that look after patterns. What they do is in `curate`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paste_mcp.told import refuse

if TYPE_CHECKING:
    from paste_mcp.curate.collection import Collection

patterns_app = typer.Typer(
    help="Look after patterns: yours, those that come with paste-mcp, and those that were learnt.",
    no_args_is_help=True,
)

SECONDS_A_DAY = 86_400

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="Also the pattern files that this configuration names.")
]
PatternsOption = Annotated[
    Path | None,
    typer.Option("--patterns", "-p", help="Your pattern file, which changes are written to; by default the state's."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one last line of JSON for programs.")]
Words = Annotated[list[str] | None, typer.Argument(help="Only patterns in which all these words occur.")]
Name = Annotated[str, typer.Argument(help="The pattern's name, or the id of a learnt one.")]


@patterns_app.command("list")
def list_(
    words: Words = None, config: ConfigOption = None, patterns: PatternsOption = None, json: JsonOption = False
) -> None:
    """Every pattern: what it follows, what it foresees, how sure it is, how often it was right, whether it is on."""
    with _collection(config, patterns) as collection:
        from rich.console import Console

        from paste_mcp.curate.show import last_line, table

        entries = [entry for entry in collection.entries() if entry.speaks_of(words or [])]
        table(Console(stderr=json), entries)
        if json:
            print(last_line(entries))


@patterns_app.command()
def show(name: Name, config: ConfigOption = None, patterns: PatternsOption = None) -> None:
    """A pattern as it is written, learnt ones too."""
    with _collection(config, patterns) as collection:
        from paste_mcp.curate.changes import found
        from paste_mcp.curate.show import as_yaml

        print("\n".join(as_yaml(entry) for entry in found(collection, name)), end="")


@patterns_app.command()
def edit(
    name: Annotated[str | None, typer.Argument(help="A pattern; one that is not yours is copied to your file.")] = None,
    config: ConfigOption = None,
    patterns: PatternsOption = None,
) -> None:
    """Open your file in $EDITOR. What cannot be read as patterns does not replace it."""
    with _collection(config, patterns) as collection:
        from paste_mcp.curate.editor import edit as edit_in

        def again(problem: str) -> bool:
            return sys.stdin.isatty() and typer.confirm(f"{problem}\nEdit again?", default=True)

        print(edit_in(collection, name, os.environ, again))


@patterns_app.command()
def enable(name: Name, config: ConfigOption = None, patterns: PatternsOption = None) -> None:
    """Turn a pattern on again."""
    with _collection(config, patterns) as collection:
        from paste_mcp.curate.changes import enable as turn_on

        print(turn_on(collection, name))


@patterns_app.command()
def disable(name: Name, config: ConfigOption = None, patterns: PatternsOption = None) -> None:
    """Turn a pattern off, wherever it comes from; what was learnt under its id is not foreseen either."""
    with _collection(config, patterns) as collection:
        from paste_mcp.curate.changes import disable as turn_off

        print(turn_off(collection, name))


@patterns_app.command()
def forget(name: Name, config: ConfigOption = None, patterns: PatternsOption = None) -> None:
    """Take a pattern of yours out of its file, or what was learnt out of the store."""
    with _collection(config, patterns) as collection:
        from paste_mcp.curate.changes import forget as forget_it
        from paste_mcp.store.state import learnt_store, state_folder

        print(forget_it(collection, name, learnt_store(state_folder(os.environ)).forget))


@patterns_app.command()
def export(
    words: Words = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; by default standard output.")] = None,
    texts: Annotated[
        bool, typer.Option("--texts", help="Keep texts that learnt patterns hold as constants: they are your own data.")
    ] = False,
    config: ConfigOption = None,
    patterns: PatternsOption = None,
) -> None:
    """Your patterns and the learnt ones as one file, to review or to share."""
    with _collection(config, patterns) as collection:
        from paste_mcp.core.patterns.writer import pattern_data
        from paste_mcp.store.pattern_edits import write_text
        from paste_mcp.store.pattern_text import pool_text

        entries = [entry for entry in collection.shareable(texts=texts) if entry.speaks_of(words or [])]
        text = pool_text(pattern_data(entry.pattern) for entry in entries)
        if output is None:
            print(text, end="")
        else:
            write_text(output, text)
            print(f"{len(entries)} patterns written to {output}")


@patterns_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A pattern file.")],
    replace: Annotated[bool, typer.Option("--replace", help="Patterns of yours with the same names give way.")] = False,
    patterns: PatternsOption = None,
) -> None:
    """Take the patterns of a file over into yours."""
    with _collection(None, patterns) as collection:
        from paste_mcp.curate.changes import take_over

        print(take_over(collection, file, replace=replace))


@contextmanager
def _collection(config: Path | None, patterns: Path | None) -> Iterator[Collection]:
    """The user's patterns; what cannot be done with them is told in one line."""
    from paste_mcp.config import ConfigError, load_config
    from paste_mcp.curate.changes import CannotError
    from paste_mcp.curate.collection import Collection
    from paste_mcp.store.learnt import StoreError
    from paste_mcp.store.pattern_edits import PatternFile
    from paste_mcp.store.pattern_files import PatternFileError
    from paste_mcp.store.state import learnt_store, own_patterns, state_folder

    try:
        state = state_folder(os.environ)
        read = None if config is None else load_config(config, os.environ)
        own = own_patterns(state)
        yield Collection(
            own=PatternFile(patterns or own, new=True),
            others=[
                PatternFile(path)
                for path in (*([own] if patterns and own.exists() else ()), *(read.paste.patterns if read else ()))
            ],
            shipped=read is None or read.paste.default_patterns,
            counts=learnt_store(state).load(int(time.time() // SECONDS_A_DAY), literals=True, unbound=True),
        )
    except (ConfigError, PatternFileError, StoreError, CannotError) as error:
        refuse(str(error))
