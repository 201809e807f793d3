"""Which repository has what. The content itself is in files.

A row is written after its file is durable, and removed before the file may go: what a row names can be read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

from lading.registry.server.storage.sqlite_database import Database
from lading.store.errors import MachineError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest

_SCHEMA: Final = """
CREATE TABLE blob (
    repository TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL, seen REAL NOT NULL,
    PRIMARY KEY (repository, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_digest ON blob (digest);
CREATE INDEX blob_seen ON blob (seen);
CREATE TABLE manifest (
    repository TEXT NOT NULL, digest TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL,
    subject TEXT, artifact_type TEXT, annotations TEXT NOT NULL,
    PRIMARY KEY (repository, digest)
) STRICT;
CREATE INDEX manifest_subject ON manifest (repository, subject, digest);
CREATE INDEX manifest_digest ON manifest (digest);
CREATE TABLE part (
    repository TEXT NOT NULL, blob TEXT NOT NULL, manifest TEXT NOT NULL,
    PRIMARY KEY (repository, blob, manifest)
) STRICT, WITHOUT ROWID;
CREATE INDEX part_manifest ON part (repository, manifest);
CREATE TABLE tag (
    repository TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
    PRIMARY KEY (repository, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_digest ON tag (repository, digest);
CREATE TABLE upload (id TEXT PRIMARY KEY, repository TEXT NOT NULL) STRICT, WITHOUT ROWID
"""
_FRESH: Final = 3600.0
"""Seconds for which a look at a blob is not written down again."""


@dataclass(frozen=True, slots=True)
class Row:
    """A manifest as a repository has it."""

    media_type: str
    digest: Digest
    size: int
    subject: Digest | None


class Catalog:
    """The rows. Every method is one transaction, and part of one where the caller holds `transaction`."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)
        self._all = self._database.all
        self._one = self._database.one
        self._run = self._database.run
        self.close = self._database.close

    def transaction(self) -> AbstractContextManager[None]:
        """Several changes at once; nobody else changes anything meanwhile."""
        return self._database.transaction()

    # Blobs

    def blob_size(self, repository: str, digest: Digest) -> int | None:
        """In bytes, None where the repository does not have it."""
        row = self._one("SELECT size FROM blob WHERE repository = ? AND digest = ?", repository, str(digest))
        return row[0] if row else None

    def blob_sizes(self, repository: str, digests: Iterable[Digest]) -> dict[str, int]:
        """Of those that a repository has."""
        sql = "SELECT digest, size FROM blob WHERE repository = ? AND digest IN (SELECT value FROM json_each(?))"
        wanted = json.dumps([str(item) for item in digests])
        return {row[0]: row[1] for row in self._all(sql, repository, wanted)}

    def add_blob(self, repository: str, digest: Digest, size: int) -> None:
        """Puts a blob into a repository."""
        sql = "INSERT OR REPLACE INTO blob VALUES (?, ?, ?, ?)"
        self._run(sql, repository, str(digest), size, time.time())

    def mount_blob(self, repository: str, source: str, digest: Digest) -> bool:
        """Takes a blob over from another repository; whether that has it."""
        sql = (
            "INSERT OR REPLACE INTO blob SELECT ?, digest, size, ? FROM blob"
            " WHERE repository = ? AND digest = ? LIMIT 1"
        )
        return bool(self._run(sql, repository, time.time(), source, str(digest)))

    def touch_blob(self, repository: str, digest: Digest) -> None:
        """Somebody counts on it: a push that asks whether it is here is about to name it."""
        row = self._one("SELECT seen FROM blob WHERE repository = ? AND digest = ?", repository, str(digest))
        if row and row[0] < time.time() - _FRESH:
            sql = "UPDATE blob SET seen = ? WHERE repository = ? AND digest = ?"
            with suppress(MachineError):  # a disk that takes nothing is no reason not to say what is there
                self._run(sql, time.time(), repository, str(digest))

    def user_of_blob(self, repository: str, digest: Digest) -> str | None:
        """A manifest of the repository that has the blob as a part."""
        row = self._one("SELECT manifest FROM part WHERE repository = ? AND blob = ?", repository, str(digest))
        return row[0] if row else None

    def remove_blob(self, repository: str, digest: Digest) -> bool:
        """Takes a blob out of a repository; whether it was in it."""
        return bool(self._run("DELETE FROM blob WHERE repository = ? AND digest = ?", repository, str(digest)))

    def remove_unused_blobs(self, before: float) -> int:
        """Takes blobs out of repositories in which no manifest has them and that nobody saw since; how many."""
        sql = (
            "DELETE FROM blob WHERE seen < ? AND NOT EXISTS"
            " (SELECT 1 FROM part WHERE part.repository = blob.repository AND part.blob = blob.digest)"
        )
        return self._run(sql, before)

    def is_used(self, digest: Digest) -> bool:
        """Whether any repository has this content, as a blob or as a manifest."""
        sql = (
            "SELECT EXISTS (SELECT 1 FROM blob WHERE digest = ?1) OR EXISTS (SELECT 1 FROM manifest WHERE digest = ?1)"
        )
        return bool(self._one(sql, str(digest))[0])

    # Manifests and tags

    def manifest(self, repository: str, reference: str) -> Row | None:
        """A manifest by tag, or by digest where the reference has a colon."""
        columns = "SELECT m.media_type, m.digest, m.size, m.subject FROM"
        if ":" in reference:
            sql = f"{columns} manifest m WHERE repository = ? AND digest = ?"
        else:
            sql = f"{columns} tag t JOIN manifest m USING (repository, digest) WHERE t.repository = ? AND t.name = ?"
        row = self._one(sql, repository, reference)
        return Row(row[0], Digest.parse(row[1]), row[2], Digest.parse(row[3]) if row[3] else None) if row else None

    def add_manifest(
        self,
        repository: str,
        descriptor: Descriptor,
        subject: Digest | None,
        parts: Iterable[Digest],
        tags: Sequence[str],
    ) -> None:
        """Puts a manifest into a repository, and tags it. The annotations are the descriptor's."""
        digest = str(descriptor.digest)
        row = (repository, digest, descriptor.media_type, descriptor.size)
        more = (subject and str(subject), descriptor.artifact_type, json.dumps(dict(descriptor.annotations)))
        with self.transaction():
            self._run("INSERT OR REPLACE INTO manifest VALUES (?, ?, ?, ?, ?, ?, ?)", *row, *more)
            for part in parts:
                self._run("INSERT OR IGNORE INTO part VALUES (?, ?, ?)", repository, str(part), digest)
            for name in tags:
                self._run("INSERT OR REPLACE INTO tag VALUES (?, ?, ?)", repository, name, digest)

    def remove_manifest(self, repository: str, digest: Digest) -> bool:
        """Takes a manifest out of a repository, with the tags that mean it; whether it was in it."""
        with self.transaction():
            self._run("DELETE FROM tag WHERE repository = ? AND digest = ?", repository, str(digest))
            # Its blobs stay for a while from now on: its next version shares most of them.
            sql = (
                "UPDATE blob SET seen = ?1 WHERE repository = ?2 AND digest IN"
                " (SELECT blob FROM part WHERE repository = ?2 AND manifest = ?3)"
            )
            self._run(sql, time.time(), repository, str(digest))
            self._run("DELETE FROM part WHERE repository = ? AND manifest = ?", repository, str(digest))
            return bool(self._run("DELETE FROM manifest WHERE repository = ? AND digest = ?", repository, str(digest)))

    def remove_tag(self, repository: str, name: str) -> bool:
        """Removes a tag; whether it was there."""
        return bool(self._run("DELETE FROM tag WHERE repository = ? AND name = ?", repository, name))

    def referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, after: str, count: int
    ) -> list[Descriptor]:
        """The manifests that refer to `subject`, with their annotations, in the order of their digests."""
        sql = (
            "SELECT media_type, digest, size, annotations, artifact_type FROM manifest WHERE repository = ?1"
            " AND subject = ?2 AND (?3 IS NULL OR artifact_type = ?3) AND digest > ?4 ORDER BY digest LIMIT ?5"
        )
        return [
            Descriptor(row[0], Digest.parse(row[1]), row[2], _strings(row[3]), row[4])
            for row in self._all(sql, repository, str(subject), artifact_type, after, count)
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
        self._run("INSERT INTO upload VALUES (?, ?)", name, repository)

    def has_upload(self, name: str, repository: str) -> bool:
        """Whether an upload is under way in a repository."""
        return bool(self._one("SELECT 1 FROM upload WHERE id = ? AND repository = ?", name, repository))

    def end_upload(self, name: str) -> None:
        """It is finished or given up."""
        self._run("DELETE FROM upload WHERE id = ?", name)

    def uploads(self) -> list[str]:
        """All that are under way."""
        return [row[0] for row in self._all("SELECT id FROM upload")]


def _strings(text: str) -> Mapping[str, str]:
    found: dict[str, str] = json.loads(text)
    return found
