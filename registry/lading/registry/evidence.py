"""A registry's repository as a place of evidence (`lading.verify.evidence.Evidence`)."""

from __future__ import annotations

from lading.registry.client import Client
from lading.registry.reference import Reference
from lading.store.descriptors import Descriptor
from lading.store.documents import INDEXES, MANIFESTS
from lading.store.errors import DocumentError, LadingError
from lading.verify.evidence import Found


class RegistryEvidence:
    """What refers to an image in one repository; asked for anew at each call."""

    def __init__(self, client: Client, repository: Reference) -> None:
        self._client = client
        self._repository = repository

    @property
    def name(self) -> str:
        """The repository's full name."""
        return self._repository.repository_name

    def referrers(self, subject: Descriptor) -> Found:
        """By the referrers API or its stand-in tag, and by cosign's older tags; incomplete where either failed."""
        found: dict[str, Descriptor] = {}
        reasons: list[str] = []
        try:
            listed = self._client.referrers(self._repository, subject.digest)
            found |= {str(item.digest): item for item in listed if item.media_type in MANIFESTS | INDEXES}
        except LadingError as error:
            reasons.append(error.message)
        try:
            legacy = self._client.legacy_evidence(self._repository, subject.digest)
            found |= {str(item.descriptor.digest): item.descriptor for item in legacy.values()}
        except LadingError as error:
            reasons.append(error.message)
        return Found(tuple(found.values()), not reasons, "; ".join(reasons) or None)

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        """A manifest or a blob, verified. Raises `LadingError`."""
        if descriptor.size > limit:
            raise DocumentError(f"{descriptor.digest}: {descriptor.size} bytes, more than the {limit} allowed here")
        if descriptor.media_type not in MANIFESTS | INDEXES:
            return self._client.blob(self._repository, descriptor, limit=limit)
        fetched = self._client.fetch(self._repository.at(descriptor.digest))
        if fetched.descriptor.size != descriptor.size:
            raise DocumentError(
                f"{descriptor.digest}: has {fetched.descriptor.size} bytes, its descriptor says {descriptor.size}"
            )
        return fetched.document.raw
