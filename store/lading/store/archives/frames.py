"""Frames of zstd data (RFC 8878, section 3.1): where those end that are read, and which files have one of their own.

Whether data ended where a frame does is told by their headers: the library passes over what was cut off.

The content of a file of `LARGE` bytes is compressed as a frame of its own, so that it has the same bytes in every
layer; what lies before, between and after such files is one frame each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol

from lading.store.archives.tar_headers import pax_records

LARGE: Final = 16 * 1024 * 1024
"""Bytes from which on a file is worth it. A layer without such a file is one frame."""
_BLOCK: Final = 512
LONGEST_PAX: Final = 1024 * 1024
"""Bytes of an extended header that are looked at; what the writer makes is far below."""
_DIGITS: Final = 20
_EXTENDED: Final = ord("x")
_FILES: Final = frozenset(b"07\0")

_SKIPPABLE: Final = 0x184D2A5
_DICTIONARY: Final = (0, 1, 2, 4)
_CONTENT: Final = (0, 2, 4, 8)
_RLE: Final = 1


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Frames:
    """Passes zstd data through and follows its frames and blocks by their headers."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._head = b""
        self._skip = 0
        self._in_frame = False
        self._checksum = 0

    @property
    def complete(self) -> bool:
        """Whether what was read so far ends with a frame."""
        return not (self._in_frame or self._skip or self._head)

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes."""
        data = self._source.read(size)
        at = 0
        while at < len(data):
            taken = min(self._skip or self._wanted() - len(self._head), len(data) - at)
            if self._skip:
                self._skip -= taken
            else:
                self._head += data[at : at + taken]
                if len(self._head) == self._wanted():
                    self._enter()
            at += taken
        return data

    def _wanted(self) -> int:
        """The bytes of the header that is being read, as far as its beginning tells."""
        head = self._head
        if self._in_frame:
            return 3
        if len(head) < 5:
            return 5
        if _is_skippable(head):
            return 8
        kind = head[4]
        single = kind >> 5 & 1
        return 5 + (1 - single) + _DICTIONARY[kind & 3] + (_CONTENT[kind >> 6] or single)

    def _enter(self) -> None:
        head, self._head = self._head, b""
        if self._in_frame:
            block = int.from_bytes(head, "little")
            self._skip = 1 if block >> 1 & 3 == _RLE else block >> 3
            if block & 1:
                self._skip += self._checksum
                self._in_frame = False
        elif _is_skippable(head):
            self._skip = int.from_bytes(head[4:8], "little")
        else:
            self._in_frame, self._checksum = True, 4 * (head[4] >> 2 & 1)


def _is_skippable(head: bytes) -> bool:
    return int.from_bytes(head[:4], "little") >> 4 == _SKIPPABLE


class LargeContents:
    """Tells the content of large files from all else in an archive, as it goes by in whatever pieces.

    Whoever writes is trusted: what is no ustar header ends the looking, and the rest is as if it had no large files.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._body = bytearray()
        self._extended = self._skip = self._inside = self._padding = 0
        self._size: int | None = None
        self._over = False

    def split(self, data: bytes | memoryview) -> Iterator[tuple[memoryview, bool]]:
        """Pieces of `data`, and whether each is the content of a large file; what follows one is another piece."""
        view = memoryview(data)
        start = at = 0
        while at < len(view) and not self._over:
            if self._inside:
                if at > start:
                    yield view[start:at], False
                start = at + min(self._inside, len(view) - at)
                yield view[at:start], True
                self._inside -= start - at
                at = start
                self._skip = 0 if self._inside else self._padding
            elif self._skip:
                taken = min(self._skip, len(view) - at)
                self._skip -= taken
                at += taken
            else:
                at += self._gather(view[at : at + _BLOCK])
        if start < len(view):
            yield view[start:], False

    def _gather(self, piece: memoryview) -> int:
        """Takes what a header, or the block of an extended one, still lacks."""
        taken = piece[: _BLOCK - len(self._head)]
        self._head += taken
        if len(self._head) == _BLOCK:
            block, self._head = self._head, bytearray()
            if self._extended:
                self._extend(block)
            else:
                self._enter(block)
        return len(taken)

    def _enter(self, head: bytearray) -> None:
        try:
            size = int(head[124:135], 8)
        except ValueError:
            size = -1
        if size < 0 or bytes(head[257:262]) != b"ustar":  # the end of the archive, or none of ours
            self._over = True
            return
        if head[156] == _EXTENDED and size <= LONGEST_PAX:
            self._extended, self._body = size, bytearray()
            return
        if self._size is not None:
            size, self._size = self._size, None
        padding = -size % _BLOCK
        if size >= LARGE and head[156] in _FILES:
            self._inside, self._padding = size, padding
        else:
            self._skip = size + padding

    def _extend(self, block: bytearray) -> None:
        self._body += block[: self._extended]
        self._extended = max(0, self._extended - _BLOCK)
        if not self._extended:
            try:
                self._size = size_in(bytes(self._body))
            except ValueError:  # none of ours
                self._size = None


def size_in(body: bytes) -> int | None:
    """What an extended header says of the size of the file that follows, if anything. Raises `ValueError`."""
    value = pax_records(body).get(b"size")
    if value is not None and not (value.isdigit() and len(value) < _DIGITS):
        raise ValueError(value)
    return None if value is None else int(value)
