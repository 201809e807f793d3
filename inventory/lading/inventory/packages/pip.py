"""Python's installed distributions: ``*.dist-info`` and ``*.egg-info`` (PyPA, "Recording installed projects")."""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Iterator
from typing import Final

from lading.inventory.packages.package import Package
from lading.inventory.packages.records import header, text
from lading.inventory.trees.file_nodes import FileNode

RECORDS: Final = (b".dist-info/METADATA", b".egg-info/PKG-INFO")
LISTS: Final = b".dist-info/RECORD"


def read(root: FileNode, path: bytes, node: FileNode) -> Iterator[Package]:
    """The distribution whose metadata is at `path`."""
    fields = header(node.content)
    name, version = fields.get("Name", ""), fields.get("Version", "")
    if name and version:
        called = re.sub(r"[-_.]+", "-", name).lower()
        yield Package("pypi", called, version, path, node.layer, files=_files(root, path))


def _files(root: FileNode, path: bytes) -> tuple[bytes, ...]:
    folder = path.rpartition(b"/")[0]
    listed = root.find(folder + b"/RECORD")
    if listed is None:
        return ()
    base = folder.rpartition(b"/")[0].decode("utf-8", "surrogateescape")
    try:
        names = [row[0] for row in csv.reader(text(listed.content).splitlines()) if row]
    except csv.Error:
        return ()
    paths = (posixpath.normpath(posixpath.join(base, name)).lstrip("/") for name in names)
    return tuple(found.encode("utf-8", "surrogateescape") for found in paths)
