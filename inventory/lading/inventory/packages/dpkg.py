"""dpkg's database: ``status`` and the lists beside it, or a file for each package in ``status.d`` (distroless)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lading.inventory.packages import copyright_files
from lading.inventory.packages.package import Distribution, Package
from lading.inventory.packages.records import stanzas, text
from lading.inventory.trees.file_nodes import FileNode

_BASE: Final = b"var/lib/dpkg/"
STATUS: Final = _BASE + b"status"
FOLDERS: Final = (_BASE + b"status.d/", _BASE + b"info/")
_UNPACKED: Final = ("installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending", "")
"""The states in which the files of a package are there (dpkg(1))."""


def read(root: FileNode, distribution: Distribution) -> Iterator[Package]:
    """Every package whose files are there."""
    status = root.find(STATUS)
    for fields in stanzas(status.content) if status else ():
        if fields.get("Status", "").rpartition(" ")[2] in _UNPACKED:
            yield from _package(root, fields, STATUS, status, distribution)
    folder = root.find(FOLDERS[0].rstrip(b"/"))
    for name, node in sorted(folder.children.items()) if folder else ():
        if not name.endswith(b".md5sums"):
            for fields in stanzas(node.content):
                yield from _package(root, fields, FOLDERS[0] + name, node, distribution)


def _package(
    root: FileNode, fields: Mapping[str, str], record: bytes, node: FileNode | None, distribution: Distribution
) -> Iterator[Package]:
    name, version = fields.get("Package", ""), fields.get("Version", "")
    if not name or not version or node is None:
        return
    architecture = fields.get("Architecture", "")
    listed, layer = _files(root, name, architecture)
    source, _, more = fields.get("Source", "").partition(" ")
    source_version = more.strip("() ")
    yield Package(
        "deb",
        name,
        version,
        record,
        node.layer if layer is None else layer,
        architecture,
        distribution.name or "debian",
        source or name,
        listed,
        copyright_files.licenses(root, name),
        (("distro", distribution.word), ("upstream", f"{source}@{source_version}" if source_version else source)),
    )


def _files(root: FileNode, name: str, architecture: str) -> tuple[tuple[bytes, ...], int | None]:
    """What a package brought, by its ``.list``, else by its checksums; and the layer of that."""
    for word in (name, f"{name}:{architecture}"):
        if found := root.find(FOLDERS[1] + word.encode() + b".list"):
            lines = (line.encode("utf-8", "surrogateescape").strip(b"/") for line in text(found.content).split("\n"))
            return tuple(line for line in lines if line and line != b"."), found.layer
    for path in (FOLDERS[1] + f"{name}.md5sums".encode(), FOLDERS[0] + f"{name}.md5sums".encode()):
        if found := root.find(path):
            return tuple(line.partition(b"  ")[2] for line in (found.content or b"").splitlines()), found.layer
    return (), None
