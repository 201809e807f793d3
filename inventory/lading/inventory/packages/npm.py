"""Node's packages: the ``package.json`` of each folder in ``node_modules``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lading.inventory.packages.package import Package
from lading.inventory.trees.file_nodes import FileNode
from lading.store.errors import DocumentError
from lading.store.oci.json import Fields, parse

FOLDER: Final = b"node_modules"
RECORD: Final = b"/package.json"


def is_record(path: bytes) -> bool:
    """Whether a path is the record of a package: in its own folder, or in that within the one of its scope."""
    parts = path.split(b"/")
    if parts[-1:] != [RECORD[1:]]:
        return False
    return parts[-3:-2] == [FOLDER] or (parts[-4:-3] == [FOLDER] and parts[-3].startswith(b"@"))


def read(root: FileNode, path: bytes, node: FileNode) -> Iterator[Package]:
    """The package whose record is at `path`; all that is in its folder, but in folders of others, is its own."""
    try:
        fields = Fields(parse(node.content or b"", "package.json"), "package.json")
        full, version = fields.optional_text("name"), fields.optional_text("version")
    except DocumentError:
        return  # anybody's file
    if full and version:
        scope, _, name = full.rpartition("/")
        folder = path.removesuffix(RECORD)
        yield Package("npm", name, version, path, node.layer, namespace=scope, files=_files(root, folder))


def _files(root: FileNode, folder: bytes) -> tuple[bytes, ...]:
    there = root.find(folder)
    nested = FOLDER + b"/"
    return tuple(
        folder + b"/" + path
        for path, node in (there.walk() if there else ())
        if node.kind == "file" and nested not in path
    )
