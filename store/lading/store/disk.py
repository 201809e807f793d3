"""How a file appears: temp, fsync, rename, fsync of the folder; and how a disk's refusals are told."""

from __future__ import annotations

import errno
import os
from types import TracebackType
from typing import Final, Self

from lading.store.errors import MachineError

_HINTS: Final = {
    errno.ENOSPC: "make room, or name another folder with --root",
    errno.EDQUOT: "make room, or name another folder with --root",
    errno.EACCES: "use the account that owns it, or name another folder with --root",
    errno.EPERM: "use the account that owns it, or name another folder with --root",
    errno.EROFS: "name a folder that can be written with --root",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}

_Path = str | os.PathLike[str]


class on_disk:  # noqa: N801 - reads as a phrase: `with on_disk(path):`
    """Inside, an `OSError` becomes a `MachineError` of one line that names the path."""

    __slots__ = ("_path",)

    def __init__(self, path: _Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            raise machine_error(self._path, error) from error


def machine_error(path: _Path, error: OSError) -> MachineError:
    """`error` in one line: the path it happened at, what the system said, what to do."""
    what = error.strerror or str(error)
    named = os.fspath(error.filename or path)
    return MachineError(f"{named}: {what}", hint=_HINTS.get(error.errno or 0))


def sync_folder(path: _Path) -> None:
    """Makes the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """The whole of `data` to a file descriptor."""
    written = os.write(descriptor, data)
    if written < len(data):
        with memoryview(data) as view:
            while written < len(view):
                written += os.write(descriptor, view[written:])


def write_file(path: _Path, data: bytes, mode: int = 0o644) -> None:
    """Puts a small file in place, or replaces it, whole and durable. Raises `MachineError`."""
    target = os.fspath(path)
    temporary = f"{target}.{os.getpid()}-{os.urandom(4).hex()}"
    with on_disk(target):
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
        sync_folder(os.path.dirname(target) or ".")
