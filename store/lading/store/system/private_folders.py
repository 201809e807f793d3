"""Folders that no other user of the machine enters: everything below a root, and what lasts until the next boot.

A file in there may be a setuid program that a container left, or a secret of it. So each such folder is made by this
one function, whoever comes first, and looked at again when it is used.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.store.errors import InputError, MachineError
from lading.store.system.machine_errors import machine_errors

_MODE: Final = 0o700
_ROOT_MARKS: Final = ("index.db", "keys", "policy.yaml", "trust", "registry")
"""One of them is in every root, whatever was done there first."""
_OF_NOBODY: Final = {"lost+found"}
_MAX_LINKS: Final = 40
_TRIES: Final = 100
_PLACE: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_HINT: Final = "it holds what only its owner may see: name another folder, or chown this one if it is yours"


def claim(path: Path, marks: Collection[str], what: str) -> None:
    """Lets `path` be a folder of Lading's: one that is missing, is empty, or bears one of the `marks` already.

    Whatever else lies in such a folder may be closed to others, or deleted. Raises `InputError`.
    """
    hint = f"name an empty folder, or one that is {what} already"
    with machine_errors(path):
        if not path.exists():
            return
        if path.samefile("/"):
            raise InputError(f"{path}: the root of the file system cannot be {what}", hint=hint)
        names = set(os.listdir(path)) - _OF_NOBODY
    parts = tuple(f".{mark}." for mark in marks)  # of a mark whose writer was killed
    found = {name for name in names if not name.startswith(parts)}
    if found and not found & set(marks):
        raise InputError(f"{path}: holds other things than {what} would", hint=hint)


def own_root(root: Path) -> Path:
    """Makes the root folder, closed to other users. Raises `InputError` for a folder that holds something else."""
    claim(root, _ROOT_MARKS, "a root of Lading's")
    return private_folder(root)


def private_folder(path: Path) -> Path:
    """Makes `path` with the folders on the way, 0700 each; one that is there and ours is closed to everybody else.

    Raises `MachineError` where another user owns it, or owns a link on the way to it.
    """
    with machine_errors(path):
        folder = _reach_again(path)
        try:
            found = os.fstat(folder)
            if found.st_uid != os.geteuid():
                raise MachineError(f"{path}: belongs to another user (uid {found.st_uid})", hint=_HINT)
            if stat.S_IMODE(found.st_mode) & 0o077:
                os.chmod(f"/proc/self/fd/{folder}", _MODE)
                if os.fstat(folder).st_mode & 0o077:
                    raise MachineError(f"{path}: others can enter it, and its file system keeps no modes", hint=_HINT)
        finally:
            os.close(folder)
    return path


def _reach_again(path: Path) -> int:
    """As `_reach`, from the beginning where somebody removed a folder on the way meanwhile."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return _reach(path)
    return _reach(path)


def _reach(path: Path) -> int:
    """Opens a folder step by step, so that nobody turns the way aside between a look and a step."""
    parts, links = list(path.absolute().parts[1:]), 0
    here = os.open("/", _PLACE)
    try:
        while parts:
            part = parts.pop(0)
            there = _step(here, part)
            if stat.S_ISLNK(os.fstat(there).st_mode):
                links += 1
                target = _target(there, path, links)
                parts = [*filter(None, target.split("/")), *parts]
                there = os.open("/" if target.startswith("/") else ".", _PLACE, dir_fd=here)
            os.close(here)
            here = there
        os.close(os.open(".", _PLACE | os.O_DIRECTORY, dir_fd=here))
    except BaseException:
        os.close(here)
        raise
    return here


def _step(here: int, part: str) -> int:
    """One name further; a folder is made where there is nothing."""
    while True:
        with suppress(FileNotFoundError):
            return os.open(part, _PLACE, dir_fd=here)
        with suppress(FileExistsError):
            os.mkdir(part, _MODE, dir_fd=here)


def _target(link: int, path: Path, links: int) -> str:
    """Where the opened `link` leads, which it takes from nobody but root and ourselves."""
    try:
        owner = os.fstat(link).st_uid
        if owner not in (0, os.geteuid()):
            raise MachineError(f"{path}: is reached through a link of another user (uid {owner})", hint=_HINT)
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        return os.readlink("", dir_fd=link)
    finally:
        os.close(link)
