"""`index.db`: the SQLite database beside the blobs.

It is the authority for references, origins, images, referrers, leases, snapshots, seals, cache and decisions;
`index.json` is only its rendering for other tools. One schema, here; the modules that own a table speak SQL
to it through `Index`. Opening is cheap enough for every command (about 0.3 ms).

Reading makes no file and needs no space, and a change finds room for its journal set aside: a full disk keeps
nobody from looking, nor from removing (`docs/adr/0001-a-database-beside-an-oci-layout.md`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from lading.store.errors import MachineError
from lading.store.system.locks import locked, open_lock

_PATIENCE: Final = 60.0
"""Seconds to wait for other processes."""
_PAUSE: Final = 0.01
_ROOM: Final = 256 * 1024
"""Bytes of the journal that are never given back: enough for any change that only takes away."""
_JOURNAL_LIMIT: Final = 1 << 20
_HINTS: Final = {
    sqlite3.SQLITE_FULL: "free some space there; `lading system prune` frees what nothing uses",
    sqlite3.SQLITE_IOERR: "free some space there; `lading system prune` frees what nothing uses",
    sqlite3.SQLITE_BUSY: "another lading is at work on it; try again",
    sqlite3.SQLITE_CORRUPT: "restore it from a backup, or name another folder with --root",
    sqlite3.SQLITE_NOTADB: "restore it from a backup, or name another folder with --root",
}
SCHEMAS: Final = (
    """
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
CREATE TABLE rendering (changed INTEGER NOT NULL, rendered INTEGER NOT NULL) STRICT;
INSERT INTO rendering VALUES (0, 0);
CREATE TABLE lease (
    id TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL,
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
""",
    """
CREATE TABLE image (
    digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, created REAL NOT NULL,
    removed INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT OR IGNORE INTO image SELECT digest, media_type, size, created, 0 FROM reference;
ALTER TABLE snapshot ADD COLUMN size INTEGER;
ALTER TABLE cache ADD COLUMN blob TEXT;
ALTER TABLE cache ADD COLUMN snapshot TEXT;
ALTER TABLE rendering ADD COLUMN due INTEGER NOT NULL DEFAULT 0;
UPDATE cache SET blob = json_extract(CAST(value AS TEXT), '$.layer.descriptor.digest') WHERE kind = 'action';
""",
)
"""What makes each version of the schema out of the one before it."""
VERSION: Final = len(SCHEMAS)


class Index:
    """The database, safe to share between threads and, through SQLite's own locks, between processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._depth = 0
        with self._errors():
            self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            if self._found() != VERSION:
                with _alone(path):
                    self._upgrade(path)
            self._set_up()
            _reserve(path)
        except BaseException:
            self._connection.close()
            raise

    @contextmanager
    def _errors(self) -> Generator[None, None, None]:
        """The one place where SQLite's errors are told; misuse by ourselves stays what it is."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            # The low byte of an extended code is the primary one; errors of the module itself have none.
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            raise MachineError(f"{self._path}: {error}", hint=_HINTS.get(code)) from error

    def _persist(self, sql: str) -> tuple[Any, ...]:
        """A statement for which SQLite does not always wait: others may be opening, recovering or closing."""
        end = time.monotonic() + _PATIENCE
        with self._errors():
            while True:
                try:
                    row: tuple[Any, ...] = self._connection.execute(sql).fetchone()
                except sqlite3.OperationalError as error:
                    busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                    if not busy or time.monotonic() > end:
                        raise
                    time.sleep(_PAUSE)
                else:
                    return row

    def _found(self) -> int:
        version: int = self._persist("PRAGMA user_version")[0]
        return version

    def _set_up(self) -> None:
        """A rollback journal that is kept: what WAL keeps beside a database cannot be made on a full disk."""
        self._persist("PRAGMA journal_mode = PERSIST")
        with self._errors():
            self._connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT}")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            # Overwriting what is deleted would need as much room in the journal.
            self._connection.execute("PRAGMA secure_delete = OFF")

    def _upgrade(self, path: Path) -> None:
        found = self._found()
        if found > VERSION:
            raise MachineError(
                f"{path}: written by a newer lading (schema {found}, this one knows {VERSION})",
                hint="upgrade lading, or name another folder with --root",
            )
        self._set_up()
        with self.transaction():
            for number in range(self._found(), VERSION):
                for statement in SCHEMAS[number].split(";"):
                    self.run(statement)
                self.run(f"PRAGMA user_version = {number + 1}")

    def all(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Every row of a statement. This and all below raise `MachineError`: a full disk, a damaged database."""
        with self._lock, self._errors():
            return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """The first row of a statement, or None."""
        with self._lock, self._errors():
            row: tuple[Any, ...] | None = self._connection.execute(sql, parameters).fetchone()
            return row

    def run(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Executes a statement that changes rows; returns how many."""
        with self._lock, self._errors():
            return self._connection.execute(sql, parameters).rowcount

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All statements inside are committed together, durably, or not at all. Nests into the outermost."""
        with self._lock:
            if self._depth == 0:
                self.run("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self.run("COMMIT")
            except BaseException:
                if self._depth == 1:
                    self._roll_back()
                raise
            finally:
                self._depth -= 1

    def recall(self, kind: str, key: str) -> bytes | None:
        """What was remembered, None where nothing was, or it went."""
        row = self.one("SELECT value FROM cache WHERE kind = ? AND key = ?", (kind, key))
        return None if row is None else bytes(row[0])

    def remember(self, kind: str, key: str, value: bytes) -> None:
        """Keeps what can be found out again, in the place of what was there."""
        sql = "INSERT OR REPLACE INTO cache (kind, key, value, used) VALUES (?, ?, ?, ?)"
        self.run(sql, (kind, key, value, time.time()))

    def forget(self, kind: str, key: str) -> None:
        """Drops what was remembered."""
        self.run("DELETE FROM cache WHERE kind = ? AND key = ?", (kind, key))

    def _roll_back(self) -> None:
        """A full disk may have ended the transaction already; why it failed matters more than that."""
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the connection."""
        with self._lock, self._errors():
            self._connection.close()


def _reserve(path: Path) -> None:
    """Sets room aside for the journal, once; where there is none now, a later call does."""
    journal = path.with_name(f"{path.name}-journal")
    with suppress(OSError):
        if os.stat(journal).st_size < _ROOM:
            file = os.open(journal, os.O_RDWR | os.O_CLOEXEC)
            try:
                os.posix_fallocate(file, 0, _ROOM)
            finally:
                os.close(file)


@contextmanager
def _alone(path: Path) -> Generator[None, None, None]:
    """One process at a time makes the database."""
    place = path.with_name(f"{path.name}.lock")
    try:
        lock = open_lock(place)
    except OSError as error:
        raise MachineError(f"{place}: {error.strerror}") from error
    with locked(lock):
        yield
