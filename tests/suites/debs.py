"""Debian packages made by hand, so that each byte can be wrong."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Iterable

import zstandard

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, mode: int = 0o644, **more: object) -> Member:
    """One member of a tar archive."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, mode, len(data)
    for field, value in more.items():
        setattr(info, field, value)
    return info, data


def tar(*members: Member, form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def control(name: str, version: str = "1.0") -> bytes:
    """A control file."""
    return (
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Example <a@example.com>\n"
        "Description: an example\n"
    ).encode()


def control_tar(name: str, *more: Member, text: bytes | None = None) -> bytes:
    """A compressed control archive."""
    return gzip.compress(tar(member("./control", control(name) if text is None else text), *more), mtime=0)


def deb(parts: Iterable[tuple[str, bytes]]) -> bytes:
    """The ar archive of these members (deb(5))."""
    out = b"!<arch>\n"
    for name, data in (("debian-binary", b"2.0\n"), *parts):
        out += f"{name:<16}{'0':<12}{'0':<6}{'0':<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out


def package(name: str, *files: Member, data: tuple[str, bytes] | None = None, controls: bytes | None = None) -> bytes:
    """A whole package of `files`, or with another data member or control archive in their place."""
    made = data or ("data.tar.xz", lzma.compress(tar(*files)))
    return deb([("control.tar.gz", control_tar(name) if controls is None else controls), made])


def compressed(kind: str, data: bytes) -> tuple[str, bytes]:
    """The data member of this compression."""
    ways = {
        "xz": lzma.compress,
        "gz": lambda raw: gzip.compress(raw, mtime=0),
        "bz2": bz2.compress,
        "lzma": lambda raw: lzma.compress(raw, format=lzma.FORMAT_ALONE),
        "zst": lambda raw: zstandard.ZstdCompressor(write_checksum=False).compress(raw),
    }
    return (f"data.tar.{kind}", ways[kind](data)) if kind else ("data.tar", data)
