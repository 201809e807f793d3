"""Unpacking into a folder without ever leaving it.

Every parent folder is opened inside the root (`rooted`); the last component of a path is never followed. A folder
meets a folder; anything else in the way is replaced. The folder itself stays as it is, whatever the archive says of it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lading.store.archives.compression import Source
from lading.store.archives.layer_limits import Limits
from lading.store.archives.reader import Member, read_tar
from lading.store.archives.trees import OPAQUE_NAME, OVERLAY, Marks, kept
from lading.store.archives.whiteouts import METADATA, PREFIX, Whiteouts, is_whiteout
from lading.store.content.ownership import on_disk
from lading.store.errors import DocumentError, MachineError
from lading.store.fastclass import dataclass
from lading.store.system.disk_space import Room
from lading.store.system.removal import remove
from lading.store.system.rooted import FOLDER, RootedFolders

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES: Final = {"character": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}
_RANGES: Final = "a line of /etc/subuid and of /etc/subgid gives a user further users"
_MACHINES: Final = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EPERM, errno.EACCES, errno.EMFILE, errno.ENFILE),
    *(errno.EOPNOTSUPP, errno.ENOSYS),
)


@dataclass(frozen=True, slots=True)
class Extracted:
    """How much was unpacked: entries, and bytes of files."""

    entries: int
    size: int


def extract(
    source: Source,
    target: Path,
    where: str,
    *,
    owner: Callable[[int, int], tuple[int, int]] | None = None,
    limits: Limits | None = None,
) -> Extracted:
    """Unpacks an uncompressed archive below `target`, which exists, and reads `source` to its end.

    `owner` maps an archive's uid and gid to those given to what is unpacked. Raises `DocumentError`, leaving what
    was unpacked until then.
    """
    root = os.open(target, FOLDER)
    try:
        return _all(_Extraction(root, where, None, owner, limits or Limits()), source, where, limits)
    finally:
        os.close(root)


def extract_layer(
    source: Source,
    target: Path,
    where: str,
    *,
    below: Path | None = None,
    limits: Limits | None = None,
    marks: Marks = OVERLAY,
    alone: bool = False,
) -> Extracted:
    """As `extract`, of a layer into an empty folder: ``.wh.`` names remove what the view `below` shows, by `marks`.

    A layer `alone` keeps those that remove nothing there.
    """
    root = os.open(target, FOLDER)
    whiteouts = Whiteouts(root, below, where, marks, alone=alone)
    try:
        return _all(_Extraction(root, where, whiteouts, None, limits or Limits()), source, where, limits)
    finally:
        whiteouts.close()
        os.close(root)


def _all(work: _Extraction, source: Source, where: str, limits: Limits | None) -> Extracted:
    for member in read_tar(source, where, limits):
        work.apply(member)
    return work.finish()


class _Extraction:
    def __init__(
        self,
        root: int,
        where: str,
        whiteouts: Whiteouts | None,
        owner: Callable[[int, int], tuple[int, int]] | None,
        limits: Limits,
    ) -> None:
        self._where = where
        self._whiteouts = whiteouts
        self._owner = owner
        self._limits = limits
        self._folders = RootedFolders(root, where, whiteouts.adopt if whiteouts else None)
        self._mentioned: dict[bytes, Member] = {}
        self._holding: set[bytes] = set()  # folders that something was put into
        self._count = 0
        self._size = 0
        self._names = 0
        self._room = Room(root, where)
        self._latest = 0

    def apply(self, member: Member) -> None:
        """Puts one member in its place."""
        entry = member.entry
        self._count += 1
        self._size += entry.size
        self._latest = max(self._latest, member.mtime)
        self._folders.renew()  # only here: further down, descriptors are in use
        if self._owner is not None:
            entry.uid, entry.gid = self._owner(entry.uid, entry.gid)
        entry.uid, entry.gid = on_disk(entry.uid, entry.gid)
        if not entry.path:
            return
        folder, _, name = entry.path.rpartition(b"/")
        try:
            if self._whiteouts and name.startswith(PREFIX):
                self._whiteout(self._whiteouts, folder, name)
            else:
                self._place(member, self._folders.open(folder), name)
                self._remember(entry.path if entry.kind == "directory" else b"", folder)
        except OSError as error:
            raise self._trouble(error, entry.path) from error

    def _whiteout(self, whiteouts: Whiteouts, folder: bytes, name: bytes) -> None:
        if name.startswith(METADATA) and name != OPAQUE_NAME:
            return
        try:
            where = self._folders.open(folder)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                return  # below a name that this layer removes, or a link to itself
            raise
        whiteouts.apply(where, name)
        self._remember(folder + b"/" + name, folder)

    def _remember(self, path: bytes, folder: bytes) -> None:
        """Counts what is kept in memory: the names of folders and of what is removed."""
        self._names += len(path)
        while folder not in self._holding:
            self._holding.add(folder)
            self._names += len(folder)
            folder = folder.rpartition(b"/")[0]
        if self._names > self._limits.paths or len(self._holding) > self._limits.entries:
            raise DocumentError(f"{self._where}: more names than allowed")

    def _trouble(self, error: OSError, path: bytes) -> Exception:
        where = f"{self._where}: {os.fsdecode(path)!r}"
        if error.errno == errno.EPERM and os.geteuid() != 0:
            return MachineError(f"{where}: only root can give files the owners that an image says")
        if error.errno == errno.EINVAL and os.geteuid() == 0:
            return MachineError(f"{where}: has an owner that this user namespace does not know", hint=_RANGES)
        if error.errno in _MACHINES:
            return MachineError(f"{where}: cannot be unpacked: {error.strerror}")
        return DocumentError(f"{where}: cannot be unpacked: {error.strerror}")

    def finish(self) -> Extracted:
        """Gives folders their owners, modes and times, which unpacking into them would have changed.

        One that the archive does not mention gets the archive's latest time, so that unpacking twice gives the same.
        """
        try:
            if self._whiteouts:
                self._whiteouts.finish()
            for path in self._holding - self._mentioned.keys():
                self._finish_folder(path, None)
            for path in sorted(self._mentioned, reverse=True):
                self._finish_folder(path, self._mentioned[path])
        finally:
            self._folders.close()
        return Extracted(self._count, self._size)

    def _finish_folder(self, path: bytes, member: Member | None) -> None:
        self._folders.renew()
        try:
            self._dress_folder(path, member)
        except OSError as error:
            raise self._trouble(error, path) from error

    def _dress_folder(self, path: bytes, member: Member | None) -> None:
        try:
            folder = self._folders.open(path, make=False)
            if member is None:
                os.utime(folder, ns=(self._latest, self._latest))
                return
            if not stat.S_ISDIR(self._folders.lstat(path).st_mode):
                return  # a later entry replaced it by a link to a folder
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            if error.errno == errno.ELOOP:
                return  # replaced by a link to itself
            raise
        for key in os.listxattr(folder):
            if kept(key) and all(key != name for name, _ in member.entry.xattrs):
                os.removexattr(folder, key)  # of a folder that was there, or of one below
        self._dress(folder, member)

    def _dress(self, file: int, member: Member) -> None:
        entry = member.entry
        os.fchown(file, entry.uid, entry.gid)  # always: in a setgid folder a new file's group is the folder's
        os.fchmod(file, entry.mode)
        for key, value in entry.xattrs:
            if kept(key):
                os.setxattr(file, key, value)
        os.utime(file, ns=(member.mtime, member.mtime))

    def _place(self, member: Member, folder: int, name: bytes) -> None:
        entry = member.entry
        if entry.kind == "directory":
            self._make_folder(member, folder, name)
            return
        try:
            self._make(member, folder, name)
        except FileExistsError:
            self._remove(folder, name)
            self._make(member, folder, name)

    def _make_folder(self, member: Member, folder: int, name: bytes) -> None:
        path = member.entry.path
        try:
            os.mkdir(name, 0o700, dir_fd=folder)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                self._remove(folder, name)
                os.mkdir(name, 0o700, dir_fd=folder)
        self._mentioned[path] = member

    def _make(self, member: Member, folder: int, name: bytes) -> None:
        entry = member.entry
        if entry.kind == "file":
            self._write(member, folder, name)
        elif entry.kind == "hardlink":
            self._link(entry.target, folder, name)
            self._dress_again(member, folder, name)
        elif entry.kind == "symlink":
            os.symlink(entry.target, name, dir_fd=folder)
            self._dress_by_name(member, folder, name)
        else:
            device = os.makedev(*entry.device)
            if entry.kind == "character" and entry.device == (0, 0):
                raise DocumentError(f"{self._where}: {entry.path!r}: the device 0:0 means removal to overlayfs")
            os.mknod(name, _NODES[entry.kind] | 0o600, device, dir_fd=folder)
            self._dress_by_name(member, folder, name)
            os.chmod(name, entry.mode, dir_fd=folder)

    def _write(self, member: Member, folder: int, name: bytes) -> None:
        file = os.open(name, _CREATE, 0o600, dir_fd=folder)
        try:
            for piece in member.content():
                self._room.write(file, piece)
            os.ftruncate(file, member.entry.size)
            self._dress(file, member)
        finally:
            os.close(file)

    def _dress_by_name(self, member: Member, folder: int, name: bytes) -> None:
        entry = member.entry
        os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
        os.utime(name, ns=(member.mtime, member.mtime), dir_fd=folder, follow_symlinks=False)

    def _dress_again(self, member: Member, folder: int, name: bytes) -> None:
        """What a further name says of owner, mode and attributes holds for the file, as docker and podman have it."""
        entry = member.entry
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(found.st_mode) and entry.xattrs:
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                self._dress(file, member)
            finally:
                os.close(file)
            return
        if (found.st_uid, found.st_gid) != (entry.uid, entry.gid):
            os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
        elif stat.S_IMODE(found.st_mode) == entry.mode:
            return  # usually: a change of owner would take capabilities from the file
        if not stat.S_ISLNK(found.st_mode):
            os.chmod(name, entry.mode, dir_fd=folder)

    def _link(self, target: bytes, folder: int, name: bytes) -> None:
        where, _, base = target.rpartition(b"/")
        if not base:
            raise DocumentError(f"{self._where}: a hard link to {target!r}")
        source = self._folders.open(where, make=False)
        if is_whiteout(os.stat(base, dir_fd=source, follow_symlinks=False)):
            raise DocumentError(f"{self._where}: a hard link to {target!r}, which is removed")
        os.link(base, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)

    def _remove(self, folder: int, name: bytes) -> None:
        remove(folder, name)
        self._folders.removed()
