"""A registry's repository as a place of evidence (`lading.verify.evidence.evidence.Evidence`)."""

from __future__ import annotations

from lading.registry.client.client import Client
from lading.registry.http.budget import Budget
from lading.registry.reference import Reference
from lading.store.errors import DocumentError, LadingError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import INDEXES, MANIFESTS
from lading.verify.evidence.evidence import ExhaustedError, ReferrerList


class RegistryEvidence:
    """What refers to an image in one repository; asked for anew at each call, within one budget for all of them."""

    def __init__(self, client: Client, repository: Reference) -> None:
        self.budget = Budget(client.config.limits)
        """To be entered by whoever asks more of the registry for the same judgement."""
        self._client = client
        self._repository = repository

    @property
    def name(self) -> str:
        """The repository's full name."""
        return self._repository.repository_name

    def referrers(self, subject: Descriptor) -> ReferrerList:
        """By the referrers API or its stand-in tag, and by cosign's older tags; incomplete where either failed."""
        with self.budget:
            return self._referrers(subject)

    def _referrers(self, subject: Descriptor) -> ReferrerList:
        found: dict[str, Descriptor] = {}
        reasons: list[str] = []
        try:
            listed = self._client.referrers(self._repository, subject.digest)
            found |= {str(item.digest): item for item in listed if item.media_type in MANIFESTS | INDEXES}
        except ExhaustedError:
            raise
        except LadingError as error:
            reasons.append(error.message)
        try:
            legacy = self._client.legacy_evidence(self._repository, subject.digest)
            found |= {str(item.descriptor.digest): item.descriptor for item in legacy.values()}
        except ExhaustedError:
            raise
        except LadingError as error:
            reasons.append(error.message)
        return ReferrerList(tuple(found.values()), not reasons, "; ".join(reasons) or None)

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        """A manifest or a blob, verified. Raises `LadingError`, of which `ExhaustedError`."""
        with self.budget:
            return self._read(descriptor, limit)

    def _read(self, descriptor: Descriptor, limit: int) -> bytes:
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
