"""The files of a server: blobs, and uploads under way, each as long as its file, so that a restart loses nothing."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

from lading.registry.server.catalog import Catalog
from lading.registry.server.failures import Failure
from lading.store.blobs import read_blob, write_blob
from lading.store.digests import Digest
from lading.store.files import FileBlobs, machine_errors, sync_folder

_CHUNK: Final = 1024 * 1024
_CACHED: Final = 512
_UPLOAD_LIFE: Final = 24 * 3600.0
_GRACE: Final = 3600.0
"""Seconds for which content that no repository has is left alone: its push may not have come to the manifest yet."""


class Storage:
    """Content below one folder."""

    def __init__(self, folder: Path) -> None:
        with machine_errors(folder):
            (folder / "uploads").mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / "blobs").mkdir(exist_ok=True)
        self._uploads = folder / "uploads"
        self.blobs = FileBlobs(folder)
        self.catalog = Catalog(folder / "registry.db")
        self._hashes: dict[str, tuple[int, Any]] = {}
        self._documents: OrderedDict[Digest, bytes] = OrderedDict()

    # Documents

    def document(self, digest: Digest) -> bytes:
        """A manifest's bytes, verified when they are first read."""
        found = self._documents.get(digest)
        if found is None:
            found = read_blob(self.blobs, digest)
            self._documents[digest] = found
            while len(self._documents) > _CACHED:
                self._documents.popitem(last=False)
        return found

    def put_document(self, raw: bytes, digest: Digest) -> None:
        """Keeps a manifest under its digest."""
        if digest.algorithm == "sha256":
            write_blob(self.blobs, raw)
            return
        with self.blobs.writer(digest.algorithm) as writer:
            writer.write(raw)
            writer.commit(digest)

    # Uploads

    def begin(self, repository: str) -> str:
        """A new upload's name."""
        name = secrets.token_urlsafe(24)
        with machine_errors(self._uploads):
            (self._uploads / name).touch(mode=0o600)
        self.catalog.begin_upload(name, repository)
        return name

    def length(self, name: str) -> int:
        """Bytes received so far."""
        try:
            return os.stat(self._uploads / name).st_size
        except FileNotFoundError:
            raise Failure("BLOB_UPLOAD_UNKNOWN", "no such upload") from None

    def append(self, name: str, data: bytes) -> None:
        """Adds to an upload, hashing in passing."""
        path = self._uploads / name
        with machine_errors(path):
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                before = os.fstat(file).st_size
                view = memoryview(data)
                while view:
                    view = view[os.write(file, view) :]
            finally:
                os.close(file)
        seen, running = self._hashes.get(name, (0, None))
        if running is None and before == 0:
            running = hashlib.sha256()
        if running is not None and seen == before:
            running.update(data)
            self._hashes[name] = (before + len(data), running)

    def finish(self, name: str, repository: str, digest: Digest) -> None:
        """Makes an upload a blob of a repository. Raises `Failure` where it is not `digest`, and gives it up."""
        path = self._uploads / name
        if self._hex(name, path, digest) != digest.hex:
            self.cancel(name)
            raise Failure("DIGEST_INVALID", "the content does not have the digest that was given")
        target = self.blobs.path(digest)
        with machine_errors(target):
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fchmod(file, 0o444)
                os.fsync(file)
            finally:
                os.close(file)
            if not target.parent.is_dir():
                target.parent.mkdir(exist_ok=True)
                sync_folder(target.parent.parent)
            os.replace(path, target)
            sync_folder(target.parent)
        self.catalog.add_blob(repository, digest)
        self._forget(name)

    def _hex(self, name: str, path: Path, digest: Digest) -> str:
        seen, running = self._hashes.get(name, (0, None))
        if running is not None and digest.algorithm == "sha256" and seen == self.length(name):
            return str(running.hexdigest())
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, digest.algorithm).hexdigest()

    def cancel(self, name: str) -> None:
        """Gives an upload up."""
        (self._uploads / name).unlink(missing_ok=True)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self._hashes.pop(name, None)
        self.catalog.end_upload(name)

    # Collection

    def collect(self, now: float | None = None) -> int:
        """Removes uploads that nobody finished in a day, and content that no repository has; how many."""
        moment = time.time() if now is None else now
        count = 0
        for name in self.catalog.uploads_before(moment - _UPLOAD_LIFE):
            self.cancel(name)
            count += 1
        self.blobs.sweep()
        for digest in list(self.blobs):
            path = self.blobs.path(digest)
            try:
                recent = path.stat().st_mtime > moment - _GRACE or path.stat().st_ctime > moment - _GRACE
            except FileNotFoundError:
                continue
            if not recent:
                count += self._remove_unused(digest)
        return count

    def _remove_unused(self, digest: Digest) -> bool:
        """The question and the removal are one transaction: nobody can begin to use it in between."""
        with self.catalog.transaction():
            if self.catalog.is_used(str(digest)):
                return False
            self._documents.pop(digest, None)
            return self.blobs.delete(digest)

    def close(self) -> None:
        """Closes the database."""
        self.catalog.close()
