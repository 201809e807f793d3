"""A small file that is replaced as a whole, and once it has been, without any room on the disk.

It takes turns with a second one beside it, which keeps its blocks: the new content is written there, then both change
their names at once. Both are longer than their content, so that it may grow; what follows it is white space.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from lading.store.system import syscalls
from lading.store.system.atomic import sync
from lading.store.system.machine_errors import machine_errors

_BLOCK: Final = 4096
_ROOM: Final = 1024


def replace(file: Path, data: bytes, *, durable: bool) -> None:
    """Replaces `file`; with `durable` it also survives a power cut. Raises `MachineError`; then it is as it was."""
    other = file.with_suffix(".new")
    with machine_errors(file):
        _write(other, data.ljust(-(-(len(data) + _ROOM) // _BLOCK) * _BLOCK), durable=durable)
        _exchange(other, file)
        if durable:
            sync(file.parent)


def _write(file: Path, data: bytes, *, durable: bool) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        done = 0
        while done < len(data):
            done += os.pwrite(descriptor, data[done:], done)
        os.ftruncate(descriptor, len(data))
        if durable:
            sync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(one: Path, other: Path) -> None:
    """Lets two files change their names; where the other is missing or the file system cannot, `one` replaces it."""
    try:
        syscalls.exchange(os.fsencode(one), os.fsencode(other))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENOSYS):
            raise
        os.rename(one, other)
