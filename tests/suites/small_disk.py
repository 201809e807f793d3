"""File systems of a few hundred KiB, filled to the last byte."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(place: Path, size: str) -> Generator[Path, None, None]:
    """A file system of its own at `place`, of so many bytes (as mount's option says it)."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Takes every byte that is left; the file that holds them."""
    ballast = place / "ballast"
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        for block in (1 << 20, 4096, 1):
            while True:
                try:
                    os.write(file, b"x" * block)
                except OSError:
                    break
    finally:
        os.close(file)
    assert os.statvfs(place).f_bavail == 0
    return ballast
