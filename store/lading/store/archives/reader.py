"""Reading tar archives that nobody vouches for: ustar, PAX and GNU names, strictly and within bounds.

Sparse files (GNU and PAX) and vendor types are refused: nobody's layers use them, and their sizes lie. Global PAX
headers are passed over, as docker does. What comes out has a normalised path: no leading ``/`` or ``./``, ``..``
taken from the words before it, never from the folders there are; the root folder is b"".
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final, Protocol
from zlib import adler32

from lading.store.archives.compression import Source
from lading.store.archives.trees import Entry, Kind
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.system.patterns import pattern

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
_XATTR: Final = b"SCHILY.xattr."
_OCTAL: Final = pattern(rb"[0-7]+")
_NUMBERS: Final = pattern(rb"([0-7]{7})\0([0-7]{7})\0([0-7]{7})\0([0-7]{11})[\0 ]([0-7]{11})[\0 ]")
"""Mode, uid, gid, size and time as nearly everybody writes them."""
_ODD: Final = pattern(rb"\A/|//|(?:\A|/)\.\.?(?:/|\Z)|\0|[^/]{256}")
"""What makes a name need a second look."""
_MAX_OWNER: Final = 2**32 - 2
"""The next number means "as it is" to chown(2)."""
_MAX_TIME: Final = 2**34
"""Seconds; file systems end before (ext4 in 2446)."""
_OVERHEAD: Final = 2**30
RAISE: Final = "LADING_LIMITS=layer=BYTES raises that"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on an archive, for whoever reads one and, as what is written has to be read, for whoever writes one.

    `entries` cost an inode each; `size`, the bytes of all files, costs time alone where they are zeros, and the disk
    is asked what it has; `path` and `paths`, the bytes of one path and of those of all folders, and `extension`,
    those of one extended header (Go's readers take no more), cost memory.
    """

    entries: int = 4_000_000
    size: int = 2**40
    path: int = 3840  # of the 4096 that Linux takes; the rest is for where it is unpacked to
    paths: int = 2**30
    extension: int = 1024 * 1024

    @property
    def archive(self) -> int:
        """Of a whole archive, with headers and what fills it up."""
        return 2 * self.size + _OVERHEAD


DEFAULT: Final = Limits()


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

    def pieces(self, size: int) -> Iterator[bytes]:
        """`size` bytes as they come."""
        left = size
        while left:
            if self._at == len(self._buffer):
                self._buffer, self._at = self._read(), 0
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
    return len(header) == _BLOCK and header != _ZERO and _sums_up(header)


