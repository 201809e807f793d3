"""A tar archive of files that are blobs, or become some: read once, from front to back, into a blob store."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Generator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final

from lading.store.archives.any_compression import uncompressed
from lading.store.archives.compression import Source as Stream
from lading.store.archives.compression import decoder, detect
from lading.store.archives.layer_limits import Limits
from lading.store.archives.reader import Member, read_tar
from lading.store.content.blobs import BlobReader, Blobs, MissingBlobError
from lading.store.content.verifying_reader import CHUNK
from lading.store.errors import DocumentError
from lading.store.oci.digests import Digest
from lading.store.oci.documents import LAYER, LAYER_GZIP, LAYER_ZSTD
from lading.store.progress import Progress, Task
from lading.store.system.machine_errors import machine_errors

_LIMITS: Final = Limits(entries=65536)
_MAX_LINKS: Final = 8
_TYPES: Final = {"gzip": LAYER_GZIP, "zstd": LAYER_ZSTD, None: LAYER}


class IngestedArchive:
    """The files of an archive, by path, and the blobs that they are now; what was not in it cannot be read here."""

    def __init__(self, blobs: Blobs, where: str) -> None:
        self.blobs = blobs
        self.where = where
        self.paths: dict[bytes, Digest] = {}
        self._here: set[Digest] = set()

    def add(self, path: bytes, digest: Digest) -> None:
        """A file that is a blob now."""
        self.paths[path] = digest
        self._here.add(digest)

    def at(self, path: str) -> Digest:
        """The blob that a file became. Raises `DocumentError` where there is no such file."""
        found = self.paths.get(os.fsencode(posixpath.normpath(path)))
        if found is None:
            raise DocumentError(f"{self.where}: holds no file {path!r}")
        return found

    def size(self, digest: Digest) -> int | None:
        """In bytes, None where the blob was not in the archive."""
        return self.blobs.size(digest) if digest in self._here else None

    def open(self, digest: Digest) -> BlobReader:
        """A verifying reader. Raises `MissingBlobError`."""
        if digest not in self._here:
            raise MissingBlobError(f"{digest}: not in {self.where}")
        return self.blobs.open(digest)


def ingest_archive(blobs: Blobs, file: Path | int, progress: Progress) -> IngestedArchive:
    """Reads an archive: a file, or a descriptor, which stays open. Raises `DocumentError`.

    A file under ``blobs/ALGORITHM/HEX`` is held to that digest.
    """
    place = Path("standard input") if isinstance(file, int) else file
    ingested = IngestedArchive(blobs, str(place))
    links: dict[bytes, bytes] = {}
    with machine_errors(place), _archive(file, place, progress) as stream:
        for member in read_tar(stream, str(place), _LIMITS):
            entry = member.entry
            if entry.kind == "file":
                ingested.add(entry.path, _put(blobs, member))
            elif entry.kind == "hardlink":
                links[entry.path] = entry.target
            elif entry.kind == "symlink":
                links[entry.path] = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), entry.target))
    for path in links:
        target = path
        for _ in range(_MAX_LINKS):
            target = links.get(target, target)
        if target in ingested.paths:
            ingested.add(path, ingested.paths[target])
    return ingested


def _put(blobs: Blobs, member: Member) -> Digest:
    parts = os.fsdecode(member.entry.path).split("/")
    expected = Digest.parse(":".join(parts[1:])) if len(parts) == 3 and parts[0] == "blobs" else None
    with blobs.writer(expected.algorithm if expected else "sha256") as writer:
        for piece in member.content():
            writer.write(piece)
        return writer.commit(expected)


@contextmanager
def _archive(file: Path | int, place: Path, progress: Progress) -> Generator[Stream, None, None]:
    """The uncompressed bytes of a file."""
    with open(file, "rb", closefd=not isinstance(file, int)) as stream:
        info = os.fstat(stream.fileno())
        task = progress.task(f"loading {place.name}", info.st_size or None)
        yield uncompressed(_Counted(stream, task), str(place))
        task.done()


class _Counted:
    def __init__(self, stream: BufferedReader, task: Task) -> None:
        self._stream = stream
        self._task = task

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._task.advance(len(data))
        return data


def plain(ingested: IngestedArchive, path: str, diff_id: Digest) -> tuple[Digest, int]:
    """The layer at `path` as an uncompressed blob, and its size. Raises `DocumentError` unless it is `diff_id`."""
    digest = ingested.at(path)
    blobs = ingested.blobs
    if digest != diff_id:
        _decompress(ingested, path, digest, diff_id)
    return diff_id, blobs.size(diff_id) or 0


def _decompress(ingested: IngestedArchive, path: str, digest: Digest, diff_id: Digest) -> None:
    where = f"{ingested.where}: layer {path}"
    with ingested.open(digest) as head:
        kind = detect(head.read(8))
    with ingested.open(digest) as reader, ingested.blobs.writer(diff_id.algorithm) as writer:
        source = decoder(reader, _TYPES.get(kind, LAYER), where)
        written = 0
        while data := source.read(CHUNK):
            written += writer.write(data)
            if written > _LIMITS.size:
                raise DocumentError(f"{where}: unpacks to more than {_LIMITS.size} bytes")
        try:
            writer.commit(diff_id)
        except DocumentError:
            raise DocumentError(f"{where}: is not the archive {diff_id} that the image's config names") from None
