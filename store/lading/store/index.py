"""`index.db`: the SQLite database beside the blobs.

It is the authority for references, origins, images, referrers, leases, snapshots, seals, cache and decisions;
`index.json` is only its rendering for other tools. One schema, here; the modules that own a table speak SQL
to it through `Index`. Opening is cheap enough for every command (about 0.3 ms).

Reading makes no file and needs no space, and a change finds room for its journal set aside: a full disk keeps
nobody from looking, nor from removing (`docs/adr/0001-a-database-beside-an-oci-layout.md`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lading.store.errors import MachineError, Remedy
from lading.store.system.locks import locked, open_lock
from lading.store.system.sqlite import Connection

_ROOM: Final = 256 * 1024
"""Bytes of the journal that are never given back: enough for any change that only takes away."""
_JOURNAL_LIMIT: Final = 1 << 20
_ROOM_HINT: Final = Remedy("free space", "free some space there, perhaps by pruning what nothing uses")
_ELSEWHERE_HINT: Final = Remedy("restore", "restore it from a backup, or open another root folder")
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
    """
ALTER TABLE cache ADD COLUMN inputs BLOB;
ALTER TABLE cache ADD COLUMN place TEXT;
ALTER TABLE cache ADD COLUMN command TEXT;
CREATE INDEX cache_place ON cache (place) WHERE place IS NOT NULL;
CREATE INDEX cache_command ON cache (command) WHERE command IS NOT NULL;
""",
)
"""What makes each version of the schema out of the one before it."""
VERSION: Final = len(SCHEMAS)


class Index(Connection):
    """The database, with all that a command remembers. Every method raises `MachineError`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, room=_ROOM_HINT, elsewhere=_ELSEWHERE_HINT)
        try:
            if self._found() != VERSION:
                with _alone(path):
                    self._upgrade(path)
            self._set_up()
            _reserve(path)
        except BaseException:
            self.close()
            raise

    def _found(self) -> int:
        (version,) = self.insist("PRAGMA user_version") or (0,)
        return int(version)

    def _set_up(self) -> None:
        """A rollback journal that is kept: what WAL keeps beside a database cannot be made on a full disk."""
        self.insist("PRAGMA journal_mode = PERSIST")
        self.run(f"PRAGMA journal_size_limit = {_JOURNAL_LIMIT}")
        self.run("PRAGMA synchronous = FULL")
        self.run("PRAGMA foreign_keys = ON")
        # Overwriting what is deleted would need as much room in the journal.
        self.run("PRAGMA secure_delete = OFF")

    def _upgrade(self, path: Path) -> None:
        found = self._found()
        if found > VERSION:
            raise MachineError(
                f"{path}: written by a newer lading (schema {found}, this one knows {VERSION})",
                hint=Remedy("upgrade", "upgrade lading, or open another root folder"),
            )
        self._set_up()
        with self.transaction():
            for number in range(self._found(), VERSION):
                for statement in SCHEMAS[number].split(";"):
                    self.run(statement)
                self.run(f"PRAGMA user_version = {number + 1}")

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
