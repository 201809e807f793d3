"""`index.db`: the SQLite (WAL) database beside the blobs.

It is the authority for references, origins, referrers, leases, snapshots, seals, cache and decisions;
`index.json` is only its rendering for other tools. One schema, here; the modules that own a table speak SQL
to it through `Index`. Opening is cheap enough for every command (about 0.3 ms).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lading.store.errors import MachineError

VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE reference (
    name TEXT PRIMARY KEY, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    created REAL NOT NULL
) STRICT;
CREATE INDEX reference_digest ON reference (digest);
CREATE TABLE origin (
    name TEXT NOT NULL REFERENCES reference (name) ON DELETE CASCADE, origin TEXT NOT NULL,
    PRIMARY KEY (name, origin)
) STRICT;
CREATE TABLE referrer (
    subject TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    artifact_type TEXT, tag TEXT,
    PRIMARY KEY (subject, digest)
) STRICT;
CREATE TABLE lease (
    id TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (id, digest)
) STRICT;
CREATE TABLE snapshot (
    key TEXT PRIMARY KEY, parent TEXT REFERENCES snapshot (key), folder TEXT NOT NULL UNIQUE,
    committed INTEGER NOT NULL, seal TEXT, created REAL NOT NULL, used REAL NOT NULL
) STRICT;
CREATE TABLE blob_seal (digest TEXT PRIMARY KEY, seal TEXT NOT NULL) STRICT;
CREATE TABLE cache (
    kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, used REAL NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT;
CREATE TABLE decision (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, digest TEXT NOT NULL, basis TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
"""


class Index:
    """The database, safe to share between threads and, through SQLite's own locks, between processes."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        try:
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._upgrade(path)
        except sqlite3.Error as error:
            raise MachineError(f"{path}: cannot be opened: {error}") from error

    def _upgrade(self, path: Path) -> None:
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise MachineError(
                f"{path}: written by a newer lading (schema {found}, this one knows {VERSION})",
                hint="upgrade lading, or name another folder with --root",
            )
        if found == VERSION:
            return
        with self.transaction():
            if self.one("PRAGMA user_version") == (0,):
                for statement in _SCHEMA.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {VERSION}")

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Every row of a statement."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """The first row of a statement, or None."""
        with self._lock:
            row: tuple[Any, ...] | None = self._connection.execute(sql, parameters).fetchone()
            return row

    def run(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Executes a statement that changes rows; returns how many."""
        with self._lock:
            return self._connection.execute(sql, parameters).rowcount

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All statements inside are committed together, durably, or not at all. Nests into the outermost."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self._connection.close()
