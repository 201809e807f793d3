"""Which repository has what: one SQLite database (WAL). The content itself is in files.

A row is written after its file is durable, and removed before the file may go: what a row names can be read.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lading.store.descriptors import Descriptor
from lading.store.digests import Digest
from lading.store.errors import MachineError

_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE blob (repository TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (repository, digest)) STRICT;
CREATE INDEX blob_digest ON blob (digest);
CREATE TABLE manifest (
    repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    subject TEXT, artifact_type TEXT, annotations TEXT NOT NULL,
    PRIMARY KEY (repository, digest)
) STRICT;
CREATE INDEX manifest_subject ON manifest (repository, subject);
CREATE INDEX manifest_digest ON manifest (digest);
CREATE TABLE tag (
    repository TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (repository, name)
) STRICT;
CREATE TABLE upload (id TEXT PRIMARY KEY, repository TEXT NOT NULL, started REAL NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A manifest as a repository has it."""

    media_type: str
    digest: Digest
    size: int


class Catalog:
    """The database; every method is one transaction. Safe to use from threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._prepare(path)
        except sqlite3.Error as error:
            raise MachineError(f"{path}: cannot be opened: {error}") from error

    def _prepare(self, path: Path) -> None:
        with self.transaction():
            found = self._one("PRAGMA user_version")[0]
            if found > _VERSION:
                raise MachineError(f"{path}: written by a newer lading")
            if found == 0:
                for statement in _SCHEMA.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def transaction(self) -> Generator[None, None, None]:
        """All or nothing, and durable."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _all(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def _one(self, sql: str, *parameters: object) -> tuple[Any, ...]:
        with self._lock:
            row: tuple[Any, ...] | None = self._connection.execute(sql, parameters).fetchone()
            return row or ()

    def _run(self, sql: str, *parameters: object) -> int:
        with self._lock:
            return self._connection.execute(sql, parameters).rowcount

    # Blobs

    def has_blob(self, repository: str, digest: Digest) -> bool:
        """Whether a blob is in a repository."""
        return bool(self._one("SELECT 1 FROM blob WHERE repository = ? AND digest = ?", repository, str(digest)))

    def missing_blobs(self, repository: str, digests: Sequence[Digest]) -> list[Digest]:
        """Those that are not in a repository."""
        return [digest for digest in digests if not self.has_blob(repository, digest)]

    def add_blob(self, repository: str, digest: Digest) -> None:
        """Puts a blob into a repository."""
        self._run("INSERT OR IGNORE INTO blob VALUES (?, ?)", repository, str(digest))

    def remove_blob(self, repository: str, digest: Digest) -> bool:
        """Takes a blob out of a repository; whether it was in it."""
        return bool(self._run("DELETE FROM blob WHERE repository = ? AND digest = ?", repository, str(digest)))

    def repositories_with(self, digest: Digest) -> list[str]:
        """Those that have a blob."""
        return [row[0] for row in self._all("SELECT repository FROM blob WHERE digest = ?", str(digest))]

    def is_used(self, digest: str) -> bool:
        """Whether any repository has this content, as a blob or as a manifest."""
        sql = "SELECT 1 FROM blob WHERE digest = ?1 UNION SELECT 1 FROM manifest WHERE digest = ?1"
        return bool(self._one(sql, digest))

    # Manifests and tags

    def manifest(self, repository: str, reference: str) -> Row | None:
        """A manifest by tag, or by digest where the reference has a colon."""
        if ":" in reference:
            sql = "SELECT media_type, digest, size FROM manifest WHERE repository = ? AND digest = ?"
        else:
            sql = (
                "SELECT m.media_type, m.digest, m.size FROM tag t JOIN manifest m USING (repository, digest)"
                " WHERE t.repository = ? AND t.name = ?"
            )
        row = self._one(sql, repository, reference)
        return Row(row[0], Digest.parse(row[1]), row[2]) if row else None

    def add_manifest(
        self,
        repository: str,
        descriptor: Descriptor,
        subject: Digest | None,
        annotations: Mapping[str, str],
        tags: Sequence[str],
    ) -> None:
        """Puts a manifest into a repository, and tags it."""
        row = (repository, str(descriptor.digest), descriptor.media_type, descriptor.size)
        more = (None if subject is None else str(subject), descriptor.artifact_type, json.dumps(dict(annotations)))
        with self.transaction():
            self._run("INSERT OR REPLACE INTO manifest VALUES (?, ?, ?, ?, ?, ?, ?)", *row, *more)
            for name in tags:
                self._run("INSERT OR REPLACE INTO tag VALUES (?, ?, ?)", repository, name, str(descriptor.digest))

    def remove_manifest(self, repository: str, digest: Digest) -> bool:
        """Takes a manifest out of a repository, with the tags that mean it; whether it was in it."""
        with self.transaction():
            self._run("DELETE FROM tag WHERE repository = ? AND digest = ?", repository, str(digest))
            sql = "DELETE FROM manifest WHERE repository = ? AND digest = ?"
            return bool(self._run(sql, repository, str(digest)))

    def remove_tag(self, repository: str, name: str) -> bool:
        """Removes a tag; whether it was there."""
        return bool(self._run("DELETE FROM tag WHERE repository = ? AND name = ?", repository, name))

    def referrers(self, repository: str, subject: Digest) -> list[Descriptor]:
        """The manifests that refer to `subject`, with their annotations."""
        sql = (
            "SELECT media_type, digest, size, annotations, artifact_type FROM manifest"
            " WHERE repository = ? AND subject = ? ORDER BY digest"
        )
        return [
            Descriptor(row[0], Digest.parse(row[1]), row[2], json.loads(row[3]), row[4])
            for row in self._all(sql, repository, str(subject))
        ]

    def tags(self, repository: str, after: str, count: int) -> list[str]:
        """Tags in the order of their bytes."""
        sql = "SELECT name FROM tag WHERE repository = ? AND name > ? ORDER BY name LIMIT ?"
        return [row[0] for row in self._all(sql, repository, after, count)]

    def exists(self, repository: str) -> bool:
        """Whether a repository holds anything."""
        sql = "SELECT 1 FROM manifest WHERE repository = ?1 UNION ALL SELECT 1 FROM blob WHERE repository = ?1 LIMIT 1"
        return bool(self._one(sql, repository))

    def repositories(self, after: str, count: int) -> list[str]:
        """Repositories that hold a manifest, in the order of their bytes."""
        sql = "SELECT DISTINCT repository FROM manifest WHERE repository > ? ORDER BY repository LIMIT ?"
        return [row[0] for row in self._all(sql, after, count)]

    # Uploads

    def begin_upload(self, name: str, repository: str) -> None:
        """A new upload."""
        self._run("INSERT INTO upload VALUES (?, ?, ?)", name, repository, time.time())

    def has_upload(self, name: str, repository: str) -> bool:
        """Whether an upload is under way in a repository."""
        return bool(self._one("SELECT 1 FROM upload WHERE id = ? AND repository = ?", name, repository))

    def end_upload(self, name: str) -> None:
        """It is finished or given up."""
        self._run("DELETE FROM upload WHERE id = ?", name)

    def uploads_before(self, moment: float) -> list[str]:
        """Those begun before a time."""
        return [row[0] for row in self._all("SELECT id FROM upload WHERE started < ?", moment)]

    def close(self) -> None:
        """Closes the database."""
        with self._lock:
            self._connection.close()
