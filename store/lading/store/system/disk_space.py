"""Writing what may be larger than the disk: nothing takes its last bytes, and zeros take none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from lading.store.errors import MachineError, Remedy

_RESERVE: Final = 256 * 1024 * 1024
"""Of the disk, what is left for others, or a tenth of what is free."""
_HOLE: Final = 64 * 1024
_ZEROS: Final = bytes(_HOLE)


class Room:
    """How many bytes may still be written to the file system of a folder; `where` is being written."""

    def __init__(self, folder: int | Path | bytes, where: str) -> None:
        found = os.statvfs(folder)
        free = found.f_bavail * found.f_frsize
        self._left = free - min(_RESERVE, free // 10)
        self._where = where

    def take(self, size: int) -> None:
        """Counts what is about to be written. Raises `MachineError` where there is no room for it."""
        self._left -= size
        if self._left < 0:
            raise MachineError(
                f"{self._where}: there is no room for it on the disk",
                hint=Remedy("prune", "remove what is not used"),
            )

    def write(self, file: int, data: bytes) -> None:
        """Appends to a new file; zeros become a hole, so that it costs what it holds. Its end is `os.ftruncate`'s."""
        for start in range(0, len(data), _HOLE):
            self._put(file, data[start : start + _HOLE])

    def _put(self, file: int, data: bytes) -> None:
        if not data[0] and data == _ZEROS[: len(data)]:
            os.lseek(file, len(data), os.SEEK_CUR)
            return
        self.take(len(data))
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
