"""The canonical tar writer: the same tree gives the same bytes, wherever and whenever.

Entries are in the tree's order. Plain ustar, without the prefix field; a PAX record only for what does not fit
(path, linkpath, size, uid, gid) and for extended attributes, under one fixed name, records sorted. All times are
the epoch given; owners are numbers only. Two zero blocks end the archive, nothing pads it. Whiteouts are empty
files named ``.wh.NAME``, an opaque folder is followed by ``.wh..wh..opq`` (image-spec 1.1.1, layer.md).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Final

from lading.store.archives.frames import LARGE
from lading.store.archives.layer_limits import DEFAULT, RAISE, Limits
from lading.store.archives.trees import Entry, Tree
from lading.store.errors import InputError
from lading.store.system.syscalls import start_writing

Sink = Callable[[bytes], object]
Large = Callable[[Entry, int], str | None]
"""Given an open file, which is left at its beginning: its SHA-256 where it was found out already."""

_BLOCK: Final = 512
_BUFFER: Final = 256 * 1024
_TYPES: Final = {
    "file": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "character": b"3",
    "block": b"4",
    "directory": b"5",
    "fifo": b"6",
    "whiteout": b"0",
}
_MAX_OCTAL7: Final = 0o7777777
_MAX_OCTAL11: Final = 0o77777777777
MAX_EPOCH: Final = _MAX_OCTAL11
"""The latest time that a layer holds, in 2242."""


def write_tar(tree: Tree, sink: Sink, epoch: int, limits: Limits = DEFAULT, large: Large | None = None) -> None:
    """Writes `tree` to `sink` in pieces of about 256 KiB; the digests of its files are known afterwards.

    `large` is called for each file of at least `LARGE` bytes, open, before it is read.

    Raises `InputError` for a file that changed while it was read, and for what no reader would take.
    """
    _check(tree, epoch, limits)
    output = _Buffer(sink)
    for entry in tree.entries:
        output.put(_header(entry, epoch))
        if entry.kind == "file":
            _content(tree, entry, output, large if entry.size >= LARGE else None)
        elif entry.opaque:
            output.put(_header(Entry(entry.path + b"/.wh..wh..opq", "file"), epoch))
    output.put(bytes(2 * _BLOCK))
    output.flush()


def _check(tree: Tree, epoch: int, limits: Limits) -> None:
    """A limit of the reader is one of the writer, so that whatever is written can be unpacked elsewhere."""
    if not 0 <= epoch <= MAX_EPOCH:
        raise InputError(f"{epoch}: a layer holds times from 1970 to 2242 alone, in seconds since 1970")
    if len(tree.entries) > limits.entries:
        raise InputError(f"more than {limits.entries} entries in one layer", hint="divide the step into several")
    if sum(entry.size for entry in tree.entries) > limits.size:
        raise InputError(f"more than {limits.size} bytes of files in one layer", hint=RAISE)
    if sum(len(entry.path) for entry in tree.entries if entry.kind in ("directory", "whiteout")) > limits.paths:
        raise InputError(f"more than {limits.paths} bytes of names in one layer", hint="divide the step into several")
    for entry in tree.entries:
        if len(entry.path) + len("/.wh..wh..opq") > limits.path:
            raise InputError(f"{entry.path[:80]!r}...: a path of more than {limits.path} bytes")
        attributes = sum(len(key) + len(value) for key, value in entry.xattrs)
        if attributes and attributes + 8 * limits.path > limits.extension:
            raise InputError(f"{os.fsdecode(entry.path)!r}: more extended attributes than a layer holds")


class _Buffer:
    """Gathers small pieces, so that hashing and compression are called seldom."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.parts: list[bytes] = []
        self.size = 0

    def put(self, data: bytes) -> None:
        self.parts.append(data)
        self.size += len(data)
        if self.size >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        if self.parts:
            self._sink(b"".join(self.parts))
            self.parts, self.size = [], 0


def _content(tree: Tree, entry: Entry, output: _Buffer, large: Large | None) -> None:
    file = os.open(tree.source(entry), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if entry.size >= LARGE:
            start_writing(file)  # most likely it is not on the disk yet, and will have to be
        before = os.fstat(file) if large else None
        known = large(entry, file) if large else None
        digest = None if known else hashlib.sha256()
        left = entry.size
        while left:
            data = os.read(file, min(left, _BUFFER))
            if not data:
                break
            if digest:
                digest.update(data)
            output.put(data)
            left -= len(data)
        if left or os.read(file, 1) or (before and os.fstat(file).st_ctime_ns != before.st_ctime_ns):
            raise InputError(f"{os.fsdecode(tree.source(entry))}: changed while it was read")
    finally:
        os.close(file)
    entry.sha256 = digest.hexdigest() if digest else known or ""
    if entry.size % _BLOCK:
        output.put(bytes(-entry.size % _BLOCK))


def sha256_of(file: int) -> str:
    """Of an open file, which is left where it is."""
    digest, at = hashlib.sha256(), 0
    while data := os.pread(file, _BUFFER, at):
        digest.update(data)
        at += len(data)
    return digest.hexdigest()


def _header(entry: Entry, epoch: int) -> bytes:
    name, link, size = entry.path, entry.target, entry.size
    if entry.kind == "directory":
        name += b"/"
    elif entry.kind == "whiteout":
        folder, slash, base = name.rpartition(b"/")
        name = folder + slash + b".wh." + base
    records = _records(entry, name, link, size)
    main = _ustar(entry, name, link, size, epoch)
    if not records:
        return main
    body = b"".join(_record(key, value) for key, value in sorted(records))
    head = _raw(b"././@PaxHeader", 0o644, 0, 0, len(body), epoch, b"x", b"", (0, 0))
    return head + body + bytes(-len(body) % _BLOCK) + main


def _records(entry: Entry, name: bytes, link: bytes, size: int) -> list[tuple[bytes, bytes]]:
    records = [(b"SCHILY.xattr." + os.fsencode(key), value) for key, value in entry.xattrs]
    if len(name) > 100:
        records.append((b"path", name))
    if len(link) > 100:
        records.append((b"linkpath", link))
    if size > _MAX_OCTAL11:
        records.append((b"size", b"%d" % size))
    if entry.uid > _MAX_OCTAL7:
        records.append((b"uid", b"%d" % entry.uid))
    if entry.gid > _MAX_OCTAL7:
        records.append((b"gid", b"%d" % entry.gid))
    return records


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH KEY=VALUE\\n``, where LENGTH counts its own digits (POSIX.1-2001, pax)."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _ustar(entry: Entry, name: bytes, link: bytes, size: int, epoch: int) -> bytes:
    return _raw(
        name[:100],
        entry.mode,
        entry.uid if entry.uid <= _MAX_OCTAL7 else 0,
        entry.gid if entry.gid <= _MAX_OCTAL7 else 0,
        size if size <= _MAX_OCTAL11 else 0,
        epoch,
        _TYPES[entry.kind],
        link[:100],
        entry.device,
    )


def _raw(
    name: bytes, mode: int, uid: int, gid: int, size: int, mtime: int, kind: bytes, link: bytes, device: tuple[int, int]
) -> bytes:
    head = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0        %b%bustar\00000" % (
        name.ljust(100, b"\0"),
        mode,
        uid,
        gid,
        size,
        mtime,
        kind,
        link.ljust(100, b"\0"),
    )
    head += bytes(64) + b"%07o\0%07o\0" % device + bytes(167)
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]
