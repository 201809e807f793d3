"""Layers merged into one plain folder, as overlayfs shows them when they are stacked, without a mount.

Each layer is unpacked by itself, as for a snapshot, and then moved over what the layers below it made: a removal
removes, a folder meets a folder, anything else takes the place of what was there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lading.store.archives.layer_limits import DEFAULT, Limits
from lading.store.archives.layers import apply_layer
from lading.store.archives.trees import OVERLAY, PLAIN, kept
from lading.store.archives.whiteouts import is_whiteout
from lading.store.content.blobs import Blobs
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.progress import QUIET, Progress
from lading.store.system.removal import remove, remove_tree
from lading.store.system.syscalls import BENEATH, NO_SYMLINKS, openat2

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack_merged(
    blobs: Blobs,
    layers: Sequence[tuple[Descriptor, Digest]],
    target: Path,
    limits: Limits = DEFAULT,
    progress: Progress = QUIET,
) -> None:
    """Unpacks `layers` with their diff IDs, bottom up, into `target`, an empty folder; needs root's rights.

    Raises `DocumentError`, `OSError`, leaving what was unpacked until then.
    """
    upper = target.with_name(f"{target.name}.layer")
    for layer, diff_id in layers:
        upper.mkdir(0o755)
        try:
            apply_layer(blobs, layer, diff_id, upper, below=target, limits=limits, progress=progress, marks=PLAIN)
            merge(upper, target)
        finally:
            remove_tree(upper)


def merge(upper: Path, target: Path) -> None:
    """Moves an unpacked layer over a tree on the same file system. Nobody else changes either meanwhile."""
    with _opened(upper) as above, _opened(target) as below:
        waiting, dressed = [b"."], list[tuple[bytes, os.stat_result]]()
        while waiting:
            path = waiting.pop()
            with _at(above, path) as source, _at(below, path) as place:
                if path != b".":
                    dressed.append((path, _dress(source, place)))
                waiting += [
                    path + b"/" + name for name in map(os.fsencode, os.listdir(source)) if _move(source, place, name)
                ]
        for path, info in dressed:  # last, since moving something into a folder changes its time
            with _at(below, path) as place:
                os.utime(place, ns=(info.st_mtime_ns, info.st_mtime_ns))


def _move(source: int, place: int, name: bytes) -> bool:
    """Brings one name over; whether it is a folder on a folder, whose names are to be brought over one by one."""
    info = os.stat(name, dir_fd=source, follow_symlinks=False)
    if is_whiteout(info):
        remove(place, name)
        return False
    if stat.S_ISDIR(info.st_mode) and not _hides(source, name) and _is_folder(place, name):
        return True
    remove(place, name)
    os.rename(name, name, src_dir_fd=source, dst_dir_fd=place)
    return False


def _hides(source: int, name: bytes) -> bool:
    """Whether a folder of the layer hides all that is below it; the mark is taken off."""
    with _at(source, name) as folder:
        for marks in (PLAIN, OVERLAY):
            if marks.hides(folder):
                marks.unhide(folder)
                return True
    return False


def _is_folder(place: int, name: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=place, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _dress(source: int, place: int) -> os.stat_result:
    """Gives a folder what the layer says of it, but for its time, which is returned."""
    info = os.fstat(source)
    os.fchown(place, info.st_uid, info.st_gid)
    os.fchmod(place, stat.S_IMODE(info.st_mode))
    for key in filter(kept, os.listxattr(place)):
        os.removexattr(place, key)
    for key in filter(kept, os.listxattr(source)):
        os.setxattr(place, key, os.getxattr(source, key))
    return info


@contextmanager
def _opened(folder: Path) -> Generator[int, None, None]:
    file = os.open(folder, _FOLDER)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _at(folder: int, path: bytes) -> Generator[int, None, None]:
    file = openat2(folder, path, _FOLDER, BENEATH | NO_SYMLINKS)
    try:
        yield file
    finally:
        os.close(file)
