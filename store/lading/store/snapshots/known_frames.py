"""Where in which blob the zstd frame of a large file's content lies: written once, and copied into later layers.

A frame counts only if its bytes are still those that were written, and the encoder is the one that wrote them: then it
is what compressing the file again would give.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

from lading.store.content.files import FileBlobs
from lading.store.errors import DocumentError, MachineError
from lading.store.index import Index
from lading.store.oci.digests import Digest
from lading.store.system.regular_files import open_file

if TYPE_CHECKING:
    from lading.store.archives.compression import LargeFrame
    from lading.store.archives.trees import Entry

_KIND: Final = "frame"
_MANY: Final = 64
"""Layers with large files that are looked through, the newest first."""
_PIECE: Final = 1 << 20


class KnownFrames:
    """Those of the layers of one store; one that is lost is made again."""

    def __init__(self, blobs: FileBlobs, index: Index) -> None:
        self._blobs = blobs
        self._index = index

    def has(self, size: int) -> bool:
        """Whether there is one of a file of `size` bytes."""
        return any(row[1] == size for _, row in self._rows())

    def find(self, sha256: str, size: int) -> _Frame | None:
        """That of a file, whole and right; None where there is none."""
        for layer, (held, held_size, start, end, check) in self._rows():
            if (held, held_size) == (sha256, size):
                with suppress(OSError, DocumentError, MachineError):
                    frame = _Frame(open_file(self._blobs.path(Digest.parse(layer))), layer, start, end)
                    if frame.is_right(check):
                        return frame
        return None

    def note(self, layer: Digest, files: Sequence[tuple[Entry, LargeFrame]]) -> None:
        """Takes note of those in a layer; where there is no room for it, they are made again."""
        rows = [[file.sha256, file.size, frame.start, frame.end, frame.check] for file, frame in files]
        with suppress(MachineError):
            self._index.remember(_KIND, str(layer), json.dumps([_encoder(), rows]).encode())

    def forget(self, layer: Digest) -> None:
        """Drops what is on record of a blob that is about to go."""
        self._index.forget(_KIND, str(layer))

    def _rows(self) -> list[tuple[str, tuple[str, int, int, int, str]]]:
        sql = "SELECT key, value FROM cache WHERE kind = ? ORDER BY used DESC LIMIT ?"
        encoder, found = _encoder(), list[tuple[str, tuple[str, int, int, int, str]]]()
        for layer, value in self._index.all(sql, (_KIND, _MANY)):
            with suppress(ValueError, TypeError):
                by, rows = json.loads(value)
                if by == encoder:
                    found += [(layer, cast("tuple[str, int, int, int, str]", tuple(row))) for row in rows]
        return found


class _Frame:
    """A part of a blob, read from its beginning; its file is closed when it goes."""

    def __init__(self, file: int, layer: str, start: int, end: int) -> None:
        self._file, self._layer = os.fdopen(file, "rb", buffering=0), layer
        self._start, self._at, self._end = start, start, end

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        data = os.pread(self._file.fileno(), min(size, self._end - self._at, _PIECE), self._at) if size else b""
        if not data and size and self._at < self._end:
            raise MachineError(f"{self._layer}: ends too soon")
        self._at += len(data)
        return data

    def is_right(self, check: str) -> bool:
        """Whether it has that BLAKE3; reads it, and begins anew."""
        from blake3 import blake3  # noqa: PLC0415 - only where there is a large file

        found = blake3()
        while data := self.read(_PIECE):
            found.update(data)
        self._at = self._start
        return found.hexdigest() == check


def _encoder() -> str:
    from lading.store.archives.compression import encoder_name  # noqa: PLC0415 - loads the compressor

    return encoder_name("zstd")
