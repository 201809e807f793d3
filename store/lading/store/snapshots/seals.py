"""Seals: what files looked like when they were last known to be right.

A seal of a blob is its size, times and inode. A seal of a tree is the SHA-256 of a listing of every entry's type,
mode, owner, size, times and inode. Whoever changes a byte through the file system changes a ctime, which nobody
can set; what changes below the file system is for `fsck` to find.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.store.archives.trees import walk
from lading.store.content.blobs import MissingBlobError
from lading.store.content.files import FileBlobs
from lading.store.errors import DocumentError, MachineError, Remedy
from lading.store.index import Index
from lading.store.oci.digests import Digest
from lading.store.system.hashing import sha256

UNPACK: Final = Remedy("unpack again", "unpack the image anew from verified blobs", "IMAGE", "")
RENEW: Final = Remedy("pull or build again", "pull the image anew, or build it anew")


class SealError(DocumentError):
    """Something is not as it was left; `tree` is the snapshot, where it is one."""

    def __init__(self, message: str, *, hint: str | None = None, tree: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.tree = tree


class BlobSeals:
    """The seals of a store's blobs."""

    def __init__(self, blobs: FileBlobs, index: Index) -> None:
        self._blobs = blobs
        self._index = index

    def check(self, digest: Digest) -> None:
        """Whether a blob is still what it was; one that looks otherwise, or was never sealed, is hashed.

        Raises `MissingBlobError`, or `SealError` where the content is not the digest's.
        """
        path = self._blobs.path(digest)
        row = self._index.one("SELECT seal FROM blob_seal WHERE digest = ?", (str(digest),))
        if row is not None and row[0] == _blob_seal(path):
            return
        before = _blob_seal(path)
        with self._blobs.open(digest) as reader:
            try:
                while reader.read(1024 * 1024):
                    pass
            except DocumentError as error:
                raise SealError(error.message, hint=RENEW) from None
        with suppress(MachineError):  # a full or read-only disk: it is hashed again next time
            self._index.run("INSERT OR REPLACE INTO blob_seal VALUES (?, ?)", (str(digest), before))

    def holds(self, digest: Digest) -> bool:
        """Whether the blob is here, and is what it was: one that is not is fetched or made anew."""
        try:
            self.check(digest)
        except (MissingBlobError, SealError):
            return False
        return True


def _blob_seal(path: Path) -> str:
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return ""
    return f"{info.st_mode:o} {info.st_size} {info.st_mtime_ns} {info.st_ctime_ns} {info.st_ino}"


def tree_listing(folder: Path) -> bytes:
    """A line for every entry below `folder` and for itself: what a seal is the digest of."""
    root = os.fsencode(folder)
    cut = len(root) + 1
    info = os.lstat(root)
    lines = [b"%o %d:%d %d %d" % (info.st_mode, info.st_uid, info.st_gid, info.st_ctime_ns, info.st_ino)]
    for path, info in walk(root):
        lines.append(
            b"%o %d:%d %d %d %d %d %d %b"
            % (
                info.st_mode,
                info.st_uid,
                info.st_gid,
                info.st_size,
                info.st_mtime_ns,
                info.st_ctime_ns,
                info.st_ino,
                info.st_rdev,
                path[cut:].replace(b"\n", b"\\n"),
            )
        )
    return b"\n".join(lines)


def tree_seal(listing: bytes) -> str:
    """The seal of a listing."""
    return sha256(listing).hexdigest()


def tree_size(listing: bytes) -> int:
    """Bytes of the files in a listing, each counted once however many names it has."""
    sizes: dict[bytes, int] = {}
    for line in listing.split(b"\n")[1:]:
        parts = line.split(b" ", 6)
        if len(parts) == 7 and parts[0].startswith(b"100"):
            sizes[parts[5]] = int(parts[2])
    return sum(sizes.values())


def first_change(kept: Path, seal: str | None, listing: bytes) -> str:
    """What is changed since the listing in the file `kept` was sealed: the path of the first entry, or that file."""
    try:
        before = kept.read_bytes()
    except OSError:
        before = b""
    if tree_seal(before) != seal:
        return "and so was the list of what it held"
    return first_difference(before, listing)


def first_difference(before: bytes, after: bytes) -> str:
    """The path of the first entry in which two listings differ."""
    old, new = set(before.split(b"\n")), after.split(b"\n")
    present = set(new)
    changed = [line for line in new if line not in old] + [line for line in before.split(b"\n") if line not in present]
    # A file rather than its folder, which a file that was replaced changes too.
    first = min(changed, key=lambda line: line.startswith(b"4"), default=b"")
    parts = first.split(b" ", 7)
    return os.fsdecode(parts[7]) if len(parts) == 8 else "the folder itself"
