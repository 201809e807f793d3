"""A stream that hashes what it hands out."""

from __future__ import annotations

import hashlib
from types import TracebackType
from typing import BinaryIO, Final, Self

from lading.store.errors import DocumentError, MachineError
from lading.store.oci.digests import Digest

CHUNK: Final = 1024 * 1024
"""Bytes moved at once: large enough that the cost of a call does not count."""


class HashingReader:
    """A `BlobReader` over a binary stream: raises at the end unless everything read had the digest."""

    __slots__ = ("_digest", "_done", "_hash", "_stream", "_where")

    def __init__(self, stream: BinaryIO, digest: Digest, where: str) -> None:
        self._stream = stream
        self._digest = digest
        self._where = where
        self._hash = hashlib.new(digest.algorithm)
        self._done = False

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises `DocumentError` where the content is not the digest's."""
        if size is None or size < 0:  # pyright: ignore[reportUnnecessaryComparison] - file-like callers pass None
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise MachineError(f"{self._where}: {error.strerror}") from error
        if data:
            self._hash.update(data)
        elif size and not self._done:
            self._done = True
            if self._hash.hexdigest() != self._digest.hex:
                raise DocumentError(
                    f"{self._where}: the content of {self._digest} was changed: "
                    f"it now has {self._digest.algorithm}:{self._hash.hexdigest()}",
                    hint="pull or build the image again; do not use what was there",
                )
        return data

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
