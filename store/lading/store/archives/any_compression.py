"""Archives however they are compressed: gzip, bzip2, xz, zstd or not at all, as docker and podman take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from lading.store.archives.compression import Gzip, Source, decoder, detect
from lading.store.errors import DocumentError
from lading.store.oci.documents import LAYER_ZSTD

_HEAD: Final = 8
_PIECE: Final = 1 << 16
_XZ_MEMORY: Final = 1 << 30


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

    def __init__(self, stream: Source, make: Callable[[], _Decompressor], error: type[Exception], where: str) -> None:
        self._stream = stream
        self._make = make
        self._error = error
        self._running = make()
        self._where = where

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
                    raise DocumentError(f"{self._where}: the compressed archive ends too early")
            try:
                data = self._running.decompress(fed, size)
            except self._error as error:
                raise DocumentError(f"{self._where}: the compressed archive is damaged: {error}") from None
            if data:
                return data


def uncompressed(stream: Source, where: str) -> Source:
    """What a stream holds once it is decompressed; its first bytes say whether and how it was compressed.

    What is read raises `DocumentError` where that is damaged.
    """
    head = stream.read(_HEAD)
    whole = _Peeked(head, stream)
    return _unpacked(head, whole, where) or whole


def unpacked(stream: Source, where: str) -> Source | None:
    """As `uncompressed`; None for what is not compressed, of which the first bytes are read then."""
    head = stream.read(_HEAD)
    return _unpacked(head, _Peeked(head, stream), where)


def _unpacked(head: bytes, whole: Source, where: str) -> Source | None:
    kind = detect(head)
    return None if kind is None else decompressed(kind, whole, where)


def decompressed(kind: str, stream: Source, where: str) -> Source:
    """As `uncompressed`, of a stream that is compressed by `kind`: gzip, bzip2, xz (lzma, too) or zstd."""
    match kind:
        case "gzip":
            return Gzip(stream, where, padded=True)
        case "zstd":
            return decoder(stream, LAYER_ZSTD, where)
        case "bzip2":
            import bz2  # noqa: PLC0415

            return _Running(stream, bz2.BZ2Decompressor, OSError, where)
        case "xz":
            import lzma  # noqa: PLC0415

            return _Running(stream, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), lzma.LZMAError, where)
        case other:
            raise DocumentError(f"{where}: the compression {other!r} is not known")
