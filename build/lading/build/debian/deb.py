"""A .deb file: an ar archive of `debian-binary`, `control.tar.*` and `data.tar.*` (deb(5)).

Whatever is wrong with one, in its archives or their compression, is one `DocumentError`.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from lading.store.archives.any_compression import decompressed
from lading.store.archives.compression import Source
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.system.machine_errors import machine_errors
from lading.store.system.patterns import pattern

_MAGIC: Final = b"!<arch>\n"
_HEADER: Final = 60
_MAX_CONTROL: Final = 16 * 1024 * 1024
_MAX_MEMBERS: Final = 64
_CONTROL_FILE: Final = pattern(r"[a-z][a-z0-9-]{0,63}")
_KINDS: Final = {"gz": "gzip", "zst": "zstd", "xz": "xz", "lzma": "xz", "bz2": "bzip2"}


@dataclass(frozen=True, slots=True)
class Control:
    """What a package says of itself: the control file, and every other file beside it, with whether it is a program."""

    control: bytes
    others: Mapping[str, tuple[bytes, bool]]

    @property
    def md5sums(self) -> bytes | None:
        """Its own list of MD5 sums, where it has one."""
        found = self.others.get("md5sums")
        return found[0] if found else None

    def field(self, name: str) -> str:
        """A field of the control file, "" where it has none."""
        for line in self.control.decode("utf-8", "replace").splitlines():
            found, colon, value = line.partition(":")
            if colon and found.strip().lower() == name.lower():
                return value.strip()
        return ""


def read_control(deb: Path) -> Control:
    """Raises `DocumentError` for a file that is not a package."""
    data = bytearray()
    with _member(deb, "control.tar") as stream:
        while len(data) <= _MAX_CONTROL and (more := stream.read(256 * 1024)):
            data += more
    if len(data) > _MAX_CONTROL:
        raise DocumentError(f"control.tar is larger than {_MAX_CONTROL} bytes")
    with _refusing("control.tar"), tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        files = {member.name.removeprefix("./"): member for member in archive if member.isreg()}
        if "control" not in files:
            raise DocumentError("has no control file")
        found = {name: (_content(archive, member), bool(member.mode & 0o100)) for name, member in files.items()
                 if _CONTROL_FILE.fullmatch(name)}  # fmt: skip
        control, _ = found.pop("control")
        return Control(control, found)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a package brings: every path in its order, as dpkg has them (``/.``, ``/usr``), and MD5 sums of files."""

    names: tuple[str, ...]
    sums: Mapping[str, str]


def read_listing(deb: Path, *, sums: bool) -> Listing:
    """The paths of all that is in the package; without `sums` none are made."""
    names: list[str] = []
    found: dict[str, str] = {}
    with open_data(deb) as stream, _refusing("data.tar"), tarfile.open(fileobj=_Readable(stream), mode="r|") as archive:
        for member in archive:
            names.append("/" + (member.name.removeprefix("./").strip("/") or "."))
            if sums and member.isreg() and (file := archive.extractfile(member)):
                digest = hashlib.md5(usedforsecurity=False)
                while data := file.read(1 << 20):
                    digest.update(data)
                found[names[-1]] = digest.hexdigest()
    return Listing(tuple(names), found)


@contextmanager
def open_data(deb: Path) -> Generator[Source, None, None]:
    """The uncompressed tar archive of the package's files. Reading it raises `DocumentError` where it is damaged."""
    with _member(deb, "data.tar") as stream:
        yield stream


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    # A sparse member could claim any size: what is not in the archive is not read.
    if member.issparse() or member.size > _MAX_CONTROL:
        raise DocumentError(f"control.tar: {member.name!r} claims {member.size} bytes")
    stream = archive.extractfile(member)
    data = stream.read() if stream is not None else b""
    if len(data) != member.size:
        raise DocumentError(f"control.tar: {member.name!r} is cut off")
    return data


@contextmanager
def _refusing(source: str) -> Generator[None, None, None]:
    """The one place where what archives raise is told."""
    try:
        yield
    except DocumentError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, OverflowError) as error:
        words = str(error) or "it is cut off"
        raise DocumentError(f"{source}: {words}") from None


@contextmanager
def _member(deb: Path, name: str) -> Generator[Source, None, None]:
    with machine_errors(deb), deb.open("rb") as file:
        for found, offset, size in _members(file):
            if found.startswith(name):
                file.seek(offset)
                yield _Checked(_decompress(found, _Slice(file, size)), found)
                return
    raise DocumentError(f"not a Debian package: has no {name}")


def _members(file: IO[bytes]) -> Iterator[tuple[str, int, int]]:
    if file.read(8) != _MAGIC:
        raise DocumentError("not a Debian package")
    at = 8
    for _ in range(_MAX_MEMBERS):
        if not (header := file.read(_HEADER)):
            return
        size = header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise DocumentError(f"not a Debian package: damaged at byte {at}")
        yield header[:16].decode("latin-1").strip().rstrip("/"), at + _HEADER, int(size)
        at += _HEADER + int(size) + int(size) % 2
        file.seek(at)
    raise DocumentError(f"not a Debian package: more than {_MAX_MEMBERS} members")


class _Slice(io.RawIOBase):
    """`size` bytes of a file from where it stands."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._left))
        if self._left and len(buffer) and not data:
            raise EOFError("the file ends before it")
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


class _Readable(io.RawIOBase):
    """A source as a file of Python's."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._source.read(1 << 20 if size is None or size < 0 else size)


class _Checked:
    """A stream whose errors are `DocumentError`."""

    def __init__(self, stream: Source, source: str) -> None:
        self._stream = stream
        self._source = source

    def read(self, size: int, /) -> bytes:
        with _refusing(self._source):
            return self._stream.read(size)


def _decompress(name: str, raw: _Slice) -> Source:
    stream = io.BufferedReader(raw, 256 * 1024)
    suffix = name.rpartition(".")[2]
    return stream if suffix == "tar" else decompressed(_KINDS.get(suffix, suffix), stream, name)
