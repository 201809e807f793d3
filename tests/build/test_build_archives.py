"""ADD of an archive: unpacked whole, or an error; never copied in silence because it could not be read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard

from lading.build.errors import DockerfileError
from suites.building import Bench, write
from suites.machine import needs

pytestmark = needs("root", "overlay")


def archive(*names: str, end: bool = True, kind: bytes = tarfile.REGTYPE, **more: object) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", **more) as out:  # type: ignore[call-overload]
        for name in names:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.size = 5 if kind == tarfile.REGTYPE else 0
            out.addfile(info, io.BytesIO(b"hello"))
    data = stream.getvalue()
    return data if end else data[: len(names) * 1024]


def add(bench: Bench, folder: Path, data: bytes) -> dict[str, object]:
    """What ADD makes of a file in `/o/`, by name: its content."""
    context = write(folder / "context", {"Dockerfile": "FROM scratch\nADD given /o/\n", "given": data})
    files = bench.files(bench.build(context, no_cache=True).descriptor)
    return {name.removeprefix("o/"): row[3] for name, row in files.items() if name != "o"}


def gnu(folder: Path, *flags: str) -> bytes:
    """What GNU tar makes of a file with a hole."""
    with (folder / "sparse").open("wb") as file:
        file.truncate(3_000_000)
        file.seek(0, 2)
        file.write(b"end")
    words = ["tar", "-C", str(folder), *flags, "-cf", "-", "sparse"]
    return subprocess.run(words, check=True, capture_output=True).stdout


TWO = archive("a", "b")
CUT = archive("a", "b", end=False)[:1024]
"""Between two entries: what is there could be a whole archive."""


@pytest.mark.parametrize(
    "data",
    [
        TWO,
        gzip.compress(TWO),
        bz2.compress(TWO),
        lzma.compress(TWO),
        zstandard.compress(TWO),
        gzip.compress(TWO[:700]) + gzip.compress(TWO[700:]),
        bz2.compress(TWO[:700]) + bz2.compress(TWO[700:]),
        lzma.compress(TWO[:700]) + bytes(8) + lzma.compress(TWO[700:]),
        b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.compress(TWO[:700]) + zstandard.compress(TWO[700:]),
        archive("a", "b", end=False),
        archive("a", "b", pax_headers={"comment": "of all"}, format=tarfile.PAX_FORMAT),
        archive("a", "b", format=tarfile.GNU_FORMAT),
    ],
)
def test_an_archive_is_unpacked(bench: Bench, tmp_path: Path, data: bytes) -> None:
    assert add(bench, tmp_path, data) == {"a": b"hello", "b": b"hello"}


def test_names_that_lead_up_stay_below(bench: Bench, tmp_path: Path) -> None:
    found = add(bench, tmp_path, archive("../../escape", "/etc/passwd", "a/../b"))
    assert found == {"escape": b"hello", "etc": None, "etc/passwd": b"hello", "b": b"hello"}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (archive("a", kind=b"V"), "type b'V' are not supported"),
        (archive("a", kind=b"S"), "type b'S' are not supported"),
        (archive("a", kind=b"Z"), "type b'Z' are not supported"),
        (TWO[:515], "ends too soon"),
        (TWO[:1024] + b"x" * 512 + TWO[1536:], "checksum"),
        (gzip.compress(TWO)[:-9], "ends too soon"),
        (zstandard.compress(CUT + bytes(200_000))[:-1], "too soon"),
        (zstandard.ZstdCompressor(write_checksum=True).compress(TWO)[:-4], "zstd data ends too soon"),
        (bz2.compress(TWO)[:-1], "too early"),
        (lzma.compress(TWO)[:-1], "too early"),
        (lzma.compress(TWO)[:-20] + b"x" * 20, "damaged"),
    ],
)
def test_one_that_cannot_be_read_is_an_error(bench: Bench, tmp_path: Path, data: bytes, complaint: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        add(bench, tmp_path, data)
    assert caught.value.message.startswith("Dockerfile:2: ADD: given: cannot be unpacked: given: ")
    assert complaint in caught.value.message


@needs("gnu-tar")
@pytest.mark.parametrize("flags", [("-S",), ("-S", "--format=posix"), ("-V", "label")])
def test_what_gnu_tar_alone_writes_is_an_error(bench: Bench, tmp_path: Path, flags: tuple[str, ...]) -> None:
    with pytest.raises(DockerfileError, match="not supported"):
        add(bench, tmp_path, gnu(tmp_path, *flags))


@pytest.mark.parametrize(
    "data", [b"", b"text", bytes(1024), gzip.compress(b"text"), TWO[:511], gzip.compress(TWO)[:60]]
)
def test_what_is_no_archive_is_copied(bench: Bench, tmp_path: Path, data: bytes) -> None:
    """As the reference does: what has no first header."""
    assert add(bench, tmp_path, data) == {"given": data}


def test_zstd_cut_between_entries(bench: Bench, tmp_path: Path) -> None:
    """The block that ends with an entry is whole, so what is unpacked looks like a whole archive; the frame is not."""
    running = zstandard.ZstdCompressor().compressobj()
    cut = running.compress(CUT) + running.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    with pytest.raises(DockerfileError, match="zstd data ends too soon"):
        add(bench, tmp_path, cut)
