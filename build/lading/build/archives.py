"""ADD of a local archive: recognised by its content, unpacked into the root file system."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, Protocol

from lading.build.picking import Picked
from lading.build.views import Item, View
from lading.store.archives.compression import Source, decoder, detect
from lading.store.archives.extract import extract
from lading.store.archives.reader import Limits, begins_with_header
from lading.store.documents import LAYER_GZIP, LAYER_ZSTD
from lading.store.errors import DocumentError, InputError

_HEAD: Final = 8
_PIECE: Final = 1 << 16
_XZ_MEMORY: Final = 1 << 30


class _Hashing:
    """A file whose bytes are hashed as they are read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self.hash.update(data)
        return data


def is_archive(view: View, item: Item) -> bool:
    """Whether `item` is a tar archive, plain or compressed (gzip, bzip2, xz, zstd), with at least one member.

    As in the reference, the first header decides; what is wrong further on is an error of `unpack`.
    """
    if item.size == 0:
        return False
    with os.fdopen(view.open(item), "rb") as stream:
        try:
            return begins_with_header(_decoded(stream, item.path))
        except (DocumentError, OSError, EOFError, ValueError):
            return False


def unpack(view: View, source: Picked, target: str, owner: tuple[int, int] | None, limits: Limits) -> None:
    """Unpacks an archive into the folder `target`; everything belongs to `owner` where one is given.

    Raises `InputError` where it is damaged or changes meanwhile.
    """
    item = source.item

    def given(uid: int, gid: int) -> tuple[int, int]:
        return owner or (uid, gid)

    with os.fdopen(view.open(item), "rb") as stream:
        hashing = _Hashing(stream)
        try:
            extract(_decoded(hashing, item.path), Path(target), item.path, owner=given, limits=limits)
        except (DocumentError, EOFError, ValueError) as error:
            raise InputError(f"{item.path}: cannot be unpacked: {error}") from error
        while hashing.read(1 << 20):
            pass
    if source.digest and hashing.hash.hexdigest() != source.digest:
        raise InputError(f"{item.path}: changed while it was being unpacked")


class _Peeked:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, stream: Source) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            taken, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
            return taken
        return self._stream.read(size)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Running:
    """Streams one after another, as parallel compressors write them, decompressed piece by piece."""

    def __init__(self, stream: Source, make: Callable[[], _Decompressor], error: type[Exception], what: str) -> None:
        self._stream = stream
        self._make = make
        self._error = error
        self._running = make()
        self._what = what

    def read(self, size: int, /) -> bytes:
        while True:
            fed = b""
            if self._running.eof:
                fed = self._running.unused_data.lstrip(b"\0") or self._stream.read(_PIECE).lstrip(b"\0")
                if not fed:
                    return b""
                self._running = self._make()
            elif self._running.needs_input:
                fed = self._stream.read(_PIECE)
                if not fed:
                    raise DocumentError(f"{self._what}: the compressed archive ends too early")
            try:
                data = self._running.decompress(fed, size)
            except self._error as error:
                raise DocumentError(f"{self._what}: the compressed archive is damaged: {error}") from None
            if data:
                return data


def _decoded(stream: Source, what: str) -> Source:
    head = stream.read(_HEAD)
    whole = _Peeked(head, stream)
    kind = detect(head)
    if kind == "gzip":
        return decoder(whole, LAYER_GZIP, what)
    if kind == "zstd":
        return decoder(whole, LAYER_ZSTD, what)
    if kind == "bzip2":
        import bz2  # noqa: PLC0415

        return _Running(whole, bz2.BZ2Decompressor, OSError, what)
    if kind == "xz":
        import lzma  # noqa: PLC0415

        return _Running(whole, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), lzma.LZMAError, what)
    return whole
