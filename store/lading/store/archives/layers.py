"""Layers: from a tree to a blob, and from a blob to a folder, with every digest taken in passing."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from lading.store.archives.compression import (
    MEDIA_TYPES,
    Compression,
    LargeFrame,
    Source,
    ZstdEncoder,
    decoder,
    encoder,
)
from lading.store.archives.extract_archive import Extracted, extract_layer
from lading.store.archives.layer_limits import DEFAULT, RAISE, Limits
from lading.store.archives.trees import OVERLAY, Entry, Marks, Tree, walk
from lading.store.archives.writer import sha256_of, write_tar
from lading.store.content.blobs import BlobReader, Blobs
from lading.store.content.blobs import Source as BlobSource
from lading.store.content.verifying_reader import CHUNK
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.progress import QUIET, Progress, Task
from lading.store.system.hashing import HashBeside

EPOCH: Final = 315532800
"""1980-01-01, the time of everything in a layer unless told otherwise: a zip archive holds nothing earlier."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer in the store: its blob, the digest and size of its uncompressed archive, the root of its tree."""

    descriptor: Descriptor
    diff_id: Digest
    size: int
    tree: Digest


class CompressedFiles(Protocol):
    """The zstd frames of large files that were compressed before, by this encoder."""

    def has(self, size: int) -> bool:
        """Whether there is one of a file of `size` bytes."""
        ...

    def find(self, sha256: str, size: int) -> Source | None:
        """That of a file, whole and right; None where there is none."""
        ...

    def note(self, layer: Digest, files: Sequence[tuple[Entry, LargeFrame]]) -> None:
        """Takes note of those in a layer."""
        ...


def write_layer(
    tree: Tree,
    blobs: Blobs,
    *,
    epoch: int = EPOCH,
    compression: Compression = "zstd",
    limits: Limits = DEFAULT,
    frames: CompressedFiles | None = None,
    digest: Callable[[os.stat_result], str | None] = lambda _: None,
) -> Layer:
    """Writes `tree` as a layer. The same tree, epoch and encoder give the same layer. Each file is read once.

    With `frames`, a large file that was compressed before is not compressed again; one of a size that was seen is
    hashed first. `digest` says of large files what their SHA-256 is, where that is known.
    Raises `InputError` for what nobody could unpack.
    """
    size = written = 0
    large = _LargeFiles(frames, digest) if compression == "zstd" and frames else None
    running = encoder(compression) if large is None else large.encoder
    with HashBeside() as diff, blobs.writer() as writer:

        def sink(data: bytes) -> None:
            nonlocal size, written
            size += len(data)
            diff.update(data)
            written += writer.write(running.compress(data))

        write_tar(tree, sink, epoch, limits, large.open if large else None)
        written += writer.write(running.flush())
        blob = writer.commit()
    if large is not None:
        large.note(blob)
    descriptor = Descriptor(MEDIA_TYPES[compression], blob, written)
    return Layer(descriptor, Digest("sha256", diff.hexdigest()), size, tree.root())


class _LargeFiles:
    """Those of a layer that is being written, whose frames are found or noted."""

    def __init__(self, frames: CompressedFiles, digest: Callable[[os.stat_result], str | None]) -> None:
        self._frames, self._digest = frames, digest
        self._files: list[Entry] = []
        self._found: deque[Source | None] = deque()
        self.encoder = ZstdEncoder(self._found.popleft)

    def open(self, entry: Entry, file: int) -> str | None:
        self._files.append(entry)
        known = self._digest(os.fstat(file)) or (sha256_of(file) if self._frames.has(entry.size) else None)
        self._found.append(self._frames.find(known, entry.size) if known else None)
        return known

    def note(self, layer: Digest) -> None:
        if self._files:
            self._frames.note(layer, list(zip(self._files, self.encoder.frames, strict=True)))


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
    alone: bool = False,
) -> Extracted:
    """Unpacks a layer by itself into `target`, an empty folder; `below` is the view of the layers under it.

    Of a layer `alone` what is under it is not known: all that it removes stays marked.
    Blob and archive are held to their digests in the same pass. Raises `DocumentError`, leaving what was
    unpacked until then, which must not be used.
    """
    task = progress.task(f"unpacking {descriptor.digest.short}", descriptor.size)
    where = f"layer {descriptor.digest}"
    with open_archive(blobs, descriptor, diff_id, task, limits=limits) as archive:
        extracted = extract_layer(archive, target, where, below=below, limits=limits, marks=marks, alone=alone)
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
