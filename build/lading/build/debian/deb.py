"""A .deb file: an ar archive of `debian-binary`, `control.tar.*` and `data.tar.*` (deb(5))."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from lading.store.errors import DocumentError

_MAGIC: Final = b"!<arch>\n"
_HEADER: Final = 60
_MAX_CONTROL: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Control:
    """What a package says of itself: the control file, and its own list of MD5 sums where it has one."""

    control: bytes
    md5sums: bytes | None


def read_control(deb: Path) -> Control:
    """Raises `DocumentError` for a file that is not a package."""
    with _member(deb, "control.tar") as stream:
        data = stream.read(_MAX_CONTROL + 1)
    if len(data) > _MAX_CONTROL:
        raise DocumentError(f"{deb.name}: control.tar is larger than {_MAX_CONTROL} bytes")
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            files = {member.name.removeprefix("./"): member for member in archive if member.isreg()}
            if "control" not in files:
                raise DocumentError(f"{deb.name}: has no control file")
            sums = _content(archive, files.get("md5sums"))
            return Control(_content(archive, files["control"]) or b"", sums)
    except tarfile.TarError as error:
        raise DocumentError(f"{deb.name}: control.tar: {error}") from None


@contextmanager
def open_data(deb: Path) -> Generator[IO[bytes], None, None]:
    """The uncompressed tar archive of the package's files."""
    with _member(deb, "data.tar") as stream:
        yield stream


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes | None:
    stream = archive.extractfile(member) if member is not None else None
    return stream.read() if stream is not None else None


@contextmanager
def _member(deb: Path, name: str) -> Generator[IO[bytes], None, None]:
    with deb.open("rb") as file:
        for found, offset, size in _members(file, deb.name):
            if found.startswith(name):
                file.seek(offset)
                yield _decompress(found, _Slice(file, size))
                return
    raise DocumentError(f"{deb.name}: not a Debian package: has no {name}")


def _members(file: IO[bytes], what: str) -> Iterator[tuple[str, int, int]]:
    if file.read(8) != _MAGIC:
        raise DocumentError(f"{what}: not a Debian package")
    at = 8
    while header := file.read(_HEADER):
        size = header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise DocumentError(f"{what}: not a Debian package: damaged at byte {at}")
        yield header[:16].decode("latin-1").strip().rstrip("/"), at + _HEADER, int(size)
        at += _HEADER + int(size) + int(size) % 2
        file.seek(at)


class _Slice(io.RawIOBase):
    """`size` bytes of a file from where it stands."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


def _decompress(name: str, raw: _Slice) -> IO[bytes]:
    stream = io.BufferedReader(raw, 256 * 1024)
    match name.rpartition(".")[2]:
        case "tar":
            return stream
        case "gz":
            import gzip  # noqa: PLC0415

            return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
        case "xz" | "lzma":
            import lzma  # noqa: PLC0415

            return cast("IO[bytes]", lzma.LZMAFile(stream))
        case "zst":
            import zstandard  # noqa: PLC0415

            reader = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
            return cast("IO[bytes]", reader)
        case other:
            raise DocumentError(f"{name}: the compression {other!r} is not known")
