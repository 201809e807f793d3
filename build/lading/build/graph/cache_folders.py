"""Where the folders of cache mounts lie, and how large they were when a step last had them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.store.archives.trees import bytes_of

_SIZE: Final = "size"


def mounts_folder(root: Path) -> Path:
    """The folder of all of them, below a root."""
    return root / "cache" / "mounts"


def note_size(folder: Path) -> None:
    """Counts the bytes of one, so that nobody has to who only looks."""
    (folder / _SIZE).write_text(str(bytes_of(folder)))


def mount_size(folder: Path) -> int:
    """Bytes of one; counted where nobody has done so."""
    with suppress(OSError, ValueError):
        return int((folder / _SIZE).read_text())
    return bytes_of(folder)
