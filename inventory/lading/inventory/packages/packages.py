"""All packages of an image, read from its merged layers in one pass: what a removal hides is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lading.inventory.packages import apk, dpkg, golang, npm, pip, rpm
from lading.inventory.packages.copyright_files import CopyrightTaster, is_copyright
from lading.inventory.packages.package import Distribution, Package
from lading.inventory.packages.records import text
from lading.inventory.trees.file_nodes import FileNode
from lading.inventory.trees.image_tree import OpenedImage
from lading.inventory.trees.layer_tree import Taster
from lading.store.archives.trees import Entry
from lading.store.fastclass import dataclass

_MOST: Final = 64 << 20
"""Bytes of one record; what is larger is no record."""
_RELEASES: Final = (b"etc/os-release", b"usr/lib/os-release")


class _Whole:
    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def take(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def kept(self) -> bytes:
        return b"".join(self._pieces)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The files of an image, the packages that they record, and what os-release says of the distribution."""

    root: FileNode
    packages: tuple[Package, ...]
    release: Mapping[str, str]

    def owners(self) -> dict[bytes, Package]:
        """The package of each path that one lists; of several that of the distribution."""
        ranked = sorted(self.packages, key=lambda package: package.kind in ("deb", "apk", "rpm"))
        folders: dict[bytes, bytes] = {}  # dpkg's lists name /lib where that is a link to /usr/lib
        found: dict[bytes, Package] = {}
        for package in ranked:
            for path in package.files:
                above, _, name = path.rpartition(b"/")
                if above not in folders:
                    folders[above] = (self.root.real(above + b"/.") if above else None) or above
                found[folders[above] + b"/" + name if folders[above] else name] = package
        return found


def take_inventory(image: OpenedImage) -> Inventory:
    """Raises `DocumentError` where a layer is not what it should be."""
    root = image.tree(_choose)
    nodes = [root.find(path) for path in _RELEASES]
    release = {name: value for node in reversed(nodes) if node for name, value in _release(node).items()}
    return Inventory(root, tuple(dict.fromkeys(_packages(root, Distribution.of(release)))), release)


def _choose(entry: Entry) -> Taster | None:
    if entry.size <= _MOST and _is_record(entry.path):
        return _Whole()
    if entry.size <= _MOST and is_copyright(entry.path):
        return CopyrightTaster()
    return golang.GoTaster()


def _is_record(path: bytes) -> bool:
    if path in (dpkg.STATUS, *apk.INSTALLED, *rpm.DATABASES, rpm.MANIFEST, *_RELEASES) or npm.is_record(path):
        return True
    return path.startswith(dpkg.FOLDERS) or path.endswith((*pip.RECORDS, *pip.BESIDE))


def _packages(root: FileNode, distribution: Distribution) -> Iterator[Package]:
    yield from dpkg.read(root, distribution)
    yield from apk.read(root, distribution)
    yield from rpm.read(root, distribution)
    for path, node in root.walk():
        if node.content is None:
            continue
        if path.endswith(pip.RECORDS):
            yield from pip.read(root, path, node)
        elif npm.is_record(path):
            yield from npm.read(root, path, node)
        elif node.content.startswith(golang.MAGIC):
            yield from golang.read(path, node)


def _release(node: FileNode) -> dict[str, str]:
    """os-release(5), as far as it is plain assignments."""
    pairs = (line.partition("=") for line in text(node.content).splitlines())
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}
