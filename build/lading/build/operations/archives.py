"""ADD of a local archive: recognised by its content, unpacked into the root file system."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO

from lading.build.context.folders import FileInfo, FileView
from lading.build.context.picked_files import CopySource
from lading.store.archives.any_compression import uncompressed
from lading.store.archives.extract_archive import extract
from lading.store.archives.layer_limits import Limits
from lading.store.archives.reader import begins_with_header
from lading.store.errors import DocumentError, InputError


class _Hashing:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.hash.update(data)
        return data


def is_archive(view: FileView, item: FileInfo) -> bool:
    """Whether `item` is a tar archive, plain or compressed (gzip, bzip2, xz, zstd), with at least one member.

    As in the reference, the first header decides; what is wrong further on is an error of `unpack`.
    """
    if item.size == 0:
        return False
    with os.fdopen(view.open(item), "rb") as stream:
        try:
            return begins_with_header(uncompressed(stream, item.path))
        except (DocumentError, OSError, EOFError, ValueError):
            return False


def unpack(view: FileView, source: CopySource, target: str, owner: tuple[int, int] | None, limits: Limits) -> None:
    """Unpacks an archive into the folder `target`; everything belongs to `owner` where one is given.

    Raises `InputError` where it is damaged or changes meanwhile.
    """
    item = source.item

    def given(uid: int, gid: int) -> tuple[int, int]:
        return owner or (uid, gid)

    with os.fdopen(view.open(item), "rb") as stream:
        hashing = _Hashing(stream)
        try:
            extract(uncompressed(hashing, item.path), Path(target), item.path, owner=given, limits=limits)
        except (DocumentError, EOFError, ValueError) as error:
            raise InputError(f"{item.path}: cannot be unpacked: {error}") from error
        while hashing.read(1 << 20):
            pass
    if source.digest and hashing.hash.hexdigest() != source.digest:
        raise InputError(f"{item.path}: changed while it was being unpacked")
