"""Files that a call names, and files in a folder that it names: opened without waiting, and only where they are files.

Whoever filled such a folder may be another than the caller: no link in it leads out of it, and no pipe or device in
it holds a command up.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from lading.store.system.syscalls import IN_ROOT, openat2

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def open_file(path: Path) -> int:
    """A descriptor for reading the regular file `path`, links followed. Raises `OSError` for anything else, too."""
    return _regular(os.open(path, _FLAGS), path)


def open_below(folder: Path, name: str) -> int:
    """As `open_file` for `name` in `folder`, which is the root for every link on the way."""
    root = os.open(folder, _FOLDER)
    try:
        return _regular(openat2(root, os.fsencode(name), _FLAGS, IN_ROOT), folder / name)
    finally:
        os.close(root)


def read_below(folder: Path, name: str, limit: int) -> bytes:
    """The content of `name` in `folder`, one byte more than `limit` at most. Raises `OSError` as `open_below`."""
    with open(open_below(folder, name), "rb") as stream:
        return stream.read(limit + 1)


def _regular(file: int, path: Path) -> int:
    mode = os.fstat(file).st_mode
    if not stat.S_ISREG(mode):
        os.close(file)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "is a pipe, a socket or a device, not a file", str(path))
    return file
