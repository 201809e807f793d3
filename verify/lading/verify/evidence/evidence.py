"""Where evidence comes from: whatever can say which documents refer to an image, and read them.

The local store and a registry are two such places. A list that may be incomplete says so: an error is never
"none found".
"""

from __future__ import annotations

from typing import Protocol

from lading.store.content.blobs import Blobs, read_blob
from lading.store.errors import DocumentError, LadingError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest


@dataclass(frozen=True, slots=True)
class ReferrerList:
    """The manifests that refer to a subject. Where the list is not `complete`, `reason` says why."""

    descriptors: tuple[Descriptor, ...]
    complete: bool = True
    reason: str | None = None


class ExhaustedError(LadingError):
    """A bound of the judgement was reached: nothing more is to be asked."""

    exit_code = 5


class Evidence(Protocol):
    """One place where evidence may lie."""

    @property
    def name(self) -> str:
        """The place in a few words: "the local store", a repository's name."""
        ...

    def referrers(self, subject: Descriptor) -> ReferrerList:
        """What refers to `subject`, whatever its type, cosign's older tags included. Raises `ExhaustedError`."""
        ...

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        """The verified content. Raises `LadingError` where it is missing, not as named, or beyond `limit` bytes."""
        ...


class ReferrerIndex(Protocol):
    """What `StoreEvidence` needs of a store."""

    @property
    def blobs(self) -> Blobs:
        """Where content lies."""
        ...

    def referrers(self, subject: Digest, /) -> tuple[Descriptor, ...]:
        """The manifests here that refer to `subject`."""
        ...


class StoreEvidence:
    """The local store as `Evidence`; what it knows is complete."""

    def __init__(self, store: ReferrerIndex) -> None:
        self._store = store

    @property
    def name(self) -> str:
        """For people."""
        return "the local store"

    def referrers(self, subject: Descriptor) -> ReferrerList:
        """What the index lists."""
        return ReferrerList(self._store.referrers(subject.digest))

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        """From the blobs, hashed as it is read."""
        if descriptor.size > limit:
            raise DocumentError(f"{descriptor.digest}: {descriptor.size} bytes, more than the {limit} allowed here")
        data = read_blob(self._store.blobs, descriptor.digest, limit=limit)
        if len(data) != descriptor.size:
            raise DocumentError(f"{descriptor.digest}: has {len(data)} bytes, its descriptor says {descriptor.size}")
        return data
