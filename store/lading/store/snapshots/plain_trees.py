"""Trees on a disk: one copied with all that a layer holds of it, and what was touched in a copy since."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from lading.store.archives.trees import PLAIN, walk
from lading.store.fastclass import dataclass, field

Copied = dict[bytes, tuple[int, int]]
"""By path what everything was when it had been copied: inode and change time."""
_CLONE: Final = 0x40049409
"""FICLONE of ioctl_ficlone(2): both files have the same blocks until one is written to."""
_PIECE: Final = 1 << 30
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def seen(info: os.stat_result) -> tuple[int, int]:
    """What changes with everything that is done to a file."""
    return info.st_ino, info.st_ctime_ns


def copied(folder: Path) -> Copied:
    """What everything below `folder` is now."""
    root = os.fsencode(folder)
    return {path[len(root) + 1 :]: seen(info) for path, info in walk(root)}


@dataclass(slots=True)
class TreeCopy:
    """Copies trees: content, types, owners, modes, attributes, times. With `links` names of one file stay that."""

    links: bool
    _clones: bool = True
    _first: dict[tuple[int, int], bytes] = field(default_factory=dict[tuple[int, int], bytes])

    def make(self, source: Path, target: Path) -> None:
        """Copies the folder `source` to `target`, which is not there yet. Raises `OSError`, leaving what it made."""
        above, below = os.fsencode(source), os.fsencode(target)
        os.mkdir(below, 0o700)
        folders = [(above, below, os.lstat(above))]
        for path, info in walk(above):
            place = below + path[len(above) :]
            if stat.S_ISDIR(info.st_mode):
                os.mkdir(place, 0o700)
                folders.append((path, place, info))
            else:
                self.put(path, place, info)
        for path, place, info in reversed(folders):  # last: what is put into a folder changes its time
            dress(path, place, info)

    def put(self, path: bytes, place: bytes, info: os.stat_result) -> None:
        """Copies what is no folder."""
        if self.links and info.st_nlink > 1:
            first = self._first.setdefault((info.st_dev, info.st_ino), place)
            if first != place:
                os.link(first, place, follow_symlinks=False)
                return
        if stat.S_ISREG(info.st_mode):
            self._fill(path, place, info.st_size)
        elif stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(path), place)
        else:
            os.mknod(place, stat.S_IFMT(info.st_mode) | 0o600, info.st_rdev)
        dress(path, place, info)

    def _fill(self, path: bytes, place: bytes, size: int) -> None:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            target = os.open(place, _NEW, 0o600)
            try:
                if not self._cloned(source, target):
                    while size and os.sendfile(target, source, None, _PIECE):
                        pass
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _cloned(self, source: int, target: int) -> bool:
        if self._clones:
            try:
                fcntl.ioctl(target, _CLONE, source)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise
                self._clones = False
        return self._clones


def dress(path: bytes, place: bytes, info: os.stat_result) -> None:
    """Gives `place` owner, mode, attributes and time of `path`, whose status is `info`."""
    os.chown(place, info.st_uid, info.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(info.st_mode):
        os.chmod(place, stat.S_IMODE(info.st_mode))
    for name in os.listxattr(path, follow_symlinks=False):
        if name == "security.capability" or name.startswith("user."):
            os.setxattr(place, name, os.getxattr(path, name, follow_symlinks=False), follow_symlinks=False)
    os.utime(place, ns=(info.st_atime_ns, info.st_mtime_ns), follow_symlinks=False)


class Touched:
    """Gives what was touched in `source` further names in the empty folder `target`, removals marked by `PLAIN`."""

    def __init__(self, source: Path, target: Path, known: Copied) -> None:
        self._source = os.fsencode(source)
        self._target = os.fsencode(target)
        self._known = known
        self._folders: dict[bytes, os.stat_result] = {b"": source.lstat()}
        self._made: dict[bytes, None] = {b"": None}

    def collect(self) -> None:
        """Does so. Sockets are passed over: what they cover shows through, as in a layer."""
        names = set[bytes]()
        for path, info in walk(self._source):
            name = path[len(self._source) + 1 :]
            names.add(name)
            touched = self._known.get(name) != seen(info)
            if stat.S_ISDIR(info.st_mode):
                self._folders[name] = info
                if touched:
                    self._make(name)
            elif touched and not stat.S_ISSOCK(info.st_mode):
                self._make(os.path.dirname(name))
                os.link(path, os.path.join(self._target, name), follow_symlinks=False)
        for name in sorted(self._known.keys() - names):
            if (folder := os.path.dirname(name)) in self._folders:
                self._make(folder)
                os.mknod(os.path.join(self._target, name), PLAIN.removal)
        for name in reversed(self._made):
            dress(os.path.join(self._source, name), os.path.join(self._target, name), self._folders[name])

    def _make(self, name: bytes) -> None:
        """A folder, with those above it."""
        missing: list[bytes] = []
        while name not in self._made:
            missing.append(name)
            name = os.path.dirname(name)
        for folder in reversed(missing):
            os.mkdir(os.path.join(self._target, folder), 0o700)
            self._made[folder] = None
