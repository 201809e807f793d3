"""Files that appear whole or not at all, and stay: a temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
from pathlib import Path

from lading.store.system.border import machine_errors


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
