"""Where images are taken from and where they go: a store, a layout, a registry.

Both sides hold every byte to its digest as it moves. What is visible of an image under a name is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from lading.store.content.blobs import Blobs, Source
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import Index, Manifest


class ImageSource(Protocol):
    """Images with what refers to them."""

    @property
    def where(self) -> str:
        """For people: "the local store"."""
        ...

    @property
    def blobs(self) -> Source:
        """Its content; of a registry, what its documents list that were read."""
        ...

    def document(self, wanted: Descriptor, /) -> Manifest | Index:
        """The manifest or index of a descriptor, read and verified. Raises `DocumentError`, `RegistryError`."""
        ...

    def referrers(self, subject: Digest, /) -> Sequence[Descriptor]:
        """The manifests here that refer to `subject`; a store and a layout list cosign's older form, too."""
        ...

    def legacy_tags(self, subject: Digest, /) -> Mapping[str, Digest]:
        """cosign's older evidence of `subject`: tag to digest."""
        ...

    def origins_of(self, digest: Digest, /) -> Sequence[str]:
        """The full names that an image was pulled by, or has in a registry."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """While inside, nothing is taken away from it."""
        ...


class ImageSink(Protocol):
    """A place that images are put into, what they consist of first and their name last."""

    @property
    def blobs(self) -> Blobs:
        """Its content."""
        ...

    def is_intact(self, digest: Digest, /) -> bool:
        """Whether a blob is here, and is what its digest says."""
        ...

    def document(self, wanted: Descriptor, /) -> Manifest | Index:
        """As a source has it."""
        ...

    def put_manifest(self, raw: bytes, media_type: str, /, *, tag: str | None = None) -> Descriptor:
        """Takes a manifest or an index; one with a subject, or a tag of cosign's older form, is evidence there."""
        ...

    def tag(self, name: str, descriptor: Descriptor, origins: Iterable[str], /) -> None:
        """Makes a name mean an image that is here."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """To be inside while an image is put; nothing of it is taken away meanwhile."""
        ...
