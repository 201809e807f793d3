"""Where a push takes an image from: a store, or a layout where it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from lading.store.content.blobs import Source
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
        """Its content."""
        ...

    def document(self, wanted: Descriptor, /) -> Manifest | Index:
        """The manifest or index of a descriptor, read and verified. Raises `DocumentError`."""
        ...

    def referrers(self, subject: Digest, /) -> Sequence[Descriptor]:
        """The manifests here that refer to `subject`, cosign's older form included."""
        ...

    def legacy_tags(self, subject: Digest, /) -> Mapping[str, Digest]:
        """cosign's older evidence of `subject`: tag to digest."""
        ...

    def origins_of(self, digest: Digest, /) -> Sequence[str]:
        """The full names that an image was pulled by."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """While inside, nothing is taken away from it."""
        ...
