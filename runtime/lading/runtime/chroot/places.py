"""What a step has mounted, where nothing can be mounted: put into its root file system, and taken out again.

What was at a place is moved aside, next to the root file system, and moved back at the end, whatever the step did
there meanwhile. The folders around the places are held open from the beginning, so that nothing that a step leaves in
its tree leads us out of it. Only what is put back, and what the step wrote elsewhere, is there when its layer is made.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from lading.runtime.lifecycle.step_mounts import SandboxMount
from lading.runtime.spec.rootfs import MountPoints, allowed
from lading.store.errors import InputError
from lading.store.snapshots.plain_trees import TreeCopy
from lading.store.system.removal import remove, remove_tree

_STICKY: Final = 0o1777
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class StepPlaces(ExitStack):
    """The places of one step in `rootfs`; leaving it takes out what was put in, the last first."""

    def __init__(self, rootfs: Path, aside: Path) -> None:
        super().__init__()
        self._rootfs = rootfs
        self._aside = aside
        self._count = 0
        self.secrets: list[tuple[int, str]] = []
        """Open folders and names of the files in them that no disk should keep."""
        aside.mkdir(mode=0o700)
        self.callback(remove_tree, aside)

    def put(self, item: SandboxMount) -> None:
        """Puts what is asked for in its place. Raises `InputError` where that cannot be."""
        if item.kind == "tmpfs":
            self._tmpfs(item.target)
        elif item.kind == "file":
            folder, name = self.file(item.target, item.content, item.uid, item.gid, item.mode)
            self.secrets.append((folder, name))
            content = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            self.callback(_emptied_file, content)
        elif item.kind == "agent":
            from lading.runtime.lifecycle.ssh_relay import lent_agent  # noqa: PLC0415 - few steps ask for one

            place = _path(*self._cleared(item.target, folder=False))
            self.enter_context(lent_agent(place, item.answer or item.source, item.uid, item.gid, item.mode))
        else:
            self._bind(item)

    def folder(self, target: str, mode: int = 0o755) -> Path:
        """An empty folder in the place of what is there, be it the kernel's own."""
        folder, name = self._cleared(target, folder=True, check=False)
        os.mkdir(name, 0o700, dir_fd=folder)
        os.chmod(name, mode, dir_fd=folder)
        return _path(folder, name)

    def file(self, target: str, content: bytes, uid: int = 0, gid: int = 0, mode: int = 0o644) -> tuple[int, str]:
        """A file in the place of what is there: an open folder, and the name in it."""
        folder, name = self._cleared(target, folder=False)
        with open(
            os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder), "wb"
        ) as out:
            out.write(content)
        os.chown(name, uid, gid, dir_fd=folder)
        os.chmod(name, mode, dir_fd=folder)
        return folder, name

    def _tmpfs(self, target: str) -> None:
        allowed(target, target)
        mode = _STICKY
        with suppress(OSError):
            mode = stat.S_IMODE(os.lstat(f"{self._rootfs}{target}").st_mode)
        self.folder(target, mode)

    def _bind(self, item: SandboxMount) -> None:
        try:
            info = os.stat(item.source)
        except FileNotFoundError:
            raise InputError(f"{item.target}: what is to be mounted there does not exist") from None
        is_folder = stat.S_ISDIR(info.st_mode)
        folder, name = self._cleared(item.target, folder=is_folder)
        place = _path(folder, name)
        if not item.readonly and is_folder:
            self._moved(Path(item.source), place, info)
        elif is_folder:
            TreeCopy(links=True).make(Path(item.source), place)
        else:
            TreeCopy(links=False).put(os.fsencode(item.source), os.fsencode(place), info)

    def _moved(self, source: Path, place: Path, info: os.stat_result) -> None:
        """A folder that is written to is there itself; it goes back, or what a step made of it does."""
        try:
            os.rename(source, place)
        except OSError:  # another file system, or a mount
            TreeCopy(links=True).make(source, place)
            self.callback(_copy_back, place, source)
            return
        self.callback(_move_back, place, source, info)

    def _cleared(self, target: str, *, folder: bool, check: bool = True) -> tuple[int, str]:
        """The open folder around `target`, links followed, and the name in it, where nothing is now."""
        points = MountPoints(self._rootfs)
        self.callback(points.remove)
        place = points.place(target, folder=folder)
        around, _, name = (allowed(target, place) if check else place).rpartition("/")
        opened = os.open(f"{self._rootfs}{around}", _FOLDER)
        self.callback(os.close, opened)
        if points.made(place):
            remove(opened, os.fsencode(name))
            self.callback(remove, opened, os.fsencode(name))
            return opened, name
        self._count += 1
        kept = self._aside / str(self._count)
        _move(_path(opened, name), kept)
        self.callback(_restore, opened, name, kept)
        return opened, name


def _path(folder: int, name: str) -> Path:
    return Path(f"/proc/self/fd/{folder}", name)


def _move(source: Path, target: Path) -> None:
    try:
        os.rename(source, target)
    except OSError:  # another file system: a root file system that is mounted
        info = source.lstat()
        if stat.S_ISDIR(info.st_mode):
            TreeCopy(links=True).make(source, target)
        else:
            TreeCopy(links=False).put(os.fsencode(source), os.fsencode(target), info)
        remove_tree(source)


def _restore(folder: int, name: str, kept: Path) -> None:
    """What a step left at a place goes, and what was there before comes back, where its folder is still there."""
    remove(folder, os.fsencode(name))
    with suppress(FileNotFoundError):
        _move(kept, _path(folder, name))


def _move_back(place: Path, source: Path, info: os.stat_result) -> None:
    with suppress(FileNotFoundError):
        found = place.lstat()  # the number of a removed folder may be a link's now
        if stat.S_ISDIR(found.st_mode) and (found.st_dev, found.st_ino) == (info.st_dev, info.st_ino):
            os.rename(place, source)
            return
    _emptied(source, info)


def _copy_back(place: Path, source: Path) -> None:
    info = source.lstat()
    for name in os.listdir(source):
        remove_tree(source / name)
    if place.is_dir() and not place.is_symlink():
        for name in os.listdir(place):
            _move(place / name, source / name)
    os.chown(source, info.st_uid, info.st_gid)


def _emptied_file(content: int) -> None:
    """So that no other name that a step gave it keeps anything."""
    os.ftruncate(content, 0)
    os.close(content)


def _emptied(folder: Path, info: os.stat_result) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, info.st_uid, info.st_gid)
    folder.chmod(stat.S_IMODE(info.st_mode))
