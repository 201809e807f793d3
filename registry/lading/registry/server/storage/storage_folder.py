"""What a server keeps below one folder: blobs, uploads under way, and the catalog of who has what."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.registry.server.storage.catalog import Catalog
from lading.registry.server.storage.sqlite_database import tables
from lading.registry.server.storage.upload_files import Uploads
from lading.store.content.blobs import read_blob
from lading.store.content.files import FileBlobs
from lading.store.errors import InputError, MachineError, Remedy
from lading.store.oci.digests import Digest
from lading.store.system.atomic import write_atomically
from lading.store.system.locks import open_lock, take
from lading.store.system.machine_errors import machine_errors
from lading.store.system.private_folders import claim, private_folder

_MARK: Final = "lading-registry"
_TEXT: Final = b"What lies in this folder belongs to `lading registry serve`, which deletes what nobody refers to.\n"
_REMEMBERED: Final = 512
_REMEMBERED_SIZE: Final = 64 * 1024


class Storage:
    """Content below one folder, which no other server may use meanwhile. Raises `InputError`, `MachineError`."""

    def __init__(self, folder: Path) -> None:
        _claim(folder)
        with machine_errors(folder):
            private_folder(folder)
            if not (folder / _MARK).exists():
                write_atomically(folder / _MARK, _TEXT)
            for place in (folder / "uploads", folder / "blobs"):
                private_folder(place)
            self._held = _hold(folder)
        self.blobs = FileBlobs(folder)
        self.catalog = Catalog(folder / "registry.db")
        self.uploads = Uploads(folder / "uploads", self.blobs, self.catalog)
        self._documents: OrderedDict[Digest, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def document(self, digest: Digest) -> bytes:
        """A manifest's bytes, verified when they are read from the disk. Raises `DocumentError`."""
        with self._lock:
            found = self._documents.get(digest)
            if found is not None:
                self._documents.move_to_end(digest)
                return found
        found = read_blob(self.blobs, digest)
        if len(found) <= _REMEMBERED_SIZE:
            with self._lock:
                self._documents[digest] = found
                if len(self._documents) > _REMEMBERED:
                    self._documents.popitem(last=False)
        return found

    def put_document(self, raw: bytes, digest: Digest) -> None:
        """Keeps a manifest under its digest."""
        with self.blobs.writer(digest.algorithm) as writer:
            writer.write(raw)
            writer.commit(digest)

    def close(self) -> None:
        """Closes the database, and lets another server in."""
        self.catalog.close()
        os.close(self._held)


def _claim(folder: Path) -> None:
    """Raises `InputError` for a folder that holds something else: what nobody refers to is deleted here."""
    if (folder / "index.db").exists():
        raise InputError(f"{folder}: is a root of Lading's own", hint="a registry keeps its content in another folder")
    claim(folder, [_MARK, "registry.db"] if _is_ours(folder / "registry.db") else [_MARK], "a registry's storage")


def _is_ours(database: Path) -> bool:
    """Whether a server of before the mark was there made it."""
    with suppress(MachineError):
        return {"blob", "manifest", "part", "tag", "upload"} <= tables(database)
    return False


def _hold(folder: Path) -> int:
    file = open_lock(folder / "lock")
    if not take(file, wait=False):
        os.close(file)
        raise InputError(
            f"{folder}: another registry serves it",
            hint=Remedy("store elsewhere", "stop that one, or give this one another folder"),
        )
    return file
