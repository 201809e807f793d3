"""Uploads under way: each is as long as its file, so that a restart loses nothing that was received."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lading.registry.server.api_errors import ApiError
from lading.registry.server.storage.catalog import Catalog
from lading.store.content.files import FileBlobs
from lading.store.errors import MachineError
from lading.store.oci.digests import Digest
from lading.store.system.atomic import publish, sync
from lading.store.system.machine_errors import machine_errors


class Uploads:
    """Files below one folder, on the file system of the blobs."""

    def __init__(self, folder: Path, blobs: FileBlobs, catalog: Catalog) -> None:
        self._folder = folder
        self._blobs = blobs
        self._catalog = catalog
        self._hashes: dict[str, tuple[int, Any]] = {}

    def begin(self, repository: str) -> str:
        """A new upload's name."""
        name = secrets.token_urlsafe(24)
        path = self._folder / name
        with machine_errors(path):
            path.touch(mode=0o600)
        try:
            self._catalog.begin_upload(name, repository)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return name

    def length(self, name: str) -> int:
        """Bytes received so far."""
        try:
            return os.stat(self._folder / name).st_size
        except FileNotFoundError:
            raise ApiError("BLOB_UPLOAD_UNKNOWN", "no such upload") from None

    def append(self, name: str, data: bytes) -> None:
        """Adds to an upload, hashing in passing. Raises `MachineError`; one caller at a time."""
        path = self._folder / name
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

    def finish(self, name: str, repository: str, digest: Digest, *, keep: bool = False) -> None:
        """Makes an upload a blob of a repository. Raises `ApiError` where it is not `digest`, and gives it up.

        With `keep` it stays, for whoever goes on with it.
        """
        path = self._folder / name
        length = self.length(name)
        if self._hex(name, path, digest) != digest.hex:
            if not keep:
                self.cancel(name)
            raise ApiError("DIGEST_INVALID", "the content does not have the digest that was given")
        target = self._blobs.path(digest)
        with machine_errors(path):
            path.chmod(0o444)
            sync(path)
        # The collector asks and removes in one transaction, so this is one as well.
        with self._catalog.transaction(), machine_errors(target):
            publish(path, target)
            self._catalog.add_blob(repository, digest, length)
            self._catalog.end_upload(name)
        self._hashes.pop(name, None)

    def _hex(self, name: str, path: Path, digest: Digest) -> str:
        seen, running = self._hashes.get(name, (0, None))
        if running is not None and digest.algorithm == "sha256" and seen == self.length(name):
            return str(running.hexdigest())
        with machine_errors(path), path.open("rb") as stream:
            return hashlib.file_digest(stream, digest.algorithm).hexdigest()

    def cancel(self, name: str) -> None:
        """Gives an upload up. Its bytes go first: the disk may be full."""
        with machine_errors(self._folder / name):
            (self._folder / name).unlink(missing_ok=True)
        self._hashes.pop(name, None)
        # A row without a file is as good as none, and goes with the next collection.
        with contextlib.suppress(MachineError):
            self._catalog.end_upload(name)

    def idle(self, before: float) -> Iterator[str]:
        """Those that nobody has added to since, and what a killed server left of one."""
        with machine_errors(self._folder):
            names = {*os.listdir(self._folder), *self._catalog.uploads()}
        for name in names:
            try:
                if os.stat(self._folder / name).st_mtime < before:
                    yield name
            except FileNotFoundError:
                yield name
