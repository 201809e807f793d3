"""Removing folders that nobody vouches for, however deep: whoever runs in a container chooses the depth.

One descriptor is open at a time and nothing recurses; the way back up is held to the folder it came from.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import Final

from lading.store.fastclass import dataclass

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _Level:
    """A folder on the way down: its name in its parent, which one it is, and what is left in it."""

    name: bytes
    identity: tuple[int, int]
    left: list[bytes]


def remove_tree(path: os.PathLike[str]) -> None:
    """Removes `path` with everything below it; what is gone already is fine. Raises `OSError`."""
    parent, name = os.path.split(os.fsencode(path))
    try:
        folder = os.open(parent or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        remove(folder, name)
    finally:
        os.close(folder)


def remove(folder: int, name: bytes) -> None:
    """Removes one entry of an open folder with everything below it, following nothing; a missing one is fine."""
    if _unlink(folder, name):
        return
    try:
        here = os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        levels = [_level(here, name)]
        while True:
            if levels[-1].left:
                here = _down(here, levels)
            elif len(levels) > 1:
                here = _up(here, levels)
            else:
                break
    finally:
        os.close(here)
    with suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=folder)


def _down(here: int, levels: list[_Level]) -> int:
    """Removes the next file, or goes into the next folder."""
    child = levels[-1].left.pop()
    if _unlink(here, child):
        return here
    try:
        inside = os.open(child, _FOLDER, dir_fd=here)
    except FileNotFoundError:
        return here
    levels.append(_level(inside, child))
    os.close(here)
    return inside


def _up(here: int, levels: list[_Level]) -> int:
    """Leaves a folder that is empty now, and removes it."""
    done = levels.pop()
    parent = os.open(b"..", _FOLDER, dir_fd=here)
    try:
        if _identity(parent) != levels[-1].identity:
            raise OSError(errno.ESTALE, "was moved while it was being removed", os.fsdecode(done.name))
        with suppress(FileNotFoundError):
            os.rmdir(done.name, dir_fd=parent)
    except BaseException:
        os.close(parent)
        raise
    os.close(here)
    return parent


def _level(folder: int, name: bytes) -> _Level:
    return _Level(name, _identity(folder), [os.fsencode(child) for child in os.listdir(folder)])


def _identity(folder: int) -> tuple[int, int]:
    info = os.fstat(folder)
    return info.st_dev, info.st_ino


def _unlink(folder: int, name: bytes) -> bool:
    """False where it is a folder."""
    with suppress(FileNotFoundError):
        try:
            os.unlink(name, dir_fd=folder)
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
            if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                raise
            return False
    return True
