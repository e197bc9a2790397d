"""Builds the full-text index of the Python standard library's documentation strings.

It reads source files with `ast` and writes one SQLite file; it imports and runs nothing it indexes. It is also a
script (`research_build.py LIBRARY OUTPUT`), because parsing ten megabytes of source holds the interpreter lock for
seconds: the server runs it as a process of its own. It knows nothing of MCP and depends on the standard library only.
"""

import ast
import os
import sqlite3
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

# Tests, bundled applications, installed packages and data tables: no documentation of the library itself.
SKIPPED = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "turtledemo", "ensurepip", "pydoc_data", "site-packages", "dist-packages"}
)
SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE docs (
    id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL, parent TEXT
);
CREATE VIRTUAL TABLE docs_fts USING fts5(title, text, content='docs', content_rowid='id', tokenize='porter unicode61');
"""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Doc:
    """One page: a module, a class or a function with its documentation string."""

    url: str
    title: str
    text: str
    parent: str | None


def source_files(library: Path) -> Iterator[tuple[str, Path]]:
    """The modules under `library`, as (dotted name, file), in a fixed order."""
    for folder, subfolders, names in os.walk(library):
        # A folder that cannot be a package ("config-3.11-...") holds no importable module.
        subfolders[:] = sorted(name for name in subfolders if name.isidentifier() and name not in SKIPPED)
        package = Path(folder).relative_to(library).parts
        for name in sorted(names):
            stem = name.removesuffix(".py")
            if stem != name and stem.isidentifier():
                parts = package if stem == "__init__" else (*package, stem)
                yield ".".join(parts), Path(folder) / name


def definitions(body: Iterable[ast.stmt]) -> Iterator[Definition]:
    """Public functions and classes of a body, also those defined under `if` and `try`."""
    for node in body:
        if isinstance(node, Definition):
            if not node.name.startswith("_"):
                yield node
        elif isinstance(node, ast.If):
            yield from definitions([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            yield from definitions([*node.body, *(s for handler in node.handlers for s in handler.body), *node.orelse])


def signature(node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(base) for base in node.bases)
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    return f"{word} {node.name}({ast.unparse(node.args)})"


def definition_docs(module: str, node: Definition, outer: str, parent: str) -> list[Doc]:
    """The page of one definition followed by those of its members; nothing where nothing is documented."""
    name = f"{outer}{node.name}"
    url = f"doc://python/{module}#{name}"
    members: list[Doc] = []
    if isinstance(node, ast.ClassDef):
        for member in definitions(node.body):
            members += definition_docs(module, member, f"{name}.", url)
    text = ast.get_docstring(node)
    if text is None and not members:
        return []
    return [Doc(url, f"{module}.{name}", "\n\n".join(filter(None, (signature(node), text))), parent), *members]


def module_docs(module: str, source: bytes) -> list[Doc]:
    """All pages of one module's source. Raises what `ast.parse` raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape sequence in somebody's source is not our news
        tree = ast.parse(source)
    url = f"doc://python/{module}"
    members = [doc for node in definitions(tree.body) for doc in definition_docs(module, node, "", url)]
    text = ast.get_docstring(tree)
    if text is None and not members:
        return []
    return [Doc(url, module, "\n\n".join(filter(None, (f"module {module}", text))), None), *members]


def library_docs(library: Path) -> Iterator[Doc]:
    """Pages of every module that can be read and parsed; the others are passed over."""
    for module, file in source_files(library):
        try:
            docs = module_docs(module, file.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        yield from docs


def build(library: Path, output: Path) -> int:
    """Write the index into `output` (new or empty) and return how many pages it holds."""
    with closing(sqlite3.connect(output)) as database:
        database.executescript(SCHEMA)
        # A name defined twice (per platform, say) keeps the first documented definition.
        database.executemany(
            "INSERT OR IGNORE INTO docs (url, title, text, parent) VALUES (?, ?, ?, ?)",
            ((doc.url, doc.title, doc.text, doc.parent) for doc in library_docs(library)),
        )
        database.execute("CREATE INDEX docs_parent ON docs (parent)")
        database.execute("INSERT INTO docs_fts (docs_fts) VALUES ('rebuild')")
        database.commit()
        (count,) = database.execute("SELECT count(*) FROM docs").fetchone()
    return int(count)


if __name__ == "__main__":
    try:
        if build(Path(sys.argv[1]), Path(sys.argv[2])) == 0:
            sys.exit(f"no documented Python source under {sys.argv[1]}")
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"cannot build the index: {error}")
