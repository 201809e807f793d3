"""Reading tar archives that nobody vouches for: ustar, PAX and GNU names, strictly and within bounds.

Sparse files (GNU and PAX) and vendor types are refused: nobody's layers use them, and their sizes lie. Global PAX
headers are passed over, as docker does. What comes out has a normalised path: no leading ``/`` or ``./``, ``..``
taken from the words before it, never from the folders there are; the root folder is b"".
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final, Protocol

from lading.store.archives.compression import Source
from lading.store.archives.layer_limits import RAISE, Limits
from lading.store.archives.tar_headers import TarHeaders, sums_up
from lading.store.archives.trees import Entry
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass

_BLOCK: Final = 512
_CHUNK: Final = 1024 * 1024
_ZERO: Final = bytes(_BLOCK)


class Content(Protocol):
    """What follows a header."""

    def __call__(self) -> Iterator[bytes]:
        """The bytes of a file, in pieces. What is not taken is skipped."""
        ...


@dataclass(slots=True)
class Member:
    """One entry with its time in nanoseconds and the content of a file."""

    entry: Entry
    mtime: int
    content: Content


class _Stream:
    """A buffered source that ends somewhere."""

    def __init__(self, source: Source, where: str, limit: int) -> None:
        self._source = source
        self._where = where
        self._left = limit
        self._buffer = b""
        self._at = 0
        self._begun = False

    def _read(self) -> bytes:
        data = self._source.read(_CHUNK)
        self._left -= len(data)
        if self._left < 0:
            raise DocumentError(f"{self._where}: the archive is larger than allowed", hint=RAISE)
        return data

    def take(self, size: int, *, or_end: bool = False) -> bytes:
        """Exactly `size` bytes; with `or_end`, b"" where the stream has ended."""
        while len(self._buffer) - self._at < size:
            more = self._read()
            if not more:
                if or_end and self._at == len(self._buffer):
                    return b""
                trouble = "the archive ends too soon" if self._begun else "not a tar archive: too short for one"
                raise DocumentError(f"{self._where}: {trouble}")
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
        data = self._buffer[self._at : self._at + size]
        self._at += size
        self._begun = True
        return data

    def pieces(self, size: int, *, or_end: bool = False) -> Iterator[bytes]:
        """`size` bytes as they come; with `or_end`, fewer where the stream has ended."""
        left = size
        while left:
            if self._at == len(self._buffer):
                self._buffer, self._at = self._read(), 0
                if not self._buffer and or_end:
                    return
                if not self._buffer:
                    raise DocumentError(f"{self._where}: the archive ends too soon")
            piece = self._buffer[self._at : self._at + left]
            self._at += len(piece)
            left -= len(piece)
            yield piece

    def drain(self) -> None:
        """To the end of the source, so that whoever hashes it has seen all."""
        self._buffer, self._at = b"", 0
        while self._read():
            pass


def read_tar(source: Source, where: str, limits: Limits | None = None) -> Generator[Member, None, None]:
    """The members of an uncompressed archive, to its end. Raises `DocumentError`."""
    return _Reader(source, where, limits or Limits()).members()


def begins_with_header(source: Source) -> bool:
    """Whether a source begins with the header of a member, whatever that says. Nothing further is read."""
    header = b""
    while len(header) < _BLOCK and (more := source.read(_BLOCK - len(header))):
        header += more
    return len(header) == _BLOCK and header != _ZERO and sums_up(header)


class _Reader:
    def __init__(self, source: Source, where: str, limits: Limits) -> None:
        self._stream = _Stream(source, where, limits.archive)
        self._where = where
        self._limits = limits
        self._headers = TarHeaders(where, limits)
        self._total = 0

    def members(self) -> Generator[Member, None, None]:
        count = 0
        while (found := self._next()) is not None:
            member, size = found
            count += 1
            self._total += size
            if count > self._limits.entries:
                raise DocumentError(f"{self._where}: more than {self._limits.entries} entries")
            if self._total > self._limits.size:
                raise DocumentError(f"{self._where}: more than {self._limits.size} bytes of files", hint=RAISE)
            yield from self._hand_out(member, size)
        self._stream.drain()

    def _hand_out(self, member: Member, size: int) -> Generator[Member, None, None]:
        pieces = self._stream.pieces(size)
        member.content = lambda: pieces
        yield member
        for _ in pieces:
            pass
        for _ in self._stream.pieces(-size % _BLOCK, or_end=True):  # what fills the last block may be missing
            pass

    def _next(self) -> tuple[Member, int] | None:
        """The next member and its size, with all headers that speak of it."""
        extra: dict[bytes, bytes] = {}
        while True:
            header = self._stream.take(_BLOCK, or_end=True)
            if not header or header == _ZERO:
                return None
            self._check_sum(header)
            kind = header[156:157]
            if kind not in (b"x", b"g", b"L", b"K"):
                entry, time = self._headers.entry(header, kind, extra)
                return Member(entry, time, _nothing), entry.size
            size = self._headers.number(header[124:136])
            if size > self._limits.extension:
                raise DocumentError(f"{self._where}: an extended header of {size} bytes")
            body = self._stream.take(size + -size % _BLOCK)[:size]
            if kind == b"x":
                extra |= self._headers.pax(body)
            elif kind in (b"L", b"K"):
                extra.setdefault(b"path" if kind == b"L" else b"linkpath", body.rstrip(b"\0"))

    def _check_sum(self, header: bytes) -> None:
        if not sums_up(header):
            raise DocumentError(f"{self._where}: not a tar archive, or a damaged one: a header's checksum is wrong")


def _nothing() -> Iterator[bytes]:
    return iter(())
