"""Locks on files (flock), by which what a killed process left is told from what somebody works on."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOCK: Final = "lock"
"""The file that is locked in a folder of `locked_folder`."""


@contextmanager
def abandoned(lock: Path) -> Generator[bool, None, None]:
    """Whether nobody living holds `lock`, which is held meanwhile: who has just made it sees its folder go."""
    try:
        file = _open_lock(lock)
    except (FileNotFoundError, NotADirectoryError):
        yield True
        return
    try:
        yield _taken(file)
    finally:
        os.close(file)


def is_locked(lock: Path) -> bool:
    """Whether a process that lives holds `lock`."""
    with abandoned(lock) as dead:
        return not dead


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_lock(path: Path) -> int:
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
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            return folder, file
        os.close(file)
