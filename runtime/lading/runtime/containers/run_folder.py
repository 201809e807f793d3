"""The folder of one root for what lasts until the next boot: there while somebody uses it, and gone with the last.

Every process that may use it holds a shared lock on the root. Who can have that lock alone, when it is done, takes the
folder away unless a container or a build's sandbox is left in it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.runtime.containers.records import remove_folder
from lading.store.errors import MachineError
from lading.store.oci.json import is_text
from lading.store.system.locks import open_folder, take
from lading.store.system.private_folders import private_folder

_IN_USE: Final = ("containers", "sandboxes", "oci", "network")


class RunFolder:
    """One process' use of the folder at `path`, which belongs to the folder `root`; ended by `close`.

    Raises `MachineError`.
    """

    def __init__(self, root: Path, path: Path) -> None:
        if not is_text(str(root)):
            raise MachineError(f"{root}: no container can lie below a folder whose name is not UTF-8")
        self.path = path
        self._lock = open_folder(root)
        take(self._lock, shared=True)
        private_folder(path)

    def close(self) -> None:
        """Takes the folder away where nothing is left in it and nobody else uses it."""
        try:
            with suppress(OSError):
                if take(self._lock, wait=False) and not any(_entries(self.path / name) for name in _IN_USE):
                    remove_folder(self.path)
        finally:
            os.close(self._lock)


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
