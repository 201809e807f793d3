"""The system calls that Python has no name for: openat2, those of mounts and namespaces, syncfs.

Each raises `OSError` as `os` would.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final

IN_ROOT: Final = 0x10
"""RESOLVE_IN_ROOT: the folder given is the root, for absolute paths, ``..`` and symlinks alike."""
BENEATH: Final = 0x08
NO_SYMLINKS: Final = 0x04
_MAGICLINKS: Final = 0x02
_OPENAT2: Final = 437
_AT_FDCWD: Final = -100
_EXCHANGE: Final = 2

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_BIND: Final = 4096
MS_REMOUNT: Final = 32
MS_PRIVATE: Final = 1 << 18
_MS_SLAVE: Final = 1 << 19
_MS_REC: Final = 1 << 14
_CLONE_NEWNS: Final = 0x20000
_CLONE_FS: Final = 0x200
CLONE_NEWNET: Final = 0x40000000
MNT_DETACH: Final = 2
UMOUNT_NOFOLLOW: Final = 8

_SYNC_FILE_RANGE_WRITE: Final = 2
_GET_FLAGS: Final = 0x80086601
_SET_FLAGS: Final = 0x40086602
_TOP_FOLDER: Final = 0x00020000

_OWN_MOUNTS: Final = "/proc/thread-self/ns/mnt"
_outside: Final[list[int]] = []
"""The mounts that this process came with, once it has others."""


@cache
def _libc() -> Any:
    """Loaded by the first call: most of what imports this module calls nothing."""
    import ctypes  # noqa: PLC0415

    return ctypes.CDLL(None, use_errno=True)


def _errno() -> int:
    import ctypes  # noqa: PLC0415

    return ctypes.get_errno()


def _check(result: int, path: bytes = b"") -> int:
    if result < 0:
        number = _errno()
        raise OSError(number, os.strerror(number), os.fsdecode(path) or None)
    return result


def openat2(folder: int, path: bytes, flags: int, resolve: int) -> int:
    """openat2(2). Magic links of /proc are never followed."""
    how = struct.pack("QQQ", flags, 0, resolve | _MAGICLINKS)  # struct open_how
    while True:
        result = _libc().syscall(_OPENAT2, folder, path, how, len(how))
        # EAGAIN: a rename elsewhere raced with the resolution; the kernel asks for another try.
        if result >= 0 or _errno() != 11:
            return _check(result, path)


def mount(source: bytes, target: bytes, kind: bytes | None, flags: int, data: bytes | None = None) -> None:
    """mount(2)."""
    import ctypes  # noqa: PLC0415

    _check(_libc().mount(source, target, kind, ctypes.c_ulong(flags), data), target)


def exchange(one: bytes, other: bytes) -> None:
    """Lets two files change their names at once (renameat2(2), RENAME_EXCHANGE)."""
    _check(_libc().renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _EXCHANGE), other)


_MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT = 429, 430, 431, 432
_SET_FLAG, _SET_STRING, _CREATE = 0, 1, 6
_CLOEXEC: Final = 1
_FROM_EMPTY_PATH: Final = 4
_ATTR_RDONLY: Final = 1


def mount_with(
    kind: bytes,
    target: bytes,
    options: Sequence[tuple[bytes, bytes]],
    *,
    flags: Sequence[bytes] = (),
    readonly: bool = False,
) -> None:
    """fsopen(2) and its kin: as `mount`, with options that may stand more than once and need not fit into a page."""
    context = _check(_libc().syscall(_FSOPEN, kind, _CLOEXEC))
    try:
        for name, value in options:
            _check(_libc().syscall(_FSCONFIG, context, _SET_STRING, name, value, 0), value)
        for flag in (*flags, *((b"ro",) if readonly else ())):
            _check(_libc().syscall(_FSCONFIG, context, _SET_FLAG, flag, None, 0), flag)
        _check(_libc().syscall(_FSCONFIG, context, _CREATE, None, None, 0), target)
        made = _check(_libc().syscall(_FSMOUNT, context, _CLOEXEC, _ATTR_RDONLY if readonly else 0), target)
        try:
            _check(_libc().syscall(_MOVE_MOUNT, made, b"", _AT_FDCWD, target, _FROM_EMPTY_PATH), target)
        finally:
            os.close(made)
    finally:
        os.close(context)


def umount(target: bytes, flags: int = UMOUNT_NOFOLLOW) -> None:
    """umount2(2)."""
    _check(_libc().umount2(target, flags), target)


def unshare(kinds: int) -> None:
    """Moves the calling thread, and only it, into new namespaces (unshare(2))."""
    _check(_libc().unshare(kinds))


def setns(namespace: int, kind: int) -> None:
    """Moves the calling thread, and only it, into a namespace that is open (setns(2))."""
    _check(_libc().setns(namespace, kind))


def private_mounts() -> bool:
    """Gives the calling thread, and those it starts from now on, mounts of their own; whether it may.

    What is mounted afterwards ends with the process, however that ends. What others mount and unmount is still
    seen.
    """
    outside = os.open(_OWN_MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        unshare(_CLONE_NEWNS)
    except OSError:
        os.close(outside)
        return False
    _outside.append(outside)
    keep_mounts_inside()
    return True


def keep_mounts_inside() -> None:
    """What is mounted from now on is seen by nobody else; what others mount still is."""
    mount(b"none", b"/", None, _MS_REC | _MS_SLAVE)


def in_other_mounts(work: Callable[[], None]) -> None:
    """Calls `work` among the mounts that this process came with, and among those of the machine's first process.

    That is, where they are others than its own, and it may. Each call is in a thread of its own; an `OSError` ends it.
    """
    with suppress(OSError):
        first = os.open("/proc/1/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _in_mounts(first, work)
        finally:
            os.close(first)
    for namespace in _outside:
        _in_mounts(namespace, work)


def _in_mounts(namespace: int, work: Callable[[], None]) -> None:
    def there() -> None:
        with suppress(OSError):
            unshare(_CLONE_FS)
            setns(namespace, _CLONE_NEWNS)
            work()

    if os.fstat(namespace).st_ino != os.stat(_OWN_MOUNTS).st_ino:
        thread = threading.Thread(target=there)
        thread.start()
        thread.join()


_SET_SECCOMP: Final = 22
_FILTER: Final = 2


def prctl(option: int, *words: object) -> None:
    """prctl(2)."""
    import ctypes  # noqa: PLC0415

    given = [ctypes.c_ulong(word) if isinstance(word, int) else word for word in (*words, 0, 0, 0, 0)]
    _check(_libc().prctl(option, *given[:4]))


def filter_calls(program: bytes) -> None:
    """Holds this process and those that it starts to a filter of system calls, BPF instructions (seccomp(2))."""
    import ctypes  # noqa: PLC0415

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))

    prctl(_SET_SECCOMP, _FILTER, ctypes.byref(Program(len(program) // 8, program)))


def file_system(folder: os.PathLike[str]) -> int:
    """The kind of file system that a folder is on, by its magic number (statfs(2), f_type)."""
    import ctypes  # noqa: PLC0415

    found = ctypes.create_string_buffer(256)
    path = os.fsencode(folder)
    _check(_libc().statfs(path, found), path)
    (number,) = struct.unpack_from("l", found)
    return int(number)


def start_writing(file: int, start: int = 0, size: int = 0) -> None:
    """Lets the disk begin with what was written to a file (sync_file_range; 0 bytes: to its end), and says no errors.

    Nothing is durable by that: a later `os.fsync` or `syncfs` has less to wait for.
    """
    import ctypes  # noqa: PLC0415

    with suppress(AttributeError):  # a C library without it
        _libc().sync_file_range(file, ctypes.c_int64(start), ctypes.c_int64(size), _SYNC_FILE_RANGE_WRITE)


def spread(folder: os.PathLike[str]) -> None:
    """Asks ext4 to put each folder in `folder` elsewhere on the disk, with all in it (``chattr +T``); others say no.

    Otherwise new files go where others were removed a moment ago, and ext4 passes by each of those for each of them.
    """
    from fcntl import ioctl  # noqa: PLC0415

    with suppress(OSError):
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            flags = int.from_bytes(ioctl(file, _GET_FLAGS, bytes(8))[:4], sys.byteorder)
            ioctl(file, _SET_FLAGS, (flags | _TOP_FOLDER).to_bytes(8, sys.byteorder))
        finally:
            os.close(file)


def syncfs(folder: os.PathLike[str]) -> None:
    """Everything written to the file system of `folder` is on the disk afterwards."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check(_libc().syncfs(file), os.fsencode(folder))
    finally:
        os.close(file)
