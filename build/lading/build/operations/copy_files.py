"""COPY and ADD: what was picked, put into a mounted root file system.

The rules are the reference's (tonistiigi/fsutil ``copy``): a folder's contents are copied, not the folder; a
file goes into a folder that exists or ends in a slash; links in the destination are followed inside the root;
what exists is replaced, but a folder never by a file nor a file by a folder; folders that exist keep their
metadata at the top and take the source's below it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.build.context.folders import FileInfo, FileView, Folder, follow, normalised
from lading.build.context.picked_files import CopySource, special
from lading.build.dockerfile.modes import FileMode
from lading.store.content.ownership import on_disk
from lading.store.errors import InputError
from lading.store.fastclass import dataclass, field

_CHUNK: Final = 1 << 20
_SETTLED: Final = 2 * 10**9
"""Nanoseconds after which a change shows in the time of a file, whatever its clock."""
_FOLDER_MODE: Final = 0o755
_KEPT_ATTRIBUTES: Final = ("security.capability",)


class CopyProblemError(InputError):
    """What was picked cannot be put where it should go."""


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How a copy is made: owner and mode instead of the source's own, and whether content is checked on the way.

    `attributes` says whether extended attributes come along, `links` whether hard links do, `whole` whether a folder
    that is not there yet is made as the source is.
    """

    owner: tuple[int, int] | None = None
    mode: FileMode | None = None
    attributes: bool = False
    links: bool = False
    whole: bool = False


