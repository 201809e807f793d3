"""Reading tar archives that nobody vouches for: ustar, PAX and GNU names, strictly and within bounds.

Sparse files (GNU and PAX) and vendor types are refused: nobody's layers use them, and their sizes lie. Global PAX
headers are passed over, as docker does. What comes out has a normalised path: no leading ``/`` or ``./``, no
``..``; the root folder is b"".
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Final, Protocol
from zlib import adler32

from lading.store.archives.compression import Source
from lading.store.errors import DocumentError
from lading.store.trees import Entry, Kind

_BLOCK: Final = 512
_CHUNK: Final = 1024 * 1024
_ZERO: Final = bytes(_BLOCK)
_KINDS: Final[dict[bytes, Kind]] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "character",
    b"4": "block",
    b"5": "directory",
    b"6": "fifo",
}
_MAX_ID: Final = 2**32 - 1
_XATTR: Final = b"SCHILY.xattr."


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on an archive: entries, bytes of content in all, and bytes of one path."""

    entries: int = 4_000_000
    size: int = 2**40
    path: int = 4096
    extension: int = 1024 * 1024


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
    """A buffered source that can say how much was taken of it."""

    def __init__(self, source: Source, what: str) -> None:
        self._source = source
        self._what = what
        self._buffer = b""
        self._at = 0

    def take(self, size: int, *, or_end: bool = False) -> bytes:
        """Exactly `size` bytes; with `or_end`, b"" where the stream has ended."""
        while len(self._buffer) - self._at < size:
            more = self._source.read(_CHUNK)
            if not more:
                if or_end and self._at == len(self._buffer):
                    return b""
                raise DocumentError(f"{self._what}: the archive ends too soon")
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
        data = self._buffer[self._at : self._at + size]
        self._at += size
        return data

    def pieces(self, size: int) -> Iterator[bytes]:
        """`size` bytes as they come."""
        left = size
        while left:
            if self._at == len(self._buffer):
                self._buffer, self._at = self._source.read(_CHUNK), 0
                if not self._buffer:
                    raise DocumentError(f"{self._what}: the archive ends too soon")
            piece = self._buffer[self._at : self._at + left]
            self._at += len(piece)
            left -= len(piece)
            yield piece

    def drain(self) -> None:
        """To the end of the source, so that whoever hashes it has seen all."""
        self._buffer, self._at = b"", 0
        while self._source.read(_CHUNK):
            pass


def read_tar(source: Source, what: str, limits: Limits | None = None) -> Generator[Member, None, None]:
    """The members of an uncompressed archive, to its end. Raises `DocumentError`."""
    return _Reader(source, what, limits or Limits()).members()