class _Reader:
    def __init__(self, source: Source, where: str, limits: Limits) -> None:
        self._stream = _Stream(source, where, limits.archive)
        self._where = where
        self._limits = limits
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
                raise DocumentError(f"{self._where}: an extended header of {size} bytes")
            body = self._stream.take(size + -size % _BLOCK)[:size]
            if kind == b"x":
                extra |= self._pax(body)
            elif kind in (b"L", b"K"):
                extra.setdefault(b"path" if kind == b"L" else b"linkpath", body.rstrip(b"\0"))

    def _check_sum(self, header: bytes) -> None:
        if not _sums_up(header):
            raise DocumentError(f"{self._where}: not a tar archive, or a damaged one: a header's checksum is wrong")

    def _number(self, field: bytes) -> int:
        """Octal, or base-256 as GNU tar writes what octal cannot hold; below 2**63."""
        digits = field.strip(b"\0 ")
        if not digits:
            return 0
        if field[0] == 0x80:
            value = int.from_bytes(field[1:], "big")
        else:  # int() takes signs and underscores too
            value = int(digits, 8) if _OCTAL.fullmatch(digits) else -1
        if not 0 <= value < 2**63:
            raise DocumentError(f"{self._where}: a header with the number {field!r}")
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
                raise DocumentError(f"{self._where}: a damaged extended header")
            records[key] = value
            at = end
        return records

    def _member(self, header: bytes, kind: bytes, extra: dict[bytes, bytes]) -> tuple[Member, int]:
        name = extra.get(b"path") or _name(header)
        if kind not in _KINDS:
            raise DocumentError(f"{self._where}: {name!r}: entries of type {kind!r} are not supported")
        where = "directory" if kind == b"\0" and name.endswith(b"/") else _KINDS[kind]  # of old archives alone
        mode, uid, gid, size, time = self._numbers(header, extra)
        entry = Entry(self._path(name), where, mode & 0o7777, uid, gid)
        if where == "file":
            entry.size = size
        elif where in ("symlink", "hardlink"):
            link = extra.get(b"linkpath", header[157:257].split(b"\0", 1)[0])
            entry.target = self._path(link) if where == "hardlink" else link
        elif where in ("character", "block"):
            entry.device = self._device(header, name)
        if extra:
            self._extend(entry, extra)
        return Member(entry, time, _nothing), entry.size

    def _extend(self, entry: Entry, extra: dict[bytes, bytes]) -> None:
        if any(key.startswith(b"GNU.sparse.") for key in extra):
            raise DocumentError(f"{self._where}: {entry.path!r}: sparse entries are not supported")
        entry.xattrs = tuple(
            (key[len(_XATTR) :].decode("utf-8", "surrogateescape"), value)
            for key, value in extra.items()
            if key.startswith(_XATTR) and value  # an empty one takes a record back (POSIX.1-2001, pax)
        )

    def _device(self, header: bytes, name: bytes) -> tuple[int, int]:
        major, minor = self._number(header[329:337]), self._number(header[337:345])
        if major >= 2**12 or minor >= 2**20:
            raise DocumentError(f"{self._where}: {name!r}: a device that no system has: {major}:{minor}")
        return major, minor

    def _numbers(self, header: bytes, extra: dict[bytes, bytes]) -> tuple[int, int, int, int, int]:
        """Mode, uid, gid, size in bytes and time in nanoseconds."""
        usual = None if extra else _NUMBERS.match(header, 100)
        if usual:
            mode, uid, gid, size, time = (int(digits, 8) for digits in usual.groups())
            return mode, uid, gid, size, time * 1_000_000_000
        return (
            self._number(header[100:108]),
            self._owner(extra, b"uid", header[108:116]),
            self._owner(extra, b"gid", header[116:124]),
            self._field(extra, b"size", header[124:136]),
            self._time(extra, header[136:148]),
        )

    def _field(self, extra: dict[bytes, bytes], key: bytes, field: bytes) -> int:
        if key not in extra:
            return self._number(field)
        if not extra[key].isdigit() or len(extra[key]) > 18:
            raise DocumentError(f"{self._where}: an extended header with {key.decode()}={extra[key]!r}")
        return int(extra[key])

    def _owner(self, extra: dict[bytes, bytes], key: bytes, field: bytes) -> int:
        value = self._field(extra, key, field)
        if value > _MAX_OWNER:
            raise DocumentError(f"{self._where}: an owner that no system has: the {key.decode()} {value}")
        return value

    def _time(self, extra: dict[bytes, bytes], field: bytes) -> int:
        """In nanoseconds; a time that no file system holds becomes 0, as docker has it."""
        if b"mtime" not in extra:
            seconds = 0 if field[0] == 0xFF else self._number(field)
            return seconds * 1_000_000_000 if seconds < _MAX_TIME else 0
        whole, _, part = extra[b"mtime"].partition(b".")
        if not whole.removeprefix(b"-").isdigit() or (part and not part.isdigit()) or len(whole) > 20:
            raise DocumentError(f"{self._where}: an extended header with mtime={extra[b'mtime']!r}")
        if whole.startswith(b"-") or int(whole) >= _MAX_TIME:
            return 0
        return int(whole) * 1_000_000_000 + int((part + b"000000000")[:9])

    def _path(self, name: bytes) -> bytes:
        limits = self._limits
        if not _ODD.search(name) and len(name) <= limits.path:
            return name.rstrip(b"/")
        parts: list[bytes] = []
        for part in name.split(b"/"):
            if part == b"..":
                del parts[-1:]  # as everybody has it: what leads out of the root is cut off
            elif part not in (b"", b"."):
                parts.append(part)
        if b"\0" in name or len(name) > limits.path or any(len(part) > _longest(part) for part in parts):
            raise DocumentError(f"{self._where}: a name that no file system takes: {name[:80]!r}")
        return b"/".join(parts)


def _sums_up(header: bytes) -> bool:
    # The low half of Adler-32 is one more than the sum of the bytes, modulo 65521, and thirty times faster.
    found = adler32(header[:148] + b"        " + header[156:]) & 0xFFFF
    stated = header[148:156].strip(b"\0 ")
    return bool(_OCTAL.fullmatch(stated)) and found == (int(stated, 8) + 1) % 65521


def _nothing() -> Iterator[bytes]:
    return iter(())


def _longest(part: bytes) -> int:
    """The bytes of a name; that of a removal is four longer than what it removes."""
    return 259 if part.startswith(b".wh.") else 255


def _name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name
