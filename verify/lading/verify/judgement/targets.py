"""An image as the verifier is given it."""

from __future__ import annotations

from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.digests import Digest
from lading.store.oci.documents import Index, Manifest


@dataclass(frozen=True, slots=True)
class Target:
    """An image as it was reached: by which index, under which full names, and by which it once came here."""

    manifest: Manifest
    index: Index | None = None
    platform: Platform | None = None
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @property
    def subjects(self) -> tuple[Descriptor, ...]:
        """What evidence may be about."""
        manifest = self.manifest.descriptor
        return (manifest,) if self.index is None else (self.index.descriptor, manifest)

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Of the subjects."""
        return tuple(subject.digest for subject in self.subjects)

    @property
    def references(self) -> tuple[str | None, ...]:
        """What it is judged under: names and origins, each once; None alone where it has neither."""
        found = dict.fromkeys((*self.names, *self.origins))
        return tuple(found) or (None,)

    @property
    def in_index(self) -> bool:
        """Whether the index, where there is one, lists this manifest."""
        own = self.manifest.descriptor
        return self.index is None or any(
            (item.media_type, item.digest, item.size) == (own.media_type, own.digest, own.size)
            for item in self.index.manifests
        )
