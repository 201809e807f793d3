"""Files that appear whole or not at all, and stay: a temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from io import BufferedWriter
from pathlib import Path
from typing import Final

from lading.store.system.locks import abandoned, take
from lading.store.system.machine_errors import machine_errors

_RANDOM: Final = 6
"""Bytes of chance in the name of a file that is being written."""


def sync(place: Path | int) -> None:
    """Makes durable what is in a file, or which names are in a folder.

    A file is given by the descriptor that wrote it: an error of writing is told once, perhaps to that one alone.
    """
    if isinstance(place, int):
        os.fsync(place)
        return
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(part: Path, target: Path) -> None:
    """Gives what is written and durable its name, durably, in the place of what had it; its folder is made."""
    rename(part, target)
    sync(target.parent)


def rename(part: Path, target: Path) -> None:
    """As `publish`, for a caller who makes the names in the folder durable afterwards."""
    if not target.parent.is_dir():
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        sync(target.parent.parent)
    os.replace(part, target)


@contextmanager
def new_file(path: Path, mode: int = 0o644, *, over: bool = True) -> Generator[BufferedWriter, None, None]:
    """A file to be written, which is at `path`, whole and durable, when the block ends well, and else is gone.

    What is at `path` is replaced; not `over`, it stays, and `FileExistsError` is raised. The umask counts. What a
    writer of it left who was killed goes first.
    """
    _sweep(path)
    part, descriptor = _part(path, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:  # closed last: until then a sweep leaves it
            yield stream
            stream.flush()
            sync(descriptor)
            if over:
                os.replace(part, path)
            else:
                os.link(part, path)
                part.unlink()
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync(path.parent)


def _part(path: Path, mode: int) -> tuple[Path, int]:
    """A new file beside `path`, locked where there are locks; where there are none, nothing is swept either."""
    while True:
        part = path.with_name(f".{path.name}.{os.urandom(_RANDOM).hex()}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with suppress(OSError):
            take(descriptor)
        if os.fstat(descriptor).st_nlink:  # a sweep may have come between the two calls
            return part, descriptor
        os.close(descriptor)


def _sweep(path: Path) -> None:
    """Removes what `_part` made for `path` and no living process holds."""
    prefix = f".{path.name}."
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and _is_ours(entry, entry.name.removeprefix(prefix)):
                with abandoned(Path(entry.path)) as dead:
                    if dead:
                        os.unlink(entry.path)


def _is_ours(entry: os.DirEntry[str], random: str) -> bool:
    made = len(random) == 2 * _RANDOM and not set(random) - set("0123456789abcdef")
    return made and entry.is_file(follow_symlinks=False) and entry.stat().st_uid == os.geteuid()


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replaces a file: afterwards it is the old or the new one, whole and durable. Raises `MachineError`."""
    with machine_errors(path), new_file(path, mode) as stream:
        stream.write(data)
