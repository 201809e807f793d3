"""Unpacking into a folder without ever leaving it.

Every parent folder is opened by `openat2` with RESOLVE_IN_ROOT: a symlink in the way, of this archive or of a
layer below, is followed inside the root and cannot lead out of it, whoever changes what meanwhile. The last
component is never followed. A folder meets a folder; anything else that is in the way is replaced.

With whiteouts, a layer is applied to the *mounted* view of what is below it, so that removing is what it says,
and the snapshot's own folder ends up with what overlayfs makes of that.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lading.store.archives.compression import Source
from lading.store.archives.reader import Limits, Member, read_tar
from lading.store.errors import DocumentError, MachineError
from lading.store.kernel import IN_ROOT, openat2
from lading.store.removal import remove
from lading.store.trees import kept

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES: Final = {"character": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO}
_WHITEOUT: Final = b".wh."
_OPAQUE: Final = b".wh..wh..opq"
_MAX_OPEN: Final = 256
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
    what: str,
    *,
    whiteouts: bool = False,
    owner: Callable[[int, int], tuple[int, int]] | None = None,
    limits: Limits | None = None,
) -> Extracted:
    """Unpacks an uncompressed archive below `target`, which exists, and reads `source` to its end.

    With `whiteouts`, ``.wh.`` names remove what is there. `owner` maps an archive's uid and gid to those given to
    what is unpacked. Raises `DocumentError`, leaving what was unpacked until then.
    """
    root = os.open(target, _FOLDER)
    try:
        work = _Extraction(root, what, whiteouts, owner, limits or Limits())
        for member in read_tar(source, what, limits):
            work.apply(member)
        return work.finish()
    finally:
        os.close(root)


class _Extraction:
    def __init__(
        self,
        root: int,
        what: str,
        whiteouts: bool,
        owner: Callable[[int, int], tuple[int, int]] | None,
        limits: Limits,
    ) -> None:
        self._root = root
        self._what = what
        self._whiteouts = whiteouts
        self._owner = owner
        self._limits = limits
        self._me = (os.geteuid(), os.getegid())
        self._open: dict[bytes, int] = {}
        self._folders: dict[bytes, Member] = {}
        self._made: set[bytes] = set()
        self._holding: set[bytes] = set()  # folders that something made here is below
        self._touched: set[bytes] = set()  # folders that something was taken out of
        self._stale = False
        self._count = 0
        self._size = 0
        self._names = 0
        self._latest = 0

    def apply(self, member: Member) -> None:
        """Puts one member in its place."""
        entry = member.entry
        self._count += 1
        self._size += entry.size
        self._latest = max(self._latest, member.mtime)
        if self._stale or len(self._open) >= _MAX_OPEN:
            self._close()  # only here: further down, descriptors are in use
        if self._owner is not None:
            entry.uid, entry.gid = self._owner(entry.uid, entry.gid)
        if not entry.path:
            if entry.kind == "directory":
                self._folders[b""] = member
            return
        folder, _, name = entry.path.rpartition(b"/")
        if self._whiteouts and _WHITEOUT in folder and b"/" + _WHITEOUT in b"/" + folder:
            raise DocumentError(f"{self._what}: {os.fsdecode(entry.path)!r}: below a name that removes something")
        try:
            if self._whiteouts and name.startswith(_WHITEOUT):
                self._touched.add(folder)
                self._whiteout(folder, name)
            else:
                self._place(member, self._folder(folder), name)
                self._remember(entry.path, folder)
        except OSError as error:
            raise self._trouble(error, entry.path) from error

    def _remember(self, path: bytes, folder: bytes) -> None:
        if self._whiteouts:
            self._made.add(path)
        self._names += len(path)
        while folder not in self._holding:
            self._holding.add(folder)
            self._names += len(folder)
            folder = folder.rpartition(b"/")[0]
        if self._names > self._limits.paths or len(self._holding) > self._limits.entries:
            raise DocumentError(f"{self._what}: more names than allowed")

    def _trouble(self, error: OSError, path: bytes) -> Exception:
        where = f"{self._what}: {os.fsdecode(path)!r}"
        if error.errno in _MACHINES:
            return MachineError(f"{where}: cannot be unpacked: {error.strerror}")
        return DocumentError(f"{where}: cannot be unpacked: {error.strerror}")

    def finish(self) -> Extracted:
        """Gives folders their owners, modes and times, which unpacking into them would have changed.

        One that the archive does not mention gets the archive's latest time, so that unpacking twice gives the same.
        """
        try:
            for path in (self._touched | self._holding) - self._folders.keys():
                self._finish_folder(path, None)
            for path in sorted(self._folders, reverse=True):
                self._finish_folder(path, self._folders[path])
        finally:
            self._close()
        return Extracted(self._count, self._size)

    def _finish_folder(self, path: bytes, member: Member | None) -> None:
        if len(self._open) >= _MAX_OPEN:
            self._close()
        try:
            self._dress_folder(path, member)
        except OSError as error:
            raise self._trouble(error, path) from error

    def _dress_folder(self, path: bytes, member: Member | None) -> None:
        try:
            folder = self._folder(path, make=False)
            if member is None:
                os.utime(folder, ns=(self._latest, self._latest))
                return
            if path and not stat.S_ISDIR(self._lstat(path).st_mode):
                return  # a later entry replaced it by a link to a folder
        except (FileNotFoundError, NotADirectoryError):
            return
        for key in os.listxattr(folder):
            if kept(key) and all(key != name for name, _ in member.entry.xattrs):
                os.removexattr(folder, key)  # of the folder of a layer below
        self._dress(folder, member)

    def _lstat(self, path: bytes) -> os.stat_result:
        folder, _, name = path.rpartition(b"/")
        return os.stat(name, dir_fd=self._folder(folder, make=False), follow_symlinks=False)

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
        self._folders[path] = member

    def _make(self, member: Member, folder: int, name: bytes) -> None:
        entry = member.entry
        if entry.kind == "file":
            self._write(member, folder, name)
        elif entry.kind == "hardlink":
            self._link(entry.target, folder, name)
        elif entry.kind == "symlink":
            os.symlink(entry.target, name, dir_fd=folder)
            self._dress_by_name(member, folder, name)
        else:
            device = os.makedev(*entry.device)
            if entry.kind == "character" and entry.device == (0, 0):
                raise DocumentError(f"{self._what}: {entry.path!r}: the device 0:0 means removal to overlayfs")
            os.mknod(name, _NODES[entry.kind] | 0o600, device, dir_fd=folder)
            self._dress_by_name(member, folder, name)
            os.chmod(name, entry.mode, dir_fd=folder)

    def _write(self, member: Member, folder: int, name: bytes) -> None:
        file = os.open(name, _CREATE, 0o600, dir_fd=folder)
        try:
            for piece in member.content():
                view = memoryview(piece)
                while view:
                    view = view[os.write(file, view) :]
            self._dress(file, member)
        finally:
            os.close(file)

    def _dress_by_name(self, member: Member, folder: int, name: bytes) -> None:
        entry = member.entry
        os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
        os.utime(name, ns=(member.mtime, member.mtime), dir_fd=folder, follow_symlinks=False)

    def _link(self, target: bytes, folder: int, name: bytes) -> None:
        where, _, base = target.rpartition(b"/")
        if not base:
            raise DocumentError(f"{self._what}: a hard link to {target!r}")
        os.link(base, name, src_dir_fd=self._folder(where, make=False), dst_dir_fd=folder, follow_symlinks=False)

    # Folders

    def _folder(self, path: bytes, *, make: bool = True) -> int:
        """A descriptor of a folder inside the root, made where it is missing."""
        if not path:
            return self._root
        found = self._open.get(path)
        if found is None:
            try:
                found = openat2(self._root, path, _FOLDER, IN_ROOT)
            except FileNotFoundError:
                if not make:
                    raise
                above, _, name = path.rpartition(b"/")
                try:
                    os.mkdir(name, 0o700, dir_fd=self._folder(above))
                except FileExistsError:
                    raise DocumentError(
                        f"{self._what}: {os.fsdecode(path)!r} is a link to something that is not there"
                    ) from None
                found = openat2(self._root, path, _FOLDER, IN_ROOT)
                os.fchown(found, *self._me)
                os.fchmod(found, 0o755)  # whatever the umask and the folder above
            self._open[path] = found
        return found

    def _close(self) -> None:
        for file in self._open.values():
            os.close(file)
        self._open.clear()
        self._stale = False

    # Removal

    def _whiteout(self, folder: bytes, name: bytes) -> None:
        try:
            where = self._folder(folder, make=False)
        except (FileNotFoundError, NotADirectoryError):
            return  # nothing is below, so there is nothing to remove
        if name == _OPAQUE:
            for child in os.listdir(where):
                self._remove_older(where, folder, os.fsencode(child))
            return
        hidden = name.removeprefix(_WHITEOUT)
        if hidden in (b"", b".", b"..") or hidden.startswith(_WHITEOUT):
            raise DocumentError(f"{self._what}: {os.fsdecode(folder + b'/' + name)!r}: not a name that can be removed")
        self._remove_older(where, folder, hidden)

    def _remove_older(self, where: int, folder: bytes, name: bytes) -> None:
        """Removes what layers below put there; what this layer itself brought stays."""
        pending = [folder + b"/" + name if folder else name]
        if self._is_older(pending[0]):
            self._remove(where, name)
            return
        while pending:
            path = pending.pop()
            try:
                inside = openat2(self._root, path, _FOLDER | os.O_NOFOLLOW, IN_ROOT)
            except OSError:
                continue
            try:
                for child in map(os.fsencode, os.listdir(inside)):
                    if self._is_older(path + b"/" + child):
                        self._remove(inside, child)
                    else:
                        pending.append(path + b"/" + child)
            finally:
                os.close(inside)

    def _is_older(self, path: bytes) -> bool:
        return path not in self._made and path not in self._holding

    def _remove(self, folder: int, name: bytes) -> None:
        remove(folder, name)
        self._stale = True  # a folder that went must not be reached by a descriptor opened before
