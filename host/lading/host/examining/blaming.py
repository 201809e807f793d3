"""Who is to blame for a file of an image, and what share of all of them comes from where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lading.host.examining.file_origins import TRACED, FileSource, SourceKind, Tracer
from lading.host.examining.image_sources import opened_images
from lading.inventory.packages.packages import Inventory, take_inventory
from lading.store.errors import InputError
from lading.store.fastclass import dataclass

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.inventory.trees.file_nodes import FileNode


@dataclass(frozen=True, slots=True)
class BlamedFile:
    """A file with all that is known of where it comes from; `layer` counts from 0."""

    path: bytes
    node: FileNode
    layers: int
    source: FileSource


@dataclass(frozen=True, slots=True)
class SourceShare:
    """Files of one layer that come from one sort of source: how many, their bytes, and what is known of the first."""

    layer: int
    source: SourceKind
    files: int
    size: int
    known: FileSource


@dataclass(frozen=True, slots=True)
class Shares:
    """All files of an image, each counted once however many names it has."""

    image: str
    shares: tuple[SourceShare, ...]

    def count(self, *sources: SourceKind) -> tuple[int, int]:
        """Files and bytes from these sources; of all where none is named."""
        chosen = [share for share in self.shares if not sources or share.source in sources]
        return sum(share.files for share in chosen), sum(share.size for share in chosen)

    @property
    def traced(self) -> tuple[int, int]:
        """Files and bytes of which everything is on record."""
        return self.count(*TRACED)


def blame_file(host: Host, image: str, path: str) -> BlamedFile:
    """Raises `InputError` where nothing is at `path`; links in the way of the last word are followed."""
    with opened_images(host, (image,)) as (opened,):
        found = take_inventory(opened)
        real = found.root.real(path.strip("/").encode("utf-8", "surrogateescape"))
        node = found.root.find(real) if real is not None else None
        if real is None or node is None:
            raise InputError(f"{path}: not in {image}")
        tracer = Tracer(host, image, opened.config.diff_ids)
        source = tracer.file(node.layer, found.owners().get(real))
        return BlamedFile(real, node, len(opened.manifest.layers), source)


def blame_all(host: Host, image: str) -> Shares:
    """The shares of all files."""
    with opened_images(host, (image,)) as (opened,):
        tracer = Tracer(host, image, opened.config.diff_ids)
        return Shares(image, tuple(_shares(take_inventory(opened), tracer)))


def _shares(found: Inventory, tracer: Tracer) -> Iterator[SourceShare]:
    owners = found.owners()
    groups: dict[tuple[int, SourceKind], tuple[FileSource, list[int]]] = {}
    files = {id(node): (path, node) for path, node in found.root.walk() if node.kind == "file"}
    for path, node in files.values():
        known = tracer.file(node.layer, owners.get(path))
        groups.setdefault((node.layer, known.source), (known, []))[1].append(node.size)
    for (layer, source), (known, sizes) in sorted(groups.items(), key=lambda item: item[0]):
        yield SourceShare(layer, source, len(sizes), sum(sizes), known)
