"""Locks on files (flock), by which what a killed process left is told from what somebody works on.

A lock is that of an open file and ends with it, at the latest with the last process that has it open.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

LOCK: Final = "lock"
"""The file that is locked in a folder of `locked_folder`."""


def take(file: int, *, wait: bool = True, shared: bool = False) -> bool:
    """Locks an open file or folder; False where others hold it and nobody waits for them."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def open_lock(path: Path) -> int:
    """A file to be locked, made where it is missing; on a disk that can only be read, it has to be there."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def open_folder(path: Path) -> int:
    """A folder, to be locked itself."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


@contextmanager
def locked(file: int) -> Generator[None, None, None]:
    """Waits until an open file is ours alone, and closes it in the end."""
    try:
        take(file)
        yield
    finally:
        os.close(file)


@contextmanager
def abandoned(lock: Path) -> Generator[bool, None, None]:
    """Whether nobody living holds `lock`, which is held meanwhile: who has just made it sees its folder go."""
    try:
        file = _open(lock)
    except (FileNotFoundError, NotADirectoryError):
        yield True
        return
    try:
        yield take(file, wait=False)
    finally:
        os.close(file)


@contextmanager
def abandoned_folder(folder: Path) -> Generator[bool, None, None]:
    """As `abandoned`, of a folder of `locked_folder`.

    An empty one has no lock yet. It goes, if it still is empty then, and its maker makes another: what has no lock
    after that is not a new one, since the lock is the first that is made in it.
    """
    with suppress(OSError):
        folder.rmdir()
    with abandoned(folder / LOCK) as dead:
        yield dead


def is_locked(lock: Path) -> bool:
    """Whether a process that lives holds `lock`."""
    with abandoned(lock) as dead:
        return not dead


def _open(path: Path) -> int:
    """Some network file systems lock only what is open for writing; what was made read-only is another's no more."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | flags)
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)


def locked_folder(parent: Path, prefix: str = "") -> tuple[Path, int]:
    """A new folder that no sweep takes for an orphan, and the descriptor that holds its lock."""
    while True:
        folder = parent / f"{prefix}{os.urandom(6).hex()}"
        folder.mkdir(mode=0o700, parents=True)
        try:
            file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # swept before it was locked
        take(file)
        if os.fstat(file).st_nlink:
            return folder, file
        os.close(file)
