"""Images for other tools and from them: OCI image layouts as a folder or a tar archive, and docker's archive.

A layout that exists is added to; an archive is written anew. Either way a reader sees the old or the new one, and
of several writers of one layout each adds to what the other left. Archives are in `exporting`, reading in `importing`.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lading.store.content.blobs import copy_blob
from lading.store.content.files import FileBlobs
from lading.store.content.verifying_reader import CHUNK
from lading.store.errors import DocumentError
from lading.store.exchange.export import Saved, entries, parts, to_file, write_archive
from lading.store.exchange.ingest import (
    layout_entries,
    read_archive,
    read_docker_archive,
    read_layout,
    read_oci_archive,
)
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.layout import LAYOUT, REF_NAME, index_json
from lading.store.store import Store
from lading.store.system.atomic import write_atomically
from lading.store.system.border import machine_errors
from lading.store.system.locks import take

__all__ = [
    "read_archive",
    "read_docker_archive",
    "read_layout",
    "read_oci_archive",
    "write_docker_archive",
    "write_layout",
    "write_oci_archive",
]

_LOCK: Final = ".lading.lock"


def write_layout(
    store: Store, descriptor: Descriptor, folder: Path, names: Sequence[str], *, evidence: bool = False
) -> None:
    """Writes an image into the layout at `folder`, under `names`; a name that was there means this image then.

    With `evidence`, what refers to it goes along. Raises `DocumentError` where a part of the image is not here, or
    what is in the folder already is no layout.
    """
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "blobs").mkdir(exist_ok=True)
    with store.writing(), _alone(folder):
        there = layout_entries(folder) if os.path.lexists(folder / "index.json") else []
        _copy(store, descriptor, folder, evidence)
        kept = [raw for entry, raw in there if not _gives_way(entry, descriptor, names)]
        known = {str(entry["digest"]) for entry in kept}
        own = entries(store, Saved(descriptor, tuple(names)), evidence=evidence)
        kept += [raw for raw in own if raw["digest"] == str(descriptor.digest) or str(raw["digest"]) not in known]
        if not (folder / "oci-layout").exists():
            write_atomically(folder / "oci-layout", LAYOUT)
        write_atomically(folder / "index.json", index_json(kept))


def _copy(store: Store, descriptor: Descriptor, folder: Path, evidence: bool) -> None:
    target = FileBlobs(folder)
    try:
        for digest in parts(store, descriptor, evidence=evidence):
            if not _is_there(target, digest):
                copy_blob(store.blobs, digest, target)
    finally:
        target.sweep()
        with suppress(OSError):
            (folder / "tmp").rmdir()


@contextmanager
def _alone(folder: Path) -> Generator[None, None, None]:
    """One writer at a time in a layout; what it takes is gone afterwards."""
    path = folder / _LOCK
    with machine_errors(path):
        lock = _lock(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _lock(path: Path) -> int:
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        take(lock)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        os.close(lock)  # the one before took the file with it


def write_oci_archive(
    store: Store, descriptor: Descriptor, file: Path, names: Sequence[str], *, evidence: bool = False
) -> None:
    """Writes an image as a layout in a tar archive; the same image gives the same bytes."""
    image = Saved(descriptor, tuple(names))
    to_file(file, lambda sink: write_archive(store, [image], sink, "oci", evidence=evidence))


def write_docker_archive(store: Store, descriptor: Descriptor, file: Path, names: Sequence[str]) -> None:
    """Writes an image as `docker save` did, its layers uncompressed. Raises `InputError` for an index."""
    image = Saved(descriptor, tuple(names))
    to_file(file, lambda sink: write_archive(store, [image], sink, "docker"))


def _gives_way(entry: Descriptor, descriptor: Descriptor, names: Sequence[str]) -> bool:
    """Whether it has one of the names, or is the very image without a name."""
    name = entry.annotations.get(REF_NAME)
    return name in names if name else entry.digest == descriptor.digest


def _is_there(target: FileBlobs, digest: Digest) -> bool:
    """Whether a whole blob is: a killed tool may have left half of one under its name."""
    if target.size(digest) is None:
        return False
    try:
        with target.open(digest) as reader:
            while reader.read(CHUNK):
                pass
    except DocumentError:
        return False
    return True
