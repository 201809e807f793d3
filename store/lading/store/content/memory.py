"""Blobs in memory: for tests and for what never outlives a process."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from lading.store.content.blobs import MissingBlobError, write_blob
from lading.store.content.verifying_reader import VerifyingReader
from lading.store.errors import DocumentError
from lading.store.oci.digests import Digest


class MemoryBlobs:
    """A dictionary of blobs, under the contract of `lading.store.content.blobs`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._content: dict[Digest, bytes] = {}

    def size(self, digest: Digest) -> int | None:
        """In bytes, None where the blob is not here."""
        data = self._content.get(digest)
        return None if data is None else len(data)

    def open(self, digest: Digest) -> VerifyingReader:
        """A verifying reader. Raises `MissingBlobError`."""
        data = self._content.get(digest)
        if data is None:
            raise MissingBlobError(f"{digest}: not here")
        return VerifyingReader(io.BytesIO(data), digest, "memory")

    def writer(self, algorithm: str = "sha256") -> _MemoryWriter:
        """A new blob, whose digest will be by `algorithm`."""
        return _MemoryWriter(self, algorithm)

    def write_all(self, contents: Iterable[bytes]) -> list[Digest]:
        """Stores several small blobs."""
        return [write_blob(self, content) for content in contents]

    def delete(self, digest: Digest) -> bool:
        """Removes a blob; whether it was there."""
        with self._lock:
            return self._content.pop(digest, None) is not None

    def __iter__(self) -> Iterator[Digest]:
        with self._lock:
            return iter(list(self._content))

    def put(self, digest: Digest, data: bytes) -> None:
        """For the writer alone."""
        with self._lock:
            self._content[digest] = data


class _MemoryWriter:
    def __init__(self, blobs: MemoryBlobs, algorithm: str) -> None:
        self._blobs = blobs
        self._algorithm = algorithm
        self._hash = hashlib.new(algorithm)
        self._data = bytearray()
        self._committed = False

    def write(self, data: bytes | memoryview, /) -> int:
        if self._committed:
            raise ValueError("written to after it was committed")
        self._hash.update(data)
        self._data += data
        return len(data)

    def commit(self, expected: Digest | None = None) -> Digest:
        digest = Digest(self._algorithm, self._hash.hexdigest())
        if expected is not None and digest != expected:
            raise DocumentError(f"{expected}: the content has the digest {digest}")
        self._blobs.put(digest, bytes(self._data))
        self._committed = True
        return digest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._data.clear()
