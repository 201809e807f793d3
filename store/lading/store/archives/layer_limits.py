"""What one archive may hold: outside bytes are read and unpacked within these bounds."""

from __future__ import annotations

from typing import Final

from lading.store.errors import Remedy
from lading.store.fastclass import dataclass

_OVERHEAD: Final = 2**30
RAISE: Final = Remedy("raise limit", "a higher limit 'layer' allows more", "layer")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on an archive, for whoever reads one and, as what is written has to be read, for whoever writes one.

    `entries` cost an inode each; `size`, the bytes of all files, costs time alone where they are zeros, and the disk
    is asked what it has; `path` and `paths`, the bytes of one path and of those of all folders, and `extension`,
    those of one extended header (Go's readers take no more), cost memory.
    """

    entries: int = 4_000_000
    size: int = 2**40
    path: int = 3840  # of the 4096 that Linux takes; the rest is for where it is unpacked to
    paths: int = 2**30
    extension: int = 1024 * 1024

    @property
    def archive(self) -> int:
        """Of a whole archive, with headers and what fills it up."""
        return 2 * self.size + _OVERHEAD


DEFAULT: Final = Limits()
