"""Blobs in memory, under the same contract as those on disk: for tests and for what is small and passes by."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from lading.store.blobs import BlobReader, BlobWriter, MissingBlobError
from lading.store.digests import Digest
from lading.store.errors import DocumentError


class MemoryBlobs:
    """A `lading.store.blobs.Blobs` that lives and dies with the process."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}
        self._lock = threading.Lock()

    def size(self, digest: Digest) -> int | None:
        """As `Blobs.size`."""
        data = self._blobs.get(digest)
        return None if data is None else len(data)

    def open(self, digest: Digest) -> BlobReader:
        """As `Blobs.open`."""
        try:
            return _Reader(digest, self._blobs[digest])
        except KeyError:
            raise MissingBlobError(f"{digest}: not in the store") from None

    def writer(self, algorithm: str = "sha256") -> BlobWriter:
        """As `Blobs.writer`."""
        return _Writer(self, algorithm)

    def delete(self, digest: Digest) -> bool:
        """As `Blobs.delete`."""
        with self._lock:
            return self._blobs.pop(digest, None) is not None

    def put(self, digest: Digest, data: bytes) -> None:
        """Puts `data` under `digest` unchecked: how tests damage a blob."""
        with self._lock:
            self._blobs[digest] = data

    def __iter__(self) -> Iterator[Digest]:
        with self._lock:
            return iter(tuple(self._blobs))


class _Reader:
    def __init__(self, digest: Digest, data: bytes) -> None:
        self._digest, self._data, self._at = digest, data, 0

    def read(self, size: int = -1, /) -> bytes:
        end = len(self._data) if size < 0 else self._at + size
        piece, self._at = self._data[self._at : end], min(end, len(self._data))
        if self._at == len(self._data) and Digest.of(self._data, self._digest.algorithm) != self._digest:
            raise DocumentError(f"{self._digest}: the content is not what its digest says")
        return piece

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._data, self._at = b"", 0


class _Writer:
    def __init__(self, blobs: MemoryBlobs, algorithm: str) -> None:
        self._blobs, self._algorithm = blobs, algorithm
        self._hash = hashlib.new(algorithm)
        self._pieces: list[bytes] = []

    def write(self, data: bytes | memoryview, /) -> int:
        self._hash.update(data)
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def commit(self, expected: Digest | None = None) -> Digest:
        digest = Digest(self._algorithm, self._hash.hexdigest())
        data, self._pieces = b"".join(self._pieces), []
        if expected is not None and digest != expected:
            raise DocumentError(f"{expected}: the content received is {digest}")
        self._blobs.put(digest, data)
        return digest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._pieces = []
