"""A stream that hashes what it hands out."""

from __future__ import annotations

from types import TracebackType
from typing import BinaryIO, Final, Self

from lading.store.errors import DocumentError, MachineError
from lading.store.oci.digests import Digest
from lading.store.system import hashing

CHUNK: Final = 1024 * 1024
"""Bytes moved at once: large enough that the cost of a call does not count."""


class VerifyingReader:
    """A `BlobReader` over a binary stream: raises at the end unless everything read had the digest."""

    __slots__ = ("_digest", "_done", "_hash", "_stream", "_where")

    def __init__(self, stream: BinaryIO, digest: Digest, where: str) -> None:
        self._stream = stream
        self._digest = digest
        self._where = where
        self._hash: hashing.Hash | None = None
        self._done = False

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises `DocumentError` where the content is not the digest's."""
        if size is None or size < 0:  # pyright: ignore[reportUnnecessaryComparison] - file-like callers pass None
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise MachineError(f"{self._where}: {error.strerror}") from error
        if self._hash is None:  # a first piece that is shorter than was asked for is most likely all
            self._hash = hashing.new(self._digest.algorithm, len(data) if len(data) < size else hashing.LARGE)
        if data:
            self._hash.update(data)
        elif size and not self._done:
            self._done = True
            self._check(self._hash.hexdigest())
        return data

    def _check(self, found: str) -> None:
        if found != self._digest.hex:
            raise DocumentError(
                f"{self._where}: the content of {self._digest} was changed: "
                f"it now has {self._digest.algorithm}:{found}",
                hint="pull or build the image again; do not use what was there",
            )

    def readable(self) -> bool:
        """As a file has it."""
        return True

    def close(self) -> None:
        """Closes the stream below."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()
