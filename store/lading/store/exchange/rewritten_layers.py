"""A layer that `write_layer` made, written again for another time or another compression."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from lading.store.archives.compression import MEDIA_TYPES, Compression, Source, encoder
from lading.store.archives.frames import LONGEST_PAX, size_in
from lading.store.archives.layer_limits import DEFAULT, Limits
from lading.store.archives.layers import open_archive
from lading.store.archives.writer import MAX_EPOCH
from lading.store.content.blobs import Blobs
from lading.store.errors import DocumentError, InputError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest

_BLOCK: Final = 512
_PIECE: Final = 1 << 20
_DIGITS: Final = 20


def rewrite_layer(
    blobs: Blobs,
    layer: Descriptor,
    diff_id: Digest,
    *,
    epoch: int,
    compression: Compression,
    limits: Limits = DEFAULT,
) -> tuple[Descriptor, Digest]:
    """`layer` as `write_layer` would have written it for `epoch`; its descriptor and diff ID.

    Raises `DocumentError` for what is not a layer in the writer's form, or has not its digests.
    """
    if not 0 <= epoch <= MAX_EPOCH:
        raise InputError(f"{epoch}: a layer holds times from 1970 to 2242 alone, in seconds since 1970")
    diff = hashlib.sha256()
    written = 0
    running = encoder(compression)
    with blobs.writer() as writer:

        def sink(data: bytes) -> None:
            nonlocal written
            diff.update(data)
            written += writer.write(running.compress(data))

        with open_archive(blobs, layer, diff_id, limits=limits) as archive:
            _Rewriting(archive, sink, b"%011o\0" % epoch, f"layer {layer.digest}").run()
        written += writer.write(running.flush())
        digest = writer.commit()
    return Descriptor(MEDIA_TYPES[compression], digest, written), Digest("sha256", diff.hexdigest())


class _Rewriting:
    """Passes an archive on, another time in every header."""

    def __init__(self, archive: Source, sink: Callable[[bytes], None], time: bytes, where: str) -> None:
        self._archive, self._sink, self._time, self._where = archive, sink, time, where
        self._parts: list[bytes] = []
        self._size = 0

    def run(self) -> None:
        larger: int | None = None
        while (head := self._read(_BLOCK)).strip(b"\0"):
            self._put(self._header(head))
            size = self._number(head[124:135], 8) if larger is None else larger
            larger = None
            if head[156:157] == b"x":
                body = self._read(_padded(min(size, LONGEST_PAX)))
                self._put(body)
                larger = self._larger(body[:size])
            else:
                self._pass_on(_padded(size))
        self._put(head + self._read(_BLOCK))
        self._flush()

    def _header(self, head: bytes) -> bytes:
        if head[257:263] != b"ustar\0" or head[148:156] != _checksum(head):
            raise self._unlike()
        timed = head[:136] + self._time + head[148:]
        return timed[:148] + _checksum(timed) + timed[156:]

    def _pass_on(self, size: int) -> None:
        while size:
            data = self._read(min(size, _PIECE))
            self._put(data)
            size -= len(data)

    def _read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            data = self._archive.read(size)
            if not data:
                raise DocumentError(f"{self._where}: ends too soon")
            parts.append(data)
            size -= len(data)
        return b"".join(parts)

    def _larger(self, body: bytes) -> int | None:
        try:
            return size_in(body)
        except ValueError:
            raise self._unlike() from None

    def _number(self, digits: bytes, base: int) -> int:
        if not digits.isdigit() or len(digits) > _DIGITS:
            raise self._unlike()
        try:
            return int(digits, base)
        except ValueError:
            raise self._unlike() from None

    def _unlike(self) -> DocumentError:
        return DocumentError(f"{self._where}: is not a layer in the form that is written here")

    def _put(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _PIECE:
            self._flush()

    def _flush(self) -> None:
        self._sink(b"".join(self._parts))
        self._parts, self._size = [], 0


def _padded(size: int) -> int:
    return size + -size % _BLOCK


def _checksum(head: bytes) -> bytes:
    return b"%06o\0 " % (sum(head[:148]) + 8 * 32 + sum(head[156:]))
