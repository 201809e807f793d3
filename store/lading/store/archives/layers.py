"""Layers: from a tree to a blob, and from a blob to a folder, with every digest taken in passing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lading.store.archives.compression import MEDIA_TYPES, Compression, Source, decoder, encoder
from lading.store.archives.extract_archive import Extracted, extract_layer
from lading.store.archives.layer_limits import DEFAULT, RAISE, Limits
from lading.store.archives.trees import OVERLAY, Marks, Tree, walk
from lading.store.archives.writer import write_tar
from lading.store.content.blobs import BlobReader, Blobs
from lading.store.content.blobs import Source as BlobSource
from lading.store.content.verifying_reader import CHUNK
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.progress import QUIET, Progress, Task

EPOCH: Final = 315532800
"""1980-01-01, the time of everything in a layer unless told otherwise: a zip archive holds nothing earlier."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in the store: its blob, the digest and size of its uncompressed archive, the root of its tree."""

    descriptor: Descriptor
    diff_id: Digest
    size: int
    tree: Digest


def write_layer(
    tree: Tree,
    blobs: Blobs,
    *,
    epoch: int = EPOCH,
    compression: Compression = "zstd",
    limits: Limits = DEFAULT,
) -> Layer:
    """Writes `tree` as a layer. The same tree, epoch and encoder give the same layer. Each file is read once.

    Raises `InputError` for what nobody could unpack.
    """
    diff = hashlib.sha256()
    size = written = 0
    running = encoder(compression)
    with blobs.writer() as writer:

        def sink(data: bytes | memoryview) -> None:
            nonlocal size, written
            size += len(data)
            diff.update(data)
            written += writer.write(running.compress(bytes(data)))

        write_tar(tree, sink, epoch, limits)
        written += writer.write(running.flush())
        digest = writer.commit()
    descriptor = Descriptor(MEDIA_TYPES[compression], digest, written)
    return Layer(descriptor, Digest("sha256", diff.hexdigest()), size, tree.root())


class _Counted:
    """A blob's reader that tells its progress."""

    def __init__(self, reader: BlobReader, task: Task) -> None:
        self._reader = reader
        self._task = task

    def read(self, size: int, /) -> bytes:
        data = self._reader.read(size)
        self._task.advance(len(data))
        return data


class _Hashed:
    """A source that is hashed as it passes, up to `limit` bytes."""

    def __init__(self, source: Source, algorithm: str, where: str, limit: int) -> None:
        self._source = source
        self._where = where
        self._left = limit
        self.hash = hashlib.new(algorithm)

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise DocumentError(f"{self._where}: its archive is larger than allowed", hint=RAISE)
        self.hash.update(data)
        return data


def apply_layer(
    blobs: Blobs,
    descriptor: Descriptor,
    diff_id: Digest,
    target: Path,
    *,
    below: Path | None = None,
    limits: Limits = DEFAULT,
    progress: Progress = QUIET,
    marks: Marks = OVERLAY,
) -> Extracted:
    """Unpacks a layer by itself into `target`, an empty folder; `below` is the view of the layers under it.

    Blob and archive are held to their digests in the same pass. Raises `DocumentError`, leaving what was
    unpacked until then, which must not be used.
    """
    task = progress.task(f"unpacking {descriptor.digest.short}", descriptor.size)
    where = f"layer {descriptor.digest}"
    with open_archive(blobs, descriptor, diff_id, task, limits=limits) as archive:
        extracted = extract_layer(archive, target, where, below=below, limits=limits, marks=marks)
    task.done()
    return extracted


def check_layer(blobs: Blobs, descriptor: Descriptor, diff_id: Digest, limits: Limits | None = None) -> None:
    """Raises `DocumentError` unless the blob has its digest, and its archive the diff ID. Nothing is unpacked."""
    with open_archive(blobs, descriptor, diff_id, limits=limits) as archive:
        while archive.read(CHUNK):
            pass


@contextmanager
def open_archive(
    blobs: BlobSource,
    descriptor: Descriptor,
    diff_id: Digest,
    task: Task | None = None,
    *,
    limits: Limits | None = None,
) -> Generator[Source, None, None]:
    """The uncompressed archive of a layer, to be read to its end; `task` counts the bytes of the blob.

    Raises `DocumentError` on leaving where blob or archive are not what their digests say, and on the way where
    there is more of it than `limits` allow.
    """
    where = f"layer {descriptor.digest}"
    with blobs.open(descriptor.digest) as blob:
        source = _Counted(blob, task) if task else blob
        archive = _Hashed(
            decoder(source, descriptor.media_type, where), diff_id.algorithm, where, (limits or DEFAULT).archive
        )
        yield archive
        while blob.read(CHUNK):
            pass  # what follows the compressed archive belongs to the blob's digest too
    found = Digest(diff_id.algorithm, archive.hash.hexdigest())
    if found != diff_id:
        raise DocumentError(
            f"{where}: is not the archive of its image: it unpacks to {found}, but the image's config says {diff_id}"
        )


def normalise_times(upper: Path, epoch: int = EPOCH) -> None:
    """Gives everything in a folder the times that unpacking its layer would, so that both are the same tree."""
    times = (epoch * 1_000_000_000, epoch * 1_000_000_000)
    folder = os.fsencode(upper)
    for path in [path for path, _ in walk(folder)]:
        os.utime(path, ns=times, follow_symlinks=False)
    os.utime(folder, ns=times)
