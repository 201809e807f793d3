"""Layer compression: one way to write, and a bounded way to read what others wrote."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, Protocol

from lading.store.archives.frames import LARGE, Frames, LargeContents
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.documents import DOCKER_LAYER, LAYER, LAYER_GZIP, LAYER_ZSTD

if TYPE_CHECKING:
    from blake3 import blake3

Compression = Literal["zstd", "gzip", "none"]

MEDIA_TYPES: Final[dict[Compression, str]] = {"zstd": LAYER_ZSTD, "gzip": LAYER_GZIP, "none": LAYER}
LEVEL: Final = 3
"""Of zstd; about 400 MB/s a core on text."""
_APART: Final = f"files of {LARGE >> 20} MiB apart"
_GZIP_LEVEL: Final = 6
_GZIP: Final = 31  # zlib's window bits for a gzip header: no name, time 0
_WINDOW: Final = 128 * 1024 * 1024
_CHUNK: Final = 256 * 1024
_FOREIGN: Final = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


class Source(Protocol):
    """Anything to read bytes from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        ...


class Encoder(Protocol):
    """A running compression."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """What is ready so far."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


class _Plain:
    def compress(self, data: bytes | memoryview, /) -> bytes:
        return bytes(data)

    def flush(self) -> bytes:
        return b""


def parse_compression(text: str) -> Compression:
    """The one of that name, as documents record it. Raises `DocumentError`."""
    for known in MEDIA_TYPES:
        if known == text:
            return known
    raise DocumentError(f"the compression {text!r} is not known")


def encoder(compression: Compression) -> Encoder:
    """The one way layers are written: the bytes depend on the encoder's version and on nothing else."""
    if compression == "zstd":
        return ZstdEncoder()
    if compression == "gzip":
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    return _Plain()


@dataclass(frozen=True, slots=True)
class LargeFrame:
    """Where the frame of a large file's content lies in the compressed data, and the BLAKE3 of it."""

    start: int
    end: int
    check: str


class ZstdEncoder:
    """Of archives: large files have frames of their own (`lading.store.archives.frames`)."""

    def __init__(self, known: Callable[[], Source | None] = lambda: None) -> None:
        """`known` is asked at every large file for its frame, whole and right, which then need not be made."""
        import zstandard  # noqa: PLC0415

        # One thread or more give the same bytes; none (threads=0) gives others. One keeps up with the hashing of what
        # it is given, and each costs 20 MB.
        self._compressor = zstandard.ZstdCompressor(
            level=LEVEL, threads=1, write_content_size=False, write_checksum=False, write_dict_id=False
        )
        self._known = known
        self._contents = LargeContents()
        self._inside = False
        self._running: Encoder | _Copying = self._compressor.compressobj()
        self._check: blake3 | None = None
        self._size = self._start = 0
        self.frames: list[LargeFrame] = []
        """Those of large files, in their order."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """What is ready so far."""
        found: list[bytes] = []
        for piece, inside in self._contents.split(data):
            if inside != self._inside:
                found.append(self._turned(inside=inside))
            found.append(self._told(self._running.compress(piece)))
        return b"".join(found)

    def flush(self) -> bytes:
        """The rest."""
        return self._ended()

    def _turned(self, *, inside: bool) -> bytes:
        """The rest of a frame; what follows is another."""
        rest = self._ended()
        self._inside = inside
        frame = self._known() if inside else None
        self._running = self._compressor.compressobj() if frame is None else _Copying(frame)
        if inside:
            from blake3 import blake3 as check  # noqa: PLC0415 - few layers have large files

            self._start, self._check = self._size, check()
        return rest

    def _ended(self) -> bytes:
        rest = self._told(self._running.flush())
        if self._check is not None:
            self.frames.append(LargeFrame(self._start, self._size, self._check.hexdigest()))
            self._check = None
        return rest

    def _told(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._check is not None:
            self._check.update(data)
        return data


class _Copying:
    """A frame that is there, given out as what it was made of goes by."""

    def __init__(self, frame: Source) -> None:
        self._frame = frame

    def compress(self, data: bytes | memoryview, /) -> bytes:
        return self._frame.read(len(data))

    def flush(self) -> bytes:
        return b"".join(iter(lambda: self._frame.read(_CHUNK), b""))


def encoder_name(compression: Compression) -> str:
    """The encoder, its version and its settings, as a provenance records them."""
    if compression == "zstd":
        import zstandard  # noqa: PLC0415

        version = ".".join(map(str, zstandard.ZSTD_VERSION))
        return f"zstandard {zstandard.__version__}, libzstd {version}, level {LEVEL}, {_APART}"
    if compression == "gzip":
        return f"zlib {zlib.ZLIB_RUNTIME_VERSION}, level {_GZIP_LEVEL}"
    return "none"


def decoder(source: Source, media_type: str, where: str) -> Source:
    """The uncompressed archive of a layer. Raises `DocumentError` for a type that is no layer's."""
    makers: dict[str, Callable[[Source, str], Source]] = {
        LAYER: lambda stream, _: stream,
        LAYER_GZIP: Gzip,
        DOCKER_LAYER: Gzip,
        LAYER_ZSTD: _zstd,
        "application/vnd.docker.image.rootfs.diff.tar.zstd": _zstd,
        "application/vnd.docker.image.rootfs.diff.tar": lambda stream, _: stream,
    }
    base = media_type.replace("nondistributable.", "").replace(_FOREIGN, DOCKER_LAYER)
    if base not in makers:
        raise DocumentError(f"{where}: not a layer: {media_type!r}")
    return makers[base](source, where)


