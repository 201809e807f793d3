"""Takes out of a step's changes what is as it was below.

An overlay's upper folder also holds what was merely touched: folders above a change, mount points made and
taken away, files written again as they were. None of that is a change of a tree without times, so a step that
only did that has no product.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.store.trees import Entry, Tree, kept

_KINDS: Final = {"directory": stat.S_IFDIR, "file": stat.S_IFREG, "symlink": stat.S_IFLNK}
_PIECE: Final = 1 << 20


def prune(tree: Tree, below: Path) -> Tree:
    """`tree`, an upper folder captured, without what is the same in `below`, the mounted view of what is under it.

    What is left out disappears from the folder too, but for folders that hold a change.
    """
    links = {entry.target for entry in tree.entries if entry.kind == "hardlink"}
    root = os.fsencode(below)
    changed: list[Entry] = []
    # From the bottom of the listing up, so that a folder is emptied before it is looked at.
    for entry in reversed(tree.entries):
        if entry.path in links or not _same(tree.source(entry), os.path.join(root, entry.path), entry):
            changed.append(entry)
            continue
        with suppress(OSError):
            (os.rmdir if entry.kind == "directory" else os.unlink)(tree.source(entry))
    return Tree(tree.folder, changed[::-1])


def _same(path: bytes, below: bytes, entry: Entry) -> bool:
    if entry.opaque or entry.kind not in _KINDS:
        return False
    try:
        old = os.lstat(below)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if (old.st_mode, old.st_uid, old.st_gid) != (_KINDS[entry.kind] | entry.mode, entry.uid, entry.gid):
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
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names if kept(name)}
