"""rpm's database: one file of headers, in one of three forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lading.inventory.packages.package import Package
from lading.inventory.packages.rpm_databases import headers_in
from lading.inventory.packages.rpm_headers import RpmHeader
from lading.inventory.trees.file_nodes import FileNode
from lading.store.errors import DocumentError

_FOLDERS: Final = (b"var/lib/rpm", b"usr/lib/sysimage/rpm")
DATABASES: Final = tuple(
    b"%s/%s" % (folder, name) for folder in _FOLDERS for name in (b"rpmdb.sqlite", b"Packages.db", b"Packages")
)


def read(root: FileNode, distribution: str) -> Iterator[Package]:
    """Every package of the databases; of a path that is a link to another, once. Raises `DocumentError`."""
    for path in DATABASES:
        node = root.find(path)
        if node is None or node.content is None or root.real(path) != path:
            continue
        try:
            for header in map(RpmHeader, headers_in(node.content)):
                yield from _package(header, path, node.layer, distribution)
        except DocumentError as error:
            raise DocumentError(f"/{path.decode()}: {error.message}") from error


def _package(header: RpmHeader, record: bytes, layer: int, distribution: str) -> Iterator[Package]:
    if header.name and header.name != "gpg-pubkey":  # a key is kept like a package
        source = re.sub(r"-[^-]*-[^-]*\.(no)?src\.rpm$", "", header.source)
        yield Package(
            "rpm",
            header.name,
            header.version,
            record,
            layer,
            header.architecture,
            distribution,
            source,
            header.files(),
        )
