"""What a build takes from action caches elsewhere, and gives to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from lading.store.content.blobs import Blobs, Source
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.verify.keys.keys import PublicKey


class EntrySource(Protocol):
    """Where entries are found by their tags. Its methods raise `LadingError`; nobody vouches for what they give."""

    @property
    def title(self) -> str:
        """As warnings name it."""
        ...

    def entries(self, tag: str) -> Iterator[bytes]:
        """The envelopes of that tag, each looked for when it is asked for."""
        ...

    def take(self, blob: Descriptor, blobs: Blobs) -> None:
        """Copies a blob, held to its digest, into `blobs`."""
        ...


class EntryPlace(EntrySource, Protocol):
    """Where entries can be put as well."""

    def has(self, tag: str) -> bool:
        """Whether there is an entry of that tag, whatever it is worth."""
        ...

    def put(self, tag: str, manifest: bytes, blobs: Sequence[Descriptor], source: Source) -> None:
        """Writes an entry and the blobs that it names, which are in `source`."""
        ...


@dataclass(frozen=True, slots=True)
class CacheTarget:
    """A place that a build gives its actions to: all of them, or only those of the image's own layers.

    A place that `must` have them ends a build that could not give them.
    """

    place: EntryPlace
    everything: bool = True
    must: bool = False


@dataclass(frozen=True, slots=True)
class SharedCaches:
    """Those of one build; `keys` are those whose entries are believed, asked for when there is one to judge.

    With `inline` its images carry the entries of their own layers.
    """

    sources: tuple[EntrySource, ...] = ()
    targets: tuple[CacheTarget, ...] = ()
    inline: bool = False
    keys: Callable[[], Sequence[PublicKey]] = tuple
