"""The contract of a blob store.

A blob is immutable content named by its digest. Nothing is visible before `BlobWriter.commit` returns, and
what was committed survives a kill -9 and a power cut. Two writers may write the same blob at once; both
succeed. Reading verifies: `Blobs.open` gives a reader that hashes what it hands out and raises at the end if
the bytes were not what the digest says, so a caller that reads to the end has read the right bytes, and a
caller that stops early has proof of nothing. `read_blob` is for documents: whole, bounded, verified.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from lading.store.content.verifying_reader import CHUNK
from lading.store.errors import DocumentError
from lading.store.oci.digests import Digest
from lading.store.oci.json import MAX_SIZE
from lading.store.progress import Task


class MissingBlobError(DocumentError):
    """The store does not hold this blob."""


class BlobReader(Protocol):
    """A verifying stream over one blob; a context manager."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises `DocumentError` where the content is not the digest's."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class BlobWriter(Protocol):
    """A blob being written; a context manager that discards what was not committed."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Appends, hashing as it goes."""
        ...

    def commit(self, expected: Digest | None = None) -> Digest:
        """Makes the blob visible and durable. Raises `DocumentError`, keeping nothing, if it is not `expected`."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Blobs(Protocol):
    """A set of blobs by digest."""

    def size(self, digest: Digest) -> int | None:
        """In bytes, None where the blob is not here."""
        ...

    def open(self, digest: Digest) -> BlobReader:
        """A verifying reader. Raises `MissingBlobError`."""
        ...

    def writer(self, algorithm: str = "sha256") -> BlobWriter:
        """A new blob, whose digest will be by `algorithm`."""
        ...

    def write_all(self, contents: Iterable[bytes]) -> list[Digest]:
        """Stores several small blobs under their SHA-256, in less time than one by one; all are durable at the end."""
        ...

    def delete(self, digest: Digest) -> bool:
        """Removes a blob; whether it was there."""
        ...

    def __iter__(self) -> Iterator[Digest]:
        """Every blob, in no order."""
        ...


class Source(Protocol):
    """What blobs are read from."""

    def size(self, digest: Digest) -> int | None:
        """In bytes, None where the blob is not here."""
        ...

    def open(self, digest: Digest) -> BlobReader:
        """A verifying reader. Raises `MissingBlobError`."""
        ...


def read_blob(blobs: Source, digest: Digest, *, limit: int = MAX_SIZE) -> bytes:
    """The whole verified content. Raises `DocumentError` beyond `limit` bytes."""
    with blobs.open(digest) as reader:
        data = reader.read(limit + 1)
        if len(data) > limit:
            raise DocumentError(f"{digest}: more than the {limit} bytes allowed here")
        while rest := reader.read(limit + 1 - len(data)):
            data += rest
            if len(data) > limit:
                raise DocumentError(f"{digest}: more than the {limit} bytes allowed here")
    return data


def copy_blob(source: Source, digest: Digest, target: Blobs, task: Task | None = None) -> None:
    """Copies a blob, verified. Raises `DocumentError`, keeping nothing, where it is not what its digest says."""
    with source.open(digest) as reader, target.writer(digest.algorithm) as writer:
        while data := reader.read(CHUNK):
            writer.write(data)
            if task:
                task.advance(len(data))
        writer.commit(digest)


def write_blob(blobs: Blobs, data: bytes) -> Digest:
    """Stores `data` under its SHA-256."""
    with blobs.writer() as writer:
        writer.write(data)
        return writer.commit()
