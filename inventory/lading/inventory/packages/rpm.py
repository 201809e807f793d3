"""rpm's database, one file of headers in one of three forms; or what images without rpm have in its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lading.inventory.packages.package import Distribution, Package
from lading.inventory.packages.records import text
from lading.inventory.packages.rpm_databases import headers_in
from lading.inventory.packages.rpm_headers import RpmHeader
from lading.inventory.trees.file_nodes import FileNode
from lading.store.errors import DocumentError
from lading.store.system.patterns import pattern

_FOLDERS: Final = (b"var/lib/rpm", b"usr/lib/sysimage/rpm", b"usr/share/rpm")
DATABASES: Final = tuple(
    b"%s/%s" % (folder, name) for folder in _FOLDERS for name in (b"rpmdb.sqlite", b"Packages.db", b"Packages")
)
_SOURCE: Final = pattern(r"-[^-]*-[^-]*\.(no)?src\.rpm$")
MANIFEST: Final = b"var/lib/rpmmanifest/container-manifest-2"
"""Of Azure Linux's distroless images: a line of tabs for each package (its toolkit's documentation, "Misc")."""


def read(root: FileNode, distribution: Distribution) -> Iterator[Package]:
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
    manifest = root.find(MANIFEST)
    for line in text(manifest.content).splitlines() if manifest else ():
        yield from _listed(line.split("\t"), manifest.layer if manifest else 0, distribution)


def _listed(words: Sequence[str], layer: int, distribution: Distribution) -> Iterator[Package]:
    """Name, version, two times, vendor, epoch, size, architecture, epoch as a number, source."""
    if len(words) < 10 or words[0] in ("", "gpg-pubkey"):
        return
    epoch = "" if words[5] == "(none)" else f"{words[5]}:"
    yield Package(
        "rpm",
        words[0],
        epoch + words[1],
        MANIFEST,
        layer,
        words[7],
        _namespace(distribution.name),
        _SOURCE.sub("", words[9]),
        qualifiers=(("distro", distribution.word), ("upstream", words[9])),
    )


def _package(header: RpmHeader, record: bytes, layer: int, distribution: Distribution) -> Iterator[Package]:
    if header.name and header.name != "gpg-pubkey":  # a key is kept like a package
        source = _SOURCE.sub("", header.source)
        yield Package(
            "rpm",
            header.name,
            header.version,
            record,
            layer,
            header.architecture,
            _namespace(distribution.name),
            source,
            header.files(),
            (header.license,) if header.license else (),
            (("distro", distribution.word), ("upstream", header.source)),
        )


def _namespace(distribution: str) -> str:
    """Who packed it: package URLs have other words than os-release for some."""
    if distribution == "rhel":
        return "redhat"
    return "opensuse" if distribution.startswith("opensuse") else distribution
