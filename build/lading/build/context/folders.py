"""Folders as a COPY sees them: looked up below a root that no link leads out of.

Every component is opened without following links, so what a link points to is decided here (`follow`), inside
the root, and never by the kernel outside of it.
"""

from __future__ import annotations

import os
import posixpath
import stat
from pathlib import Path
from threading import RLock
from typing import Final, Protocol, Self

from lading.store.errors import InputError
from lading.store.fastclass import dataclass

_MAX_LINKS: Final = 255
_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One name in a view: `path` is relative to the root, "" the root itself; `target` is a link's."""

    path: str
    mode: int
    uid: int
    gid: int
    size: int
    inode: tuple[int, int]
    links: int
    changed: int
    device: int = 0
    target: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def permissions(self) -> int:
        """The mode without the type."""
        return stat.S_IMODE(self.mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.mode)


class FileView(Protocol):
    """Names below a root."""

    def item(self, path: str) -> FileInfo | None:
        """What is at `path`, links not followed; None where there is nothing, or nothing that may be seen."""
        ...

    def children(self, path: str) -> list[FileInfo]:
        """What is in the folder `path`, by name. Raises `InputError` where it cannot be read."""
        ...

    def open(self, item: FileInfo) -> int:
        """A descriptor for reading the regular file `item`. Raises `InputError` where it cannot be read."""
        ...

    def location(self, item: FileInfo) -> str:
        """A path for calls that take none relative to a folder (extended attributes)."""
        ...


class Folder:
    """A view of everything in a folder; a context manager that closes what it holds open. Safe to share by threads."""

    def __init__(self, root: Path, title: str = "") -> None:
        """`title` names the root in errors. Raises `InputError` where `root` is no folder."""
        self.root = root
        self.title = title or str(root)
        try:
            self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"{root}: {error.strerror}") from error
        self._last: tuple[str, int] = ("", self._root)
        self._lock = RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the descriptors held open."""
        if self._last[1] != self._root:
            os.close(self._last[1])
        os.close(self._root)

    def item(self, path: str) -> FileInfo | None:
        """As `FileView.item`."""
        parent, _, name = path.rpartition("/")
        try:
            with self._lock:
                folder = self._folder(parent)
                found = os.stat(name or ".", dir_fd=folder, follow_symlinks=False)
                return _item(path, found, folder)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unreadable(path, error) from error

    def children(self, path: str) -> list[FileInfo]:
        """As `FileView.children`."""
        prefix = f"{path}/" if path else ""
        try:
            descriptor = self.descriptor(path)
            try:
                with os.scandir(descriptor) as entries:
                    found = [
                        _item(prefix + entry.name, entry.stat(follow_symlinks=False), descriptor) for entry in entries
                    ]
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unreadable(path, error) from error
        found.sort(key=lambda item: os.fsencode(item.path))
        return found

    def descriptor(self, path: str) -> int:
        """A descriptor of the folder `path`, the caller's own. Raises `OSError`."""
        with self._lock:
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._folder(path))

    def open(self, item: FileInfo) -> int:
        """As `FileView.open`."""
        parent, _, name = item.path.rpartition("/")
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with self._lock:
                descriptor = os.open(name, flags, dir_fd=self._folder(parent))
        except OSError as error:
            raise self._unreadable(item.path, error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise InputError(f"{self._shown(item.path)}: changed while it was being copied")
        return descriptor

    def location(self, item: FileInfo) -> str:
        """As `FileView.location`."""
        return os.path.join(self.root, item.path)

    def _folder(self, path: str) -> int:
        """A descriptor of the folder `path`, ours until the next call; with the lock held."""
        held, descriptor = self._last
        if path == held:
            return descriptor
        current = self._root
        for part in path.split("/") if path else ():
            try:
                following = os.open(part, _FOLDER, dir_fd=current)
            finally:
                if current != self._root:
                    os.close(current)
            current = following
        if descriptor != self._root:
            os.close(descriptor)
        self._last = (path, current)
        return current

    def _shown(self, path: str) -> str:
        return os.path.join(self.title, path) if path else self.title

    def _unreadable(self, path: str, error: OSError) -> InputError:
        hint = None if self.title == "/" else "leave it out with a line in .dockerignore"
        return InputError(f"{self._shown(path)}: cannot be read: {error.strerror}", hint=hint)


def _item(path: str, found: os.stat_result, folder: int) -> FileInfo:
    target = ""
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(path.rpartition("/")[2], dir_fd=folder)
    return FileInfo(
        path,
        found.st_mode,
        found.st_uid,
        found.st_gid,
        found.st_size,
        (found.st_dev, found.st_ino),
        found.st_nlink,
        found.st_ctime_ns,
        found.st_rdev,
        target,
    )


def normalised(path: str) -> str:
    """An absolute path without ``.``, ``..`` and empty parts."""
    return "/" + posixpath.normpath("/" + path).lstrip("/")


def follow(view: FileView, path: str, *, last: bool = True) -> str:
    """Where `path` leads inside the root once every link is followed (`last`: the last part too).

    What does not exist stays as it is written; ``..`` at the root is the root. Raises `InputError` for a loop.
    """
    done: list[str] = []
    left = [part for part in path.split("/") if part not in ("", ".")][::-1]
    links = 0
    while left:
        part = left.pop()
        if part == "..":
            done = done[:-1]
            continue
        here = "/".join([*done, part])
        item = view.item(here) if left or last else None
        if item is None or not item.is_link:
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise InputError(f"/{path}: too many levels of symbolic links")
        if item.target.startswith("/"):
            done = []
        left += [part for part in item.target.split("/") if part not in ("", ".")][::-1]
    return "/".join(done)
