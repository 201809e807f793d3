"""Alpine's database of installed packages: lines of a letter, a colon and a value (apk-package(5))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lading.inventory.packages.package import Distribution, Package
from lading.inventory.packages.records import text
from lading.inventory.trees.file_nodes import FileNode

INSTALLED: Final = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")


def read(root: FileNode, distribution: Distribution) -> Iterator[Package]:
    """Every package of the database."""
    for path in INSTALLED:
        node = root.find(path)
        for block in text(node.content).split("\n\n") if node else ():
            yield from _package(block, path, node.layer if node else 0, distribution)


def _licenses(said: str) -> tuple[str, ...]:
    """An expression, or as older packages have it names with nothing between them."""
    words = said.split()
    if any(word.upper() in ("AND", "OR", "WITH") or word.startswith("(") for word in words):
        return (" ".join(words),)
    return tuple(words)


def _package(block: str, record: bytes, layer: int, distribution: Distribution) -> Iterator[Package]:
    fields: dict[str, str] = {}
    files: list[bytes] = []
    folder = ""
    for line in block.splitlines():
        letter, _, value = line.partition(":")
        if letter == "F":
            folder = value
        elif letter == "R":
            files.append(f"{folder}/{value}".strip("/").encode())
        else:
            fields.setdefault(letter, value)
    if fields.get("P"):
        origin = fields.get("o", "")
        yield Package(
            "apk",
            fields["P"],
            fields.get("V", ""),
            record,
            layer,
            fields.get("A", ""),
            distribution.name or "alpine",
            origin,
            tuple(files),
            _licenses(fields.get("L", "")),
            (("distro", distribution.word), ("upstream", origin if origin != fields["P"] else "")),
        )