def detect(head: bytes) -> str | None:
    """The compression that a file's first bytes show: gzip, bzip2, xz, zstd, or None."""
    if head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5:  # a frame to be skipped comes first
        return "zstd"
    magic = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
    return next((name for start, name in magic.items() if head.startswith(start)), None)


class Gzip:
    """gzip members one after another (RFC 1952); what else follows one is refused, but NULs where it is `padded`."""

    def __init__(self, source: Source, where: str, *, padded: bool = False) -> None:
        self._padded = padded
        self._whole = False
        self._source = source
        self._where = where
        self._inflate = zlib.decompressobj(_GZIP)
        self._input = b""
        self._started = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        while True:
            if not self._input:
                self._input = self._source.read(_CHUNK)
                if not self._input:
                    if self._started:
                        raise DocumentError(f"{self._where}: the gzip data ends too soon")
                    return b""
            if self._whole and self._padded and not self._started:
                self._input = self._input.lstrip(b"\0")
                if not self._input:
                    continue
            self._started = True
            try:
                data = self._inflate.decompress(self._input, size)
            except zlib.error as error:
                raise DocumentError(f"{self._where}: not gzip data: {error}") from None
            self._input = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._input = self._inflate.unused_data
                self._inflate = zlib.decompressobj(_GZIP)
                self._started, self._whole = False, True
            if data:
                return data


def _zstd(source: Source, where: str) -> Source:
    return _Zstd(source, where)


class _Zstd:
    """zstd frames one after another, skippable ones included (RFC 8878), with a bounded window."""

    def __init__(self, source: Source, where: str) -> None:
        import zstandard  # noqa: PLC0415

        self._error = zstandard.ZstdError
        self._where = where
        self._frames = Frames(source)
        self._reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(
            self._frames,  # type: ignore[arg-type]
            read_size=_CHUNK,
            read_across_frames=True,
            closefd=False,
        )

    def read(self, size: int, /) -> bytes:
        try:
            data = self._reader.read(size)
        except self._error as error:
            raise DocumentError(f"{self._where}: not zstd data: {error}") from None
        if size and not data and not self._frames.complete:
            raise DocumentError(f"{self._where}: the zstd data ends too soon")
        return data
