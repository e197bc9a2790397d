"""Questions to a finished index: full-text search and one page by its url.

Every call opens the file read-only for itself, so any number of threads may ask at once. It neither builds nor
locates the index.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import BaseModel, Field

MAX_TERMS = 32
MAX_SEE_ALSO = 20
SEARCH = """
SELECT url, title, snippet(docs_fts, 1, '', '', '…', 32) AS snippet, bm25(docs_fts, 8.0, 1.0) AS rank
FROM docs_fts JOIN (SELECT id, url FROM docs) ON id = docs_fts.rowid
WHERE docs_fts MATCH ? ORDER BY rank, url LIMIT ?
"""


class Hit(BaseModel):
    title: str = Field(description="Dotted name of the module, class or function.")
    url: str = Field(description="Give this to `visit` to read the page.")
    snippet: str = Field(description="The matching part of the text.")
    score: float = Field(description="BM25 relevance; higher is better. Comparable within one answer only.")


class SearchResult(BaseModel):
    query: str
    results: list[Hit]


class Page(BaseModel):
    url: str
    title: str
    text: str = Field(description="Signature and documentation string.")
    see_also: list[str] = Field(description="Urls of members, then the enclosing page, then siblings.")


def match_expression(query: str) -> str:
    """An FTS5 expression for any text: its words, each quoted, any of which may match; empty without words."""
    words = (word for word in re.findall(r"\w+", query) if any(char.isalnum() for char in word))
    return " OR ".join(f'"{word}"' for word in list(dict.fromkeys(words))[:MAX_TERMS])


@contextmanager
def reading(index: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{index.as_uri()}?mode=ro", uri=True)) as database:
        yield database


def usable(index: Path) -> bool:
    """Whether `index` is a complete index: a stray, damaged or half-written file is not."""
    if not index.is_file():
        return False
    try:
        with reading(index) as database:
            return database.execute("SELECT 1 FROM docs_fts JOIN docs ON id = docs_fts.rowid").fetchone() is not None
    except sqlite3.Error:
        return False


def search(index: Path, query: str, limit: int) -> SearchResult:
    expression = match_expression(query)
    if not expression:
        return SearchResult(query=query, results=[])
    with reading(index) as database:
        rows = database.execute(SEARCH, (expression, limit)).fetchall()
    hits = [
        Hit(url=url, title=title, snippet=" ".join(snippet.split()), score=round(-rank, 4))
        for url, title, snippet, rank in rows
    ]
    return SearchResult(query=query, results=hits)


def visit(index: Path, url: str) -> Page | None:
    """The page at `url`, or None when there is none."""
    with reading(index) as database:
        row = database.execute("SELECT title, text, parent FROM docs WHERE url = ?", (url,)).fetchone()
        if row is None:
            return None
        title, text, parent = row
        members = [u for (u,) in database.execute("SELECT url FROM docs WHERE parent = ? ORDER BY id", (url,))]
        siblings = database.execute("SELECT url FROM docs WHERE parent = ? AND url <> ? ORDER BY id", (parent, url))
        related = [*members, *([parent] if parent else []), *(u for (u,) in siblings)]
    return Page(url=url, title=title, text=text, see_also=related[:MAX_SEE_ALSO])
