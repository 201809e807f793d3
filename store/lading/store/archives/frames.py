"""Whether zstd data ended where a frame ends (RFC 8878, section 3.1): the library passes over what was cut off."""

from __future__ import annotations

from typing import Final, Protocol

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
