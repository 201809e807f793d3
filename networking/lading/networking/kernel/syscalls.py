"""The few system calls that Python's `os` lacks before 3.12, or lacks at all: unshare, setns, bind mounts.

Each raises `OSError` as `os` would.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

_CLONE_NEWNET: Final = 0x40000000
_MS_BIND: Final = 0x1000
_MNT_DETACH: Final = 2

_libc: Final = ctypes.CDLL(None, use_errno=True)


def _check(result: int, path: str | None = None) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def unshare_network() -> None:
    """Moves the calling thread, and only it, into a new network namespace (unshare(2))."""
    _check(_libc.unshare(_CLONE_NEWNET))


def enter_network(fd: int) -> None:
    """Moves the calling thread, and only it, into the network namespace behind `fd` (setns(2))."""
    _check(_libc.setns(fd, _CLONE_NEWNET))


def bind_mount(source: str, target: str) -> None:
    """Makes the file `source` visible at the file `target` too (mount(2), MS_BIND)."""
    _check(_libc.mount(source.encode(), os.fsencode(target), None, ctypes.c_ulong(_MS_BIND), None), target)


def unmount(target: str) -> None:
    """Detaches the topmost mount at `target`, busy or not (umount2(2), MNT_DETACH)."""
    _check(_libc.umount2(os.fsencode(target), _MNT_DETACH), target)