@dataclass(slots=True)
class Copier:
    """Copies into the root file system mounted at `root`."""

    root: Path
    options: CopyOptions
    note: Callable[[os.stat_result, str], None] | None = None
    """Told of each file that was written, and of its SHA-256, where that is known."""
    _inodes: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])

    def copy(self, view: FileView, source: CopySource, destination: str) -> None:
        """Puts `source` to `destination`, absolute in the root, as the module says. Raises `CopyProblemError`."""
        self._inodes = {}
        folder = destination if destination.endswith("/") else destination.rpartition("/")[0]
        self.make_folders(folder)
        target = self.inside(normalised(destination))
        there = _status(target)
        if not source.item.is_folder and there and stat.S_ISDIR(there.st_mode) and source.name:
            target = os.path.join(target, source.name)
        elif source.item.is_folder and there is None and not self.options.whole:
            self._make(target)
        self._make(os.path.dirname(target) if target != str(self.root) else target)
        try:
            self._copy(view, source, target, top=True)
        except OSError as error:
            raise CopyProblemError(f"{self.shown(target)}: {error.strerror}") from error

    def write(self, name: str, content: bytes, destination: str) -> None:
        """Puts a file of `content`, mode 0644 and owned by root unless the manner says otherwise."""
        folder = destination if destination.endswith("/") else destination.rpartition("/")[0]
        self.make_folders(folder)
        target = self.inside(normalised(destination))
        there = _status(target)
        if there and stat.S_ISDIR(there.st_mode):
            target = os.path.join(target, name)
        self._make(os.path.dirname(target))
        self._clear(target)
        with open(target, "xb") as stream:
            stream.write(content)
        os.chown(target, *on_disk(*(self.options.owner or (0, 0))))
        os.chmod(target, self._mode(0o644))

    def inside(self, path: str) -> str:
        """Where `path`, absolute in the root, is on this machine, links followed inside the root."""
        with Folder(self.root, "/") as view:
            return os.path.join(self.root, follow(view, path)).rstrip("/")

    def make_folders(self, path: str) -> None:
        """Makes the folder `path`, absolute in the root, and what is missing above it."""
        try:
            self._make(self.inside(path))
        except OSError as error:
            raise CopyProblemError(f"{path}: {error.strerror}") from error

    def shown(self, path: str) -> str:
        """`path` of this machine as the root file system names it."""
        return "/" + os.path.relpath(path, self.root).removeprefix(".")

    def _make(self, path: str) -> None:
        missing: list[str] = []
        while (there := _status(path)) is None:
            missing.append(path)
            path = os.path.dirname(path)
        if not stat.S_ISDIR(there.st_mode):
            raise CopyProblemError(f"{self.shown(path)}: is not a folder")
        octal = self.options.mode.octal if self.options.mode else None
        mode = _FOLDER_MODE if octal is None else octal & 0o777  # none but the copied have more
        for folder in reversed(missing):
            os.mkdir(folder)
            os.chown(folder, *on_disk(*(self.options.owner or (0, 0))))
            os.chmod(folder, mode)

    def _copy(self, view: FileView, source: CopySource, target: str, *, top: bool) -> None:
        if source.item.is_folder:
            self._folder(view, source, target, top=top)
            return
        if source.item.is_file:
            if self.options.links and source.item.links > 1:
                self._clear(target)
                if self._linked(source.item, target):
                    return
            self._file(view, source, target)
            return
        self._clear(target)
        if source.item.is_link:
            os.symlink(source.item.target, target)
        else:
            self._special(source.item, target)
        self._describe(view, source.item, target)

    def _folder(self, view: FileView, source: CopySource, target: str, *, top: bool) -> None:
        there = _status(target, last=False)
        if there is None:
            os.mkdir(target)
        elif not stat.S_ISDIR(there.st_mode):
            raise CopyProblemError(f"{self.shown(target)}: cannot copy a folder to what is none")
        if source.implied and there:
            os.chmod(target, source.item.permissions)
        elif there is None or not top:
            self._describe(view, source.item, target)
        for child in source.children:
            self._copy(view, child, os.path.join(target, child.name), top=False)

    def _clear(self, target: str) -> None:
        there = _status(target, last=False)
        if there is None:
            return
        if stat.S_ISDIR(there.st_mode):
            raise CopyProblemError(f"{self.shown(target)}: cannot replace a folder with a file")
        os.unlink(target)

    def _linked(self, item: FileInfo, target: str) -> bool:
        first = self._inodes.setdefault(item.inode, target)
        if first == target or not os.path.lexists(first):
            return False
        os.link(first, target, follow_symlinks=False)
        return True

    def _file(self, view: FileView, source: CopySource, target: str) -> None:
        descriptor = view.open(source.item)
        try:
            out = self._created(target)
            try:
                if not _carry(descriptor, out, source):
                    raise InputError(f"{source.item.path}: changed while it was being copied")
                os.fchown(out, *on_disk(*(self.options.owner or (source.item.uid, source.item.gid))))
                os.fchmod(out, self._mode(source.item.permissions))
                if self.note and source.digest:
                    self.note(os.fstat(out), source.digest)
            finally:
                os.close(out)
        finally:
            os.close(descriptor)
        if self.options.attributes:
            _attributes(view.location(source.item), target)

    def _created(self, target: str) -> int:
        """A new file, in the place of what was there."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with suppress(FileExistsError):
            return os.open(target, flags, 0o600)
        self._clear(target)
        return os.open(target, flags, 0o600)

    def _special(self, item: FileInfo, target: str) -> None:
        try:
            os.mknod(target, item.mode, item.device)
        except PermissionError as error:
            raise CopyProblemError(f"/{item.path}: {special(item)} cannot be copied: {error.strerror}") from error

    def _mode(self, permissions: int, *, folder: bool = False) -> int:
        return self.options.mode.of(permissions, folder=folder) if self.options.mode else permissions

    def _describe(self, view: FileView, item: FileInfo, target: str) -> None:
        owner = self.options.owner or (item.uid, item.gid)
        os.chown(target, *on_disk(*owner), follow_symlinks=False)
        if not item.is_link:
            os.chmod(target, self._mode(item.permissions, folder=item.is_folder))
        if self.options.attributes:
            _attributes(view.location(item), target)


def _status(path: str, *, last: bool = True) -> os.stat_result | None:
    try:
        return os.stat(path, follow_symlinks=last)
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise CopyProblemError(f"{os.path.basename(path)}: a part of its path is not a folder") from error


def _carry(descriptor: int, out: int, source: CopySource) -> bool:
    """Copies a file; whether it is what it should be.

    Where a file did not change for a while before it was copied, nor since its digest was taken, the kernel says so.
    """
    item = source.item
    if not source.digest:
        _send(descriptor, out)
        return True
    if item.changed and item.changed + _SETTLED < time.time_ns():
        _send(descriptor, out)
        found = os.fstat(descriptor)
        return ((found.st_dev, found.st_ino), found.st_ctime_ns, found.st_size) == (item.inode, item.changed, item.size)
    digest = hashlib.sha256()
    while chunk := os.read(descriptor, _CHUNK):
        digest.update(chunk)
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(out, rest) :]
    return digest.hexdigest() == source.digest


def _send(source: int, target: int) -> None:
    while os.sendfile(target, source, None, 1 << 30):
        pass


def _attributes(source: str, target: str) -> None:
    for name in os.listxattr(source, follow_symlinks=False):
        if name in _KEPT_ATTRIBUTES or (name.startswith("user.") and not name.startswith("user.overlay.")):
            os.setxattr(target, name, os.getxattr(source, name, follow_symlinks=False), follow_symlinks=False)
