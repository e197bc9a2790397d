"""What was learnt, on disk: counts that several proxies add to at once, older ones weighing less, in bounded space.

An amount is kept as it would be on one fixed day, so that amounts of any days simply add up and need no ageing: what
is read is scaled to today. SQLite's log keeps the file whole whatever ends the process. A file that is damaged is put
aside and learning starts anew, with one warning.
"""

from __future__ import annotations

import logging
import math
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from paste_mcp.core.prediction.learnt.counts import Counts, Group, Item
from paste_mcp.store.admission import Admission, Delta, admission
from paste_mcp.store.encoding import Unwritable, decode, encode, renamed, texts_in
from paste_mcp.store.folders import make_private

logger = logging.getLogger("paste_mcp")

HALF_LIFE_DAYS: Final = 30.0
MAX_COUNTS: Final = 100_000
"""The least ones go first."""
MAX_LITERALS: Final = 64
"""Texts of the user's that are kept for one argument."""
MAX_TEXT: Final = 2_048
"""Characters of a count's written form."""
MAX_SESSIONS: Final = 20_000
"""Sessions that are remembered as learnt from; the oldest are forgotten."""
ALL_CALLS: Final = 2**31
"""Learnt from while it happened, whatever it still brings."""
BUSY_S: Final = 2.0
"""How long another process's writing is waited for."""

_FIXED_DAY: Final = 20_454
"""1 January 2026. Weights stay finite for eighty years around it."""
_APPLICATION: Final = 0x50415354
_VERSION: Final = 1
_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS groups (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    "CREATE TABLE IF NOT EXISTS counts (group_id INTEGER NOT NULL, item TEXT NOT NULL, amount REAL NOT NULL,"
    " literal INTEGER NOT NULL, unbound INTEGER NOT NULL, PRIMARY KEY (group_id, item)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS sessions (key TEXT PRIMARY KEY, calls INTEGER NOT NULL, day INTEGER NOT NULL)"
    " WITHOUT ROWID",
)
_DROP_EMPTY_GROUPS: Final = "DELETE FROM groups WHERE id NOT IN (SELECT group_id FROM counts)"
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
"""The last: what we ask for is always the same, so if it makes no sense to a file of ours, its tables are spoilt."""

Row: TypeAlias = tuple[str, str, float, int, int]
"""Group, item, amount on the fixed day, whether it is a text of the user's, whether it names an unknown definition."""
Done = TypeVar("Done")


def session_key(id: str) -> str:
    """How a session of our own recording is remembered."""
    return f"paste-mcp:{id}"


class StoreError(OSError):
    """The file cannot be used as it is; `str()` is one line."""


