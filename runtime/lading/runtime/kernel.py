"""The few system calls that Python's `os` lacks: mount, umount2, openat2 and pidfd_send_signal's kin.

Each raises `OSError` as `os` would, with the path it was about.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MNT_DETACH: Final = 2

RESOLVE_NO_MAGICLINKS: Final = 0x02
RESOLVE_IN_ROOT: Final = 0x10

_OPENAT2: Final = 437
"""The same number on every architecture (asm-generic/unistd.h)."""

_libc: Final = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _check(result: int, path: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    """mount(2)."""
    arguments = (source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _check(_libc.mount(*arguments), target)


def unmount(target: str) -> None:
    """Detaches the topmost mount at `target`, busy or not (umount2 with MNT_DETACH)."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), target)


def open_in_root(root: int, path: str, flags: int, mode: int = 0) -> int:
    """Opens `path` as a process whose root is the folder `root` would: no link leads out (openat2(2))."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    arguments = (_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
    return _check(_libc.syscall(*arguments), path)
