"""Files that appear whole or not at all, and stay: a temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path

from lading.store.system.border import machine_errors


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
    if not target.parent.is_dir():
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        sync(target.parent.parent)
    os.replace(part, target)
    sync(target.parent)


@contextmanager
def new_file(path: Path, mode: int = 0o644, *, over: bool = True) -> Generator[BufferedWriter, None, None]:
    """A file to be written, which is at `path`, whole and durable, when the block ends well, and else is gone.

    What is at `path` is replaced; not `over`, it stays, and `FileExistsError` is raised. The umask counts.
    """
    part = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
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


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replaces a file: afterwards it is the old or the new one, whole and durable. Raises `MachineError`."""
    with machine_errors(path), new_file(path, mode) as stream:
        stream.write(data)
