"""Small works on a container's root file system; no link in an image leads them out of it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.store.errors import InputError
from lading.store.system import syscalls

_MAX_LINKS: Final = 40


def open_in_root(root: int, path: str, flags: int) -> int:
    """Opens `path` as a process whose root is the folder `root` would (openat2(2), RESOLVE_IN_ROOT)."""
    return syscalls.openat2(root, os.fsencode(path), flags | os.O_CLOEXEC, syscalls.IN_ROOT)


def make_folder(rootfs: Path, path: str) -> None:
    """Makes a folder, its parents too, where the image has none. Raises `InputError` where something is in the way."""
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(open_in_root(root, path, os.O_PATH | os.O_DIRECTORY))
    except FileNotFoundError:
        MountPoints(rootfs).place(path, folder=True)
    except OSError as error:
        raise InputError(f"{path}: not a folder in the container: {error.strerror}") from error
    finally:
        os.close(root)


def settled(rootfs: Path, path: str, *, folder: bool) -> str:
    """Where a mount at `path` comes to lie: a place that exists then, with the links on the way to it followed.

    Runtimes give up at dangling ones. Raises `InputError` where it would lie over the root or the kernel's own files.
    """
    return allowed(path, MountPoints(rootfs).place(path, folder=folder))


def allowed(path: str, found: str) -> str:
    """Where a mount at `path` lies, `found` by following links. Raises `InputError` as `settled` does."""
    if found == "/" or (found + "/").startswith("/proc/"):
        leads = f", which leads to {found} in the image" if found != path else ""
        raise InputError(f"{path}{leads}: a mount there would hide the root or the kernel's own files")
    return found


def check_kernel_folders(rootfs: Path) -> None:
    """Raises `InputError` where an image would have the kernel's file systems mounted somewhere else, as runc does."""
    for path in ("/proc", "/sys"):
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.lstat(f"{rootfs}{path}").st_mode):
                raise InputError(f"{path} is not a folder in the image", hint="the kernel's files are mounted there")


class MountPoints:
    """Mount points made where a root file system lacks them, and taken away again."""

    def __init__(self, rootfs: Path) -> None:
        self._rootfs = rootfs
        self._made: list[tuple[str, int]] = []

    def place(self, path: str, *, folder: bool) -> str:
        """Makes what is missing of `path`; returns it with every link followed inside the root.

        Raises `InputError` where something that is no folder is in the way.
        """
        parts, done, links = list(filter(None, path.split("/"))), "", 0
        while parts:
            part = parts.pop(0)
            if part in (".", ".."):
                done = done if part == "." else done.rpartition("/")[0]
                continue
            here = f"{done}/{part}"
            mode = self._mode(here, folder=bool(parts) or folder)
            if stat.S_ISLNK(mode):
                links += 1
                if links > _MAX_LINKS:
                    raise InputError(f"{path}: too many links in the container")
                target = os.readlink(self._host(here))
                done = "" if target.startswith("/") else done
                parts = [*filter(None, target.split("/")), *parts]
            elif parts and not stat.S_ISDIR(mode):
                raise InputError(f"{path}: {here} is not a folder in the container")
            else:
                done = here
        return done or "/"

    def _host(self, path: str) -> str:
        """Links in all but the last part were followed already, so none is left to lead out."""
        return f"{self._rootfs}{path}"

    def _mode(self, path: str, *, folder: bool) -> int:
        host = self._host(path)
        try:
            return os.lstat(host).st_mode
        except FileNotFoundError:
            pass
        if folder:
            os.mkdir(host, 0o755)
        else:
            os.close(os.open(host, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))
        os.chmod(host, 0o755 if folder else 0o644, follow_symlinks=True)
        made = os.lstat(host)
        self._made.append((path, made.st_ino))
        return made.st_mode

    def made(self, path: str) -> bool:
        """Whether `place` made what is at `path`."""
        return any(path == made for made, _ in self._made)

    def remove(self) -> None:
        """Takes away what `place` made and nobody used since: empty files and empty folders."""
        for path, inode in reversed(self._made):
            host = self._host(path)
            with suppress(OSError):
                found = os.lstat(host)
                if found.st_ino != inode or os.path.realpath(os.path.dirname(host)) != os.path.dirname(host):
                    continue
                if stat.S_ISDIR(found.st_mode):
                    os.rmdir(host)
                elif found.st_size == 0:
                    os.unlink(host)
