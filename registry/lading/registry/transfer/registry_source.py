"""A repository of a registry as a source of images: everything verified, nothing kept on a disk."""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from lading.registry.client.client import Client
from lading.registry.errors import ProtocolError
from lading.registry.reference import Reference
from lading.store.content.blobs import BlobReader, MissingBlobError
from lading.store.content.verifying_reader import VerifyingReader
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import DOCUMENTS, Index, Manifest


class RegistrySource:
    """The images of a reference's repository, with what refers to them."""

    def __init__(self, client: Client, reference: Reference) -> None:
        self.where = reference.repository_name
        self._client = client
        self._reference = reference
        self._listed: dict[Digest, Descriptor] = {}
        self._read: dict[Digest, Manifest | Index] = {}
        self.blobs = RegistryBlobs(client, reference, self._listed)

    def image(self) -> Descriptor:
        """What the reference means now. Raises `NotFoundError`, another `RegistryError`."""
        fetched = self._client.fetch(self._reference)
        self._read[fetched.descriptor.digest] = fetched.document
        return fetched.descriptor

    def document(self, wanted: Descriptor) -> Manifest | Index:
        """Raises `NotFoundError`, `ProtocolError` for one that is not as it was listed, another `RegistryError`."""
        document = self._read.pop(wanted.digest, None) or self._fetch(wanted)
        parts = (document.config, *document.layers) if isinstance(document, Manifest) else document.manifests
        self._listed.update((item.digest, item) for item in parts)
        return document

    def _fetch(self, wanted: Descriptor) -> Manifest | Index:
        fetched = self._client.fetch(self._reference.at(wanted.digest))
        got = fetched.descriptor
        if wanted.media_type and (got.media_type, got.size) != (wanted.media_type, wanted.size):
            raise ProtocolError(
                f"{self._reference.familiar}: {wanted.digest} is {got.media_type} of {got.size} bytes,"
                f" listed as {wanted.media_type} of {wanted.size}"
            )
        return fetched.document

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """By the referrers API, or the tag that stands in for it. Raises rather than leaving something out."""
        listed = self._client.referrers(self._reference, subject)
        return tuple(item for item in listed if item.media_type in DOCUMENTS)

    def legacy_tags(self, subject: Digest) -> Mapping[str, Digest]:
        """cosign's older evidence of `subject`: tag to digest."""
        found = self._client.legacy_evidence(self._reference, subject)
        self._read |= {fetched.descriptor.digest: fetched.document for fetched in found.values()}
        return {tag: fetched.descriptor.digest for tag, fetched in found.items()}

    def origins_of(self, digest: Digest) -> Sequence[str]:
        """Its name here: another repository of this registry takes its blobs over from this one."""
        del digest
        return (self._reference.repository_name,)

    @contextmanager
    def writing(self) -> Generator[None, None, None]:
        """Nobody can keep a registry from deleting."""
        yield


@dataclass(frozen=True, slots=True)
class RegistryBlobs:
    """The blobs and children that documents of a repository list; a blob of a document is taken to be there."""

    client: Client
    repository: Reference
    listed: Mapping[Digest, Descriptor]

    def size(self, digest: Digest) -> int | None:
        """In bytes; None for what nothing lists, and for a child that the registry does not have."""
        item = self.listed.get(digest)
        if item is None or (item.media_type in DOCUMENTS and not self.client.head(self.repository.at(digest))):
            return None
        return item.size

    def open(self, digest: Digest) -> BlobReader:
        """Streams from the registry, and goes on where a connection breaks. Raises `MissingBlobError`."""
        item = self.listed.get(digest)
        if item is None:
            raise MissingBlobError(f"{self.repository.repository_name}: nothing read from it lists {digest}")
        stream = io.BufferedReader(_Pieces(self.client.blob_pieces(self.repository, item)))
        return VerifyingReader(stream, digest, self.repository.repository_name)


class _Pieces(io.RawIOBase):
    """A file over what comes piece by piece."""

    def __init__(self, pieces: Generator[memoryview, None, None]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._pieces.close()  # and with it the answer, which may not have been read to its end
        super().close()

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
