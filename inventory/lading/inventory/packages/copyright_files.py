"""Debian's copyright files that programs can read: the short names of their licences (copyright-format/1.0)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lading.inventory.packages.records import text
from lading.inventory.trees.file_nodes import FileNode

_FOLDER: Final = b"usr/share/doc/"
_NAME: Final = b"/copyright"
_FORMAT: Final = re.compile(rb"Format:\s*https?://www\.debian\.org/doc/packaging-manuals/copyright-format/")
_BETWEEN: Final = re.compile(r",?\s+(?:and|or)\s+|,\s*|\s*\|\s*")


class CopyrightTaster:
    """Keeps the lines that name licences; nothing of a file in words alone."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def take(self, piece: bytes) -> None:
        """The next bytes."""
        self._pieces.append(piece)

    def kept(self) -> bytes | None:
        """The lines."""
        whole = b"".join(self._pieces)
        if not _FORMAT.match(whole.lstrip()):
            return None
        return b"\n".join(line for line in whole.split(b"\n") if line.startswith(b"License:"))


def is_copyright(path: bytes) -> bool:
    """Whether a path is such a file of a package."""
    return path.startswith(_FOLDER) and path.endswith(_NAME) and path.count(b"/") == 4


def licenses(root: FileNode, package: str) -> tuple[str, ...]:
    """Those that the file of a package names, each once, sorted; links to the file of another are followed."""
    real = root.real(_FOLDER + package.encode() + _NAME + b"/.")
    node = root.find(real) if real else None
    return tuple(sorted(set(_names(text(node.content))))) if node else ()


def _names(lines: str) -> Iterator[str]:
    for line in lines.splitlines():
        for name in _BETWEEN.split(" ".join(line.partition(":")[2].split())):
            if name and name.lower() != "none":
                yield name
