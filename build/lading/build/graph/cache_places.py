"""What a build takes from action caches elsewhere, and gives to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lading.store.content.blobs import Blobs, Source
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import Manifest
from lading.verify.keys.keys import PublicKey


class EntryPlace(Protocol):
    """Where entries lie, by their tags. Its methods raise `LadingError`; nobody vouches for what they give."""

    @property
    def title(self) -> str:
        """As warnings name it."""
        ...

    def manifest(self, tag: str) -> Manifest | None:
        """The entry of that tag; None where there is none."""
        ...

    def take(self, blob: Descriptor, blobs: Blobs) -> None:
        """Copies a blob, held to its digest, into `blobs`."""
        ...

    def put(self, tag: str, manifest: bytes, blobs: Sequence[Descriptor], source: Source) -> None:
        """Writes an entry and the blobs that it names, which are in `source`."""
        ...


@dataclass(frozen=True, slots=True)
class CacheTarget:
    """A place that a build gives its actions to: all of them, or only those of the image's own layers."""

    place: EntryPlace
    everything: bool = True


@dataclass(frozen=True, slots=True)
class SharedCaches:
    """Those of one build; `keys` are those whose entries are believed, asked for when there is one to judge."""

    sources: tuple[EntryPlace, ...] = ()
    targets: tuple[CacheTarget, ...] = ()
    keys: Callable[[], Sequence[PublicKey]] = tuple
