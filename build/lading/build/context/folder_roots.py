"""Roots of the trees of whole folders, remembered between builds by what the kernel says of everything in them.

An unchanged folder costs a look at each of its names and nothing else: no file is read, no listing made. What is
looked at is more than what counts (ignored files too), so a change may be seen where there is none; the tree is then
made anew, and is what it was.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import stat
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from typing import Final

from lading.store.fastclass import dataclass, field
from lading.store.index import Index
from lading.store.oci.digests import Digest

KIND: Final = "folder"
_MAX_DEPTH: Final = 200
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PLAIN: Final = frozenset((stat.S_IFREG, stat.S_IFLNK))
_KIND_BITS: Final = 0o170000
_Row = tuple[str, int, int, int, int, int, int, int]
_Tell = Callable[[bytes], None]


class UnusualError(Exception):
    """There is something in a folder that has to be looked at closely."""


@dataclass(frozen=True, slots=True)
class TreeRoots:
    """Of a folder's tree: by paths below it, and by paths in the context."""

    inner: Digest
    whole: Digest


@dataclass(slots=True)
class FolderStamp:
    """A folder as it is now; its roots where they are known. `settled` says that they may be kept by its `owner`."""

    owner: FolderRoots
    path: str
    key: str
    stamp: str
    settled: bool
    roots: TreeRoots | None = None

    def keep(self, roots: TreeRoots) -> None:
        """Takes note of what the roots are."""
        self.roots = roots
        self.owner.note(self)


@dataclass(slots=True)
class FolderRoots:
    """Those of one context, whose own path and rules are `name`; `left_out` is what it had to say something about."""

    index: Index
    name: str
    left_out: Mapping[str, str]
    _new: dict[str, FolderStamp] = field(default_factory=dict[str, FolderStamp])

    def of(self, path: str, stamp: str, *, settled: bool) -> FolderStamp:
        """The folder at `path`, whose content is as `stamp` says."""
        found = FolderStamp(
            self,
            path,
            hashlib.sha256(f"{self.name}\n{path}".encode("utf-8", "surrogateescape")).hexdigest(),
            stamp,
            settled,
        )
        raw = self.index.recall(KIND, found.key)
        with suppress(ValueError):
            held, inner, whole = json.loads(raw or b"[]")
            if held == stamp:
                found.roots = TreeRoots(Digest.parse(inner), Digest.parse(whole))
        return found

    def note(self, folder: FolderStamp) -> None:
        """Takes note of the roots of a folder, unless something in it has to be told by every build."""
        above = f"{folder.path}/" if folder.path else ""
        if folder.settled and not any(path.startswith(above) for path in self.left_out):
            self._new[folder.key] = folder

    def save(self) -> None:
        """Remembers what was noted."""
        for key, folder in self._new.items():
            if folder.roots is not None:
                value = [folder.stamp, str(folder.roots.inner), str(folder.roots.whole)]
                self.index.remember(KIND, key, json.dumps(value).encode())
        self._new = {}


@dataclass(slots=True)
class FolderWalk:
    """One look at everything below a folder; `stays_out` says of folders, by path, what is not entered.

    Raises `UnusualError` for what is no file, folder or link, and for what is `private`, by device and inode.
    """

    stays_out: Callable[[str], bool] | None
    private: Set[tuple[int, int]]
    latest: int = 0
    """The latest change of anything that was seen, in nanoseconds."""

    def stamp(self, descriptor: int, path: str) -> str:
        """A digest of what the kernel says of everything below `path`, open as `descriptor`."""
        told = hashlib.sha256()
        self._enter(descriptor, f"{path}/" if path else "", told.update, 0)
        return told.hexdigest()

    def _enter(self, descriptor: int, prefix: str, tell: _Tell, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise UnusualError
        own, rows = os.fstat(descriptor), _rows(descriptor)
        self.latest = max(self.latest, own.st_ctime_ns, *(row[1] for row in rows))
        place = [prefix, own.st_mode, own.st_ino, own.st_dev, own.st_ctime_ns, own.st_uid, own.st_gid]
        tell(marshal.dumps([*place, rows], 0))
        for row in rows:
            if row[2] & _KIND_BITS not in _PLAIN:
                self._below(descriptor, prefix, row, tell, depth)

    def _below(self, above: int, prefix: str, row: _Row, tell: _Tell, depth: int) -> None:
        name, _, mode, inode, device = row[:5]
        if not stat.S_ISDIR(mode) or (device, inode) in self.private:
            raise UnusualError
        if self.stays_out is not None and self.stays_out(prefix + name):
            return
        descriptor = os.open(name, _FOLDER, dir_fd=above)
        try:
            self._enter(descriptor, f"{prefix}{name}/", tell, depth + 1)
        finally:
            os.close(descriptor)


def _rows(folder: int) -> list[_Row]:
    """What the kernel says of each name in a folder, by name. Nothing is called but the kernel: there are many."""
    rows: list[_Row] = []
    with os.scandir(folder) as found:
        for entry in found:
            info = entry.stat(follow_symlinks=False)
            rows.append(
                (
                    entry.name,
                    info.st_ctime_ns,
                    info.st_mode,
                    info.st_ino,
                    info.st_dev,
                    info.st_size,
                    info.st_uid,
                    info.st_gid,
                )
            )
    rows.sort()
    return rows