class LearntStore:
    """The counts in one file. Every method opens it anew and may be called from any thread; each may raise StoreError.

    Nothing is made on disk before something is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, day: int, *, literals: bool, unbound: bool = False) -> Counts:
        """What is kept, as it weighs on `day`; texts of the user's only with `literals`.

        Counts of tools whose definition is not known yet are left where they are until `bind`, unless `unbound`.
        """
        counts = Counts()
        weight = _weight(day)

        def read(database: sqlite3.Connection) -> None:
            for group_text, item_text, amount in database.execute(
                "SELECT text, item, amount FROM counts JOIN groups ON id = group_id"
                " WHERE unbound <= ? AND literal <= ? ORDER BY group_id",
                (unbound, literals),
            ):
                if (found := _decoded(group_text, item_text)) is not None:
                    counts.add(*found, amount / weight)

        if self.path.exists():
            self._use(read)
        return counts

    def add(self, delta: Delta, day: int, sessions: Mapping[str, int] | None = None) -> None:
        """Add what was learnt on `day`, and how many calls of which sessions it was learnt from, in one step."""
        rows = [*_rows(delta.free, False, day), *_rows(delta.literals, True, day)]
        learnt_from = [(key, calls, day) for key, calls in (sessions or {}).items()]

        def write(database: sqlite3.Connection) -> None:
            with _transaction(database):
                _add(database, rows)
                database.executemany(
                    "INSERT INTO sessions VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                    " calls = max(calls, excluded.calls), day = max(day, excluded.day)",
                    learnt_from,
                )
                _prune(database, {row[0] for row in rows if row[3]})

        self._use(write)

    def learnt_from(self) -> dict[str, int]:
        """How many calls of each session have been learnt from."""
        if not self.path.exists():
            return {}
        return self._use(lambda database: dict(database.execute("SELECT key, calls FROM sessions")))

    def bind(self, names: Mapping[str, str], day: int, *, literals: bool) -> Counts:
        """Tell what tools that were mined from logs are: `names` leads from tools without a definition to those with.

        Returns the counts that came to be known by it, as `load` would.
        """
        known = Counts()
        weight = _weight(day)

        def write(database: sqlite3.Connection) -> None:
            with _transaction(database):
                bound: list[Row] = []
                for key, group_text, item_text, amount, literal in database.execute(
                    "SELECT id, text, item, amount, literal FROM counts JOIN groups ON id = group_id WHERE unbound"
                ).fetchall():
                    found = _decoded(group_text, item_text)
                    if found is None or (new := renamed(found, names)) == found:
                        continue
                    database.execute("DELETE FROM counts WHERE group_id = ? AND item = ?", (key, item_text))
                    group, item = new
                    bound.append((encode(group), encode(item), amount, literal, _is_unbound(new)))
                    if not bound[-1][4] and literal <= literals:
                        known.add(group, item, amount / weight)
                if bound:
                    _add(database, bound)
                    database.execute(_DROP_EMPTY_GROUPS)

        if self.path.exists():
            self._use(write)
        return known

    def forget(self, chosen: Callable[[Group, Item], bool]) -> int:
        """Delete the counts that `chosen` holds for. Returns how many there were."""

        def write(database: sqlite3.Connection) -> int:
            with _transaction(database):
                gone = [
                    (key, item_text)
                    for key, group_text, item_text in database.execute(
                        "SELECT id, text, item FROM counts JOIN groups ON id = group_id"
                    ).fetchall()
                    if (found := _decoded(group_text, item_text)) is not None and chosen(*found)
                ]
                database.executemany("DELETE FROM counts WHERE group_id = ? AND item = ?", gone)
                database.execute(_DROP_EMPTY_GROUPS)
            return len(gone)

        return self._use(write) if self.path.exists() else 0

    # --- the file ---------------------------------------------------------------------------------------------------

    def _use(self, work: Callable[[sqlite3.Connection], Done]) -> Done:
        try:
            try:
                with closing(self._open()) as database:
                    return work(database)
            except UnicodeDecodeError as error:  # of a message about the tables, which quotes them
                self._put_aside(error)
            except sqlite3.DatabaseError as error:
                if (_code(error) & 0xFF) not in _DAMAGED:
                    raise
                self._put_aside(error)
            with closing(self._open()) as database:
                return work(database)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{self.path}: {error}") from None

    def _open(self) -> sqlite3.Connection:
        make_private(self.path.parent)
        # Made with its mode before SQLite opens it: there is no moment at which others could read it.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        database.text_factory = _text
        try:
            self._prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (application,) = database.execute("PRAGMA application_id").fetchone()
        if version == 0 and application == 0:
            try:
                database.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if _code(error) & 0xFF != sqlite3.SQLITE_BUSY:
                    raise  # else another process is doing the same right now
            with _transaction(database):
                for statement in _TABLES:
                    database.execute(statement)
                database.execute(f"PRAGMA application_id = {_APPLICATION}")
                database.execute(f"PRAGMA user_version = {_VERSION}")
        elif application != _APPLICATION:
            raise StoreError(f"{self.path}: is no file of paste-mcp's; move it away")
        elif version != _VERSION:
            raise StoreError(f"{self.path}: was written by another version of paste-mcp; move it away to learn anew")
        database.execute("PRAGMA synchronous = NORMAL")

    def _put_aside(self, error: Exception) -> None:
        aside = self.path.with_name(self.path.name + ".damaged")
        self.path.replace(aside)
        for rest in ("-wal", "-shm"):
            self.path.with_name(self.path.name + rest).unlink(missing_ok=True)
        logger.warning("%s was damaged (%s): it is now %s, and learning starts anew", self.path, error, aside.name)


def _text(data: bytes) -> str:
    """A text that is none, in a spoilt row, makes no sense later; it does not stop the others from being read."""
    return data.decode(errors="replace")


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. The lock is taken at once: of two writers that both read first, one would have to fail."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _add(database: sqlite3.Connection, rows: Iterable[Row]) -> None:
    for group, item, amount, literal, unbound in rows:
        database.execute("INSERT OR IGNORE INTO groups (text) VALUES (?)", (group,))
        database.execute(
            "INSERT INTO counts SELECT id, ?, ?, ?, ? FROM groups WHERE text = ?"
            " ON CONFLICT (group_id, item) DO UPDATE SET"
            " amount = amount + excluded.amount, literal = min(literal, excluded.literal)",
            (item, amount, literal, unbound, group),
        )


def _prune(database: sqlite3.Connection, with_literals: Iterable[str]) -> None:
    """Keep what is there within its bounds."""
    for group in with_literals:
        (id,) = database.execute("SELECT id FROM groups WHERE text = ?", (group,)).fetchone()
        database.execute(
            "DELETE FROM counts WHERE group_id = ?1 AND literal AND item NOT IN"
            " (SELECT item FROM counts WHERE group_id = ?1 AND literal ORDER BY amount DESC LIMIT ?2)",
            (id, MAX_LITERALS),
        )
    (kept,) = database.execute("SELECT count(*) FROM counts").fetchone()
    if kept > MAX_COUNTS:
        # Some more than needed, so that not every addition has to sort them all.
        database.execute(
            "DELETE FROM counts WHERE (group_id, item) IN (SELECT group_id, item FROM counts ORDER BY amount LIMIT ?)",
            (kept - MAX_COUNTS + MAX_COUNTS // 20,),
        )
        database.execute(_DROP_EMPTY_GROUPS)
    database.execute(
        "DELETE FROM sessions WHERE key IN (SELECT key FROM sessions ORDER BY day DESC LIMIT -1 OFFSET ?)",
        (MAX_SESSIONS,),
    )


def _rows(counts: Counts, literal: bool, day: int) -> Iterator[Row]:
    """What may be written of `counts`. Whoever adds, no secret gets past here."""
    weight = _weight(day)
    for group, item, amount in counts:
        if admission(group, item) is Admission.SECRET or not (0 < amount < math.inf):
            continue
        try:
            texts = encode(group), encode(item)
        except Unwritable as problem:
            logger.debug("not kept: %s", problem)
            continue
        if len(texts[0]) + len(texts[1]) <= MAX_TEXT:
            yield (*texts, amount * weight, literal, _is_unbound((group, item)))


def _decoded(group: str, item: str) -> tuple[Group, Item] | None:
    try:
        return _group(group), decode(item)
    except ValueError:
        return None


@lru_cache(maxsize=16)
def _group(text: str) -> Group:
    """Counts are read group by group."""
    decoded = decode(text)
    if not isinstance(decoded, tuple):
        raise ValueError("no group")
    return decoded


def _is_unbound(count: tuple[Group, Item]) -> bool:
    """It names a tool without saying which definition of it."""
    return any(text.endswith("\t") and text.count("\t") == 2 for text in texts_in(count))


def _weight(day: int) -> float:
    """What an amount of `day` weighs on the fixed day."""
    return math.exp2(max(-1_000.0, min(1_000.0, (day - _FIXED_DAY) / HALF_LIFE_DAYS)))


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))
