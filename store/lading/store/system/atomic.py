"""Files that appear whole or not at all, and stay: a temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lading.store.errors import MachineError


@contextmanager
def machine_errors(path: Path) -> Generator[None, None, None]:
    """A full disk, a missing permission and the like as `MachineError`, in one line that names `path`."""
    try:
        yield
    except OSError as error:
        raise MachineError(f"{path}: {error.strerror}") from error


def sync_folder(path: Path) -> None:
    """Makes renames and new names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replaces a file: afterwards it is the old or the new one, whole and durable."""
    part = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    with machine_errors(path):
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