class _Reader:
    def __init__(self, source: Source, what: str, limits: Limits) -> None:
        self._stream = _Stream(source, what)
        self._what = what
        self._limits = limits
        self._total = 0

    def members(self) -> Generator[Member, None, None]:
        count = 0
        while (found := self._next()) is not None:
            member, size = found
            count += 1
            self._total += size
            if count > self._limits.entries:
                raise DocumentError(f"{self._what}: more than {self._limits.entries} entries")
            if self._total > self._limits.size:
                raise DocumentError(f"{self._what}: more than {self._limits.size} bytes of files")
            yield from self._hand_out(member, size)
        self._stream.drain()

    def _hand_out(self, member: Member, size: int) -> Generator[Member, None, None]:
        pieces = self._stream.pieces(size)
        member.content = lambda: pieces
        yield member
        for _ in pieces:
            pass
        if size % _BLOCK:
            self._stream.take(-size % _BLOCK)

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
                return self._member(header, kind, extra)
            size = self._number(header[124:136])
            if size > self._limits.extension:
                raise DocumentError(f"{self._what}: an extended header of {size} bytes")
            body = self._stream.take(size + -size % _BLOCK)[:size]
            if kind == b"x":
                extra |= self._pax(body)
            elif kind in (b"L", b"K"):
                extra.setdefault(b"path" if kind == b"L" else b"linkpath", body.rstrip(b"\0"))

    def _check_sum(self, header: bytes) -> None:
        # The low half of Adler-32 is one more than the sum of the bytes, modulo 65521, and thirty times faster.
        found = adler32(header[:148] + b"        " + header[156:]) & 0xFFFF
        stated = header[148:156].strip(b"\0 ")
        if not stated.isdigit() or set(stated) & set(b"89") or found != (int(stated, 8) + 1) % 65521:
            raise DocumentError(f"{self._what}: not a tar archive, or a damaged one: a header's checksum is wrong")

    def _number(self, field: bytes) -> int:
        """Octal, or base-256 as GNU tar writes what octal cannot hold."""
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        digits = field.strip(b"\0 ")
        try:
            value = int(digits, 8) if digits else 0
        except ValueError:
            value = -1
        if value < 0:
            raise DocumentError(f"{self._what}: a header with the number {field!r}")
        return value

    def _pax(self, body: bytes) -> dict[bytes, bytes]:
        records: dict[bytes, bytes] = {}
        at = 0
        while at < len(body):
            space = body.find(b" ", at, at + 20)
            length = body[at:space] if space > 0 else b""
            end = at + int(length) if length.isdigit() else 0
            key, equals, value = body[space + 1 : end - 1].partition(b"=")
            if not equals or end <= space or end > len(body) or body[end - 1 : end] != b"\n":
                raise DocumentError(f"{self._what}: a damaged extended header")
            records[key] = value
            at = end
        return records

    def _member(self, header: bytes, kind: bytes, extra: dict[bytes, bytes]) -> tuple[Member, int]:
        name = extra.get(b"path") or _name(header)
        if kind not in _KINDS:
            raise DocumentError(f"{self._what}: {name!r}: entries of type {kind!r} are not supported")
        if any(key.startswith(b"GNU.sparse.") for key in extra):
            raise DocumentError(f"{self._what}: {name!r}: sparse entries are not supported")
        link = extra.get(b"linkpath", header[157:257].split(b"\0", 1)[0])
        what = _KINDS[kind] if not (kind in (b"0", b"\0") and name.endswith(b"/")) else "directory"
        size = self._field(extra, b"size", header[124:136]) if what == "file" else 0
        entry = Entry(
            path=self._path(name),
            kind=what,
            mode=self._number(header[100:108]) & 0o7777,
            uid=self._field(extra, b"uid", header[108:116]),
            gid=self._field(extra, b"gid", header[116:124]),
            size=size,
            target=self._path(link) if what == "hardlink" else link,
        )
        if max(entry.uid, entry.gid) >= _MAX_ID:
            raise DocumentError(f"{self._what}: {name!r}: an owner that no system has: {entry.uid}:{entry.gid}")
        if what in ("character", "block"):
            entry.device = (self._number(header[329:337]), self._number(header[337:345]))
            if entry.device[0] >= 1 << 12 or entry.device[1] >= 1 << 20:
                raise DocumentError(f"{self._what}: {name!r}: a device that no system has: {entry.device}")
        entry.xattrs = tuple(
            (key[len(_XATTR) :].decode("utf-8", "surrogateescape"), value)
            for key, value in extra.items()
            if key.startswith(_XATTR)
        )
        return Member(entry, self._time(extra, header[136:148]), lambda: iter(())), size

    def _field(self, extra: dict[bytes, bytes], key: bytes, field: bytes) -> int:
        if key not in extra:
            return self._number(field)
        if not extra[key].isdigit() or len(extra[key]) > 19:
            raise DocumentError(f"{self._what}: an extended header with {key.decode()}={extra[key]!r}")
        return int(extra[key])

    def _time(self, extra: dict[bytes, bytes], field: bytes) -> int:
        if b"mtime" not in extra:
            return 0 if field[0] == 0xFF else self._number(field) * 1_000_000_000
        whole, _, part = extra[b"mtime"].partition(b".")
        if not whole.lstrip(b"-").isdigit() or (part and not part.isdigit()) or len(whole) > 15:
            raise DocumentError(f"{self._what}: an extended header with mtime={extra[b'mtime']!r}")
        return max(int(whole) * 1_000_000_000 + int((part + b"000000000")[:9]), 0)

    def _path(self, name: bytes) -> bytes:
        parts = [part for part in name.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            raise DocumentError(f"{self._what}: {name!r}: leads out of the archive's root")
        if b"\0" in name or len(name) > self._limits.path or any(len(part) > 255 for part in parts):
            raise DocumentError(f"{self._what}: a name that no file system takes: {name[:80]!r}")
        return b"/".join(parts)


def _name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name
