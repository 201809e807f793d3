"""The files of whole images, streamed from their layers: nothing is unpacked, every blob is held to its digests."""

from __future__ import annotations

from collections.abc import Sequence

from lading.inventory.trees.file_nodes import FileNode, folder
from lading.inventory.trees.layer_tree import Choose, read_layer
from lading.store.archives.layer_limits import DEFAULT, Limits
from lading.store.archives.layers import open_archive
from lading.store.content.blobs import Source
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import History, ImageConfig, Manifest, layers_with_diff_ids


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """An image wherever it lies: `blobs` are read from there, within `limits`."""

    name: str
    manifest: Manifest
    config: ImageConfig
    blobs: Source
    limits: Limits = DEFAULT

    @property
    def layers(self) -> list[tuple[Descriptor, Digest]]:
        """Bottom up, with their diff IDs."""
        return layers_with_diff_ids(self.manifest, self.config)

    @property
    def steps(self) -> list[str]:
        """What the history says of each layer, "" where it says nothing."""
        made = [step for step in self.config.history if not step.empty_layer]
        made += [History()] * (len(self.manifest.layers) - len(made))
        return [step.created_by or "" for step in made]

    def layer(self, number: int, choose: Choose | None = None) -> FileNode:
        """The tree of one layer, with what it removes. Raises `DocumentError`."""
        descriptor, diff_id = self.layers[number]
        with open_archive(self.blobs, descriptor, diff_id, limits=self.limits) as archive:
            where = f"{self.name}: layer {descriptor.digest}"
            return read_layer(archive, where, number, self.limits, *([choose] if choose else []))

    def tree(self, choose: Choose | None = None) -> FileNode:
        """All layers merged."""
        return self.above(folder(0), range(len(self.manifest.layers)), choose)

    def above(self, below: FileNode, numbers: Sequence[int], choose: Choose | None = None) -> FileNode:
        """`below` with the layers of these numbers laid over it."""
        for number in numbers:
            below.merge(self.layer(number, choose))
        return below
