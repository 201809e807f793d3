"""Takes out of a step's changes what is as it was below.

An overlay's upper folder also holds what was merely touched: folders above a change, mount points made and
taken away, files written again as they were. None of that is a change of a tree without times, so a step that
only did that has no product.

What is below is what one sees there: nothing where a folder of this step hides it, nothing behind a link. Folders
above a change stay, as whoever unpacks a layer by itself has nowhere else to take their owner and mode from.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from lading.store.archives.trees import OVERLAY, Entry, Marks, Tree, kept
from lading.store.content.ownership import in_image
from lading.store.fastclass import dataclass, field

_KINDS: Final = {"directory": stat.S_IFDIR, "file": stat.S_IFREG, "symlink": stat.S_IFLNK}
_PIECE: Final = 1 << 20


def prune(tree: Tree, below: Path, marks: Marks = OVERLAY) -> Tree:
    """`tree`, an upper folder captured, without what is the same in `below`, the mounted view of what is under it.

    What is left out disappears from the folder too, so that the folder is what unpacking the layer gives.
    """
    for socket in tree.sockets:
        os.unlink(socket)
    for path, attribute in tree.empty:
        os.removexattr(path, attribute, follow_symlinks=False)
    under = _Below(os.fsencode(below))
    covered = _covered(tree, under, marks)
    needed = {entry.target for entry in tree.entries if entry.kind == "hardlink"}
    changed: list[Entry] = []
    # From the bottom of the listing up, so that a folder is known to be needed before it is looked at.
    for entry, status in reversed(covered):
        if entry.path in needed or not _same(tree.source(entry), under.path(entry), entry, status):
            changed.append(entry)
            needed.add(os.path.dirname(entry.path))
        else:
            (os.rmdir if entry.kind == "directory" else os.unlink)(tree.source(entry))
    return Tree(tree.folder, changed[::-1])


_Covered = list[tuple[Entry, os.stat_result | None]]


def _covered(tree: Tree, under: _Below, marks: Marks) -> _Covered:
    """Each entry, sorted, with the status of what it covers.

    What a folder hides is named one by one: a layer is what two trees differ in, not how one became the other.
    """
    found: _Covered = []
    hiding = set[bytes]()
    names = {entry.path for entry in tree.entries}
    for entry in tree.entries:
        status = under.status(entry)
        found.append((entry, status))
        if entry.kind != "directory" or not (entry.opaque or os.path.dirname(entry.path) in hiding):
            continue
        if entry.opaque:
            _unhide(tree.source(entry), marks)
            entry.opaque = False
        if _is_folder(status):
            hiding.add(entry.path)
            for path in under.names(entry) - names:
                os.mknod(os.path.join(tree.folder, path), marks.removal)
                gone = Entry(path, "whiteout")
                found.append((gone, under.status(gone)))
    return sorted(found, key=lambda row: row[0].path)


def _unhide(path: bytes, marks: Marks) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        marks.unhide(folder)
    finally:
        os.close(folder)


def root_changed(upper: Path) -> bool:
    """Whether a step changed the root folder's own owner, mode or attributes, which no layer holds."""
    info = upper.lstat()
    return (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) != (0o755, os.geteuid(), os.getegid()) or bool(
        _attributes(os.fsencode(upper))
    )


@dataclass(slots=True)
class _Below:
    """What shows through the folders of an upper folder: those in `open`, and no other."""

    root: bytes
    open: set[bytes] = field(default_factory=lambda: {b""})

    def path(self, entry: Entry) -> bytes:
        return os.path.join(self.root, entry.path)

    def status(self, entry: Entry) -> os.stat_result | None:
        """Of what `entry` covers; None where it covers nothing. Asked of a folder before its content."""
        if os.path.dirname(entry.path) not in self.open:
            return None
        try:
            found = os.lstat(self.path(entry))
        except FileNotFoundError:
            return None
        if entry.kind == "directory" and _is_folder(found):
            self.open.add(entry.path)
        return found

    def names(self, folder: Entry) -> set[bytes]:
        """The paths of what lies in a folder that is covered."""
        return {folder.path + b"/" + name for name in os.listdir(self.path(folder))}


def _is_folder(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISDIR(status.st_mode)


def _same(path: bytes, below: bytes, entry: Entry, old: os.stat_result | None) -> bool:
    if entry.kind == "whiteout" or old is None:
        return entry.kind == "whiteout" and old is None
    if entry.kind not in _KINDS:
        return False
    if (old.st_mode, *in_image(old)) != (_KINDS[entry.kind] | entry.mode, entry.uid, entry.gid):
        return False
    if entry.kind == "symlink":
        return os.readlink(below) == entry.target
    if entry.kind == "file" and (old.st_nlink != 1 or old.st_size != entry.size or not _equal(path, below)):
        return False
    return _attributes(below) == dict(entry.xattrs)


def _equal(path: bytes, below: bytes) -> bool:
    with open(path, "rb", buffering=0) as one, open(below, "rb", buffering=0) as other:
        while (piece := one.read(_PIECE)) == other.read(_PIECE):
            if not piece:
                return True
    return False


def _attributes(path: bytes) -> dict[str, bytes]:
    names = filter(kept, os.listxattr(path, follow_symlinks=False))
    return {name: value for name in names if (value := os.getxattr(path, name, follow_symlinks=False))}
