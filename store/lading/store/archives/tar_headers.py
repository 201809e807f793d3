"""The headers of tar archives: ustar, PAX and GNU names, strictly and within bounds."""

from __future__ import annotations

from typing import Final
from zlib import adler32

from lading.store.archives.layer_limits import Limits
from lading.store.archives.trees import Entry, Kind
from lading.store.errors import DocumentError
from lading.store.system.patterns import pattern

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


def pax_records(body: bytes) -> dict[bytes, bytes]:
    """Those of the body of an extended header (POSIX.1-2001, pax). Raises `ValueError`."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 20)
        length = body[at:space] if space > 0 else b""
        end = at + int(length) if length.isdigit() else 0
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if not equals or end <= space or end > len(body) or body[end - 1 : end] != b"\n":
            raise ValueError(body[at : at + 20])
        records[key] = value
        at = end
    return records


class TarHeaders:
    """Those of one archive, which `where` names in errors."""

    def __init__(self, where: str, limits: Limits) -> None:
        self._where = where
        self._limits = limits

    def number(self, field: bytes) -> int:
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

    def pax(self, body: bytes) -> dict[bytes, bytes]:
        """The records of an extended header (POSIX.1-2001, pax)."""
        try:
            return pax_records(body)
        except ValueError:
            raise DocumentError(f"{self._where}: a damaged extended header") from None

    def entry(self, header: bytes, kind: bytes, extra: dict[bytes, bytes]) -> tuple[Entry, int]:
        """What a header and those before it that speak of it say, and the time, in nanoseconds."""
        name = extra.get(b"path") or _name(header)
        if kind not in _KINDS:
            raise DocumentError(f"{self._where}: {name!r}: entries of type {kind!r} are not supported")
        form = "directory" if kind == b"\0" and name.endswith(b"/") else _KINDS[kind]  # of old archives alone
        mode, uid, gid, size, time = self._numbers(header, extra)
        entry = Entry(self._path(name), form, mode & 0o7777, uid, gid)
        if form == "file":
            entry.size = size
        elif form in ("symlink", "hardlink"):
            link = extra.get(b"linkpath", header[157:257].split(b"\0", 1)[0])
            entry.target = self._path(link) if form == "hardlink" else link
        elif form in ("character", "block"):
            entry.device = self._device(header, name)
        if extra:
            self._extend(entry, extra)
        return entry, time

    def _extend(self, entry: Entry, extra: dict[bytes, bytes]) -> None:
        if any(key.startswith(b"GNU.sparse.") for key in extra):
            raise DocumentError(f"{self._where}: {entry.path!r}: sparse entries are not supported")
        entry.xattrs = tuple(
            (key[len(_XATTR) :].decode("utf-8", "surrogateescape"), value)
            for key, value in extra.items()
            if key.startswith(_XATTR) and value  # an empty one takes a record back (POSIX.1-2001, pax)
        )

    def _device(self, header: bytes, name: bytes) -> tuple[int, int]:
        major, minor = self.number(header[329:337]), self.number(header[337:345])
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
            self.number(header[100:108]),
            self._owner(extra, b"uid", header[108:116]),
            self._owner(extra, b"gid", header[116:124]),
            self._field(extra, b"size", header[124:136]),
            self._time(extra, header[136:148]),
        )

    def _field(self, extra: dict[bytes, bytes], key: bytes, field: bytes) -> int:
        if key not in extra:
            return self.number(field)
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
            seconds = 0 if field[0] == 0xFF else self.number(field)
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


def sums_up(header: bytes) -> bool:
    """Whether the checksum of a header is right."""
    # The low half of Adler-32 is one more than the sum of the bytes, modulo 65521, and thirty times faster.
    found = adler32(header[:148] + b"        " + header[156:]) & 0xFFFF
    stated = header[148:156].strip(b"\0 ")
    return bool(_OCTAL.fullmatch(stated)) and found == (int(stated, 8) + 1) % 65521


def _longest(part: bytes) -> int:
    """The bytes of a name; that of a removal is four longer than what it removes."""
    return 259 if part.startswith(b".wh.") else 255


def _name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name
