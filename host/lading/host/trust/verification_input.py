"""An image and its evidence as they are brought before the verifier, from the local store or from a registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lading.host.images.images import Images, ResolvedImage
from lading.registry.reference import Reference
from lading.store.errors import DocumentError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Platform
from lading.store.oci.documents import ImageConfig, Index, Manifest, parse_config, parse_document
from lading.store.oci.json import MAX_SIZE
from lading.store.oci.platform_choice import child_for
from lading.store.oci.platforms import host_platform
from lading.store.store import Store
from lading.verify.evidence.evidence import Evidence, ExhaustedError, StoreEvidence
from lading.verify.judgement.decision import Decision
from lading.verify.judgement.targets import Target
from lading.verify.judgement.verdict import Verdict
from lading.verify.judgement.verifier import Verifier

if TYPE_CHECKING:
    from lading.registry.client.client import Client


@dataclass(frozen=True, slots=True)
class VerificationInput:
    """An image before the verifier: what it is, and the places where evidence about it may lie."""

    target: Target
    evidence: tuple[Evidence, ...]
    """The first is that of the place where the image is."""
    where: str
    """The local store, or the repository: for people."""
    pulled: ResolvedImage | None = None
    """The name that it takes from another image here once it is accepted."""

    def config(self) -> ImageConfig:
        """The image's own, from where it was found. Raises `LadingError`."""
        config = self.target.manifest.config
        return parse_config(self.evidence[0].read(config, limit=MAX_SIZE), str(config.digest))

    def verdict(self, verifier: Verifier) -> Verdict:
        """Raises `GateError`."""
        return verifier.verify(self.target, self.evidence)

    def decision(self, verifier: Verifier) -> Decision:
        """Everything that was looked at, accepted or not."""
        return verifier.examine(self.target, self.evidence)


def local_input(
    store: Store, located: ResolvedImage, platform: Platform | None = None, beyond: Sequence[Evidence] = ()
) -> VerificationInput:
    """A located image of the store with the evidence there, and what lies `beyond` where that does not suffice."""
    target = Images(store).target(located, platform)
    return VerificationInput(target, (StoreEvidence(store), *beyond), "the local store")


def remote_input(client: Client, reference: Reference, platform: Platform | None = None) -> VerificationInput:
    """An image as a registry has it now, with the evidence there. Raises `RegistryError`."""
    from lading.registry.client.evidence import RegistryEvidence  # noqa: PLC0415 - brings the whole client

    evidence = RegistryEvidence(client, reference)
    try:
        with evidence.budget:
            target = _target(client, reference, platform or host_platform())
    except ExhaustedError as error:
        raise ExhaustedError(f"{reference.familiar}: {error.message}") from None
    return VerificationInput(target, (evidence,), reference.repository_name)


def _target(client: Client, reference: Reference, platform: Platform) -> Target:
    descriptor, raw = client.manifest(reference)
    document = parse_document(raw, descriptor.media_type, reference.name)
    if isinstance(document, Manifest):
        return Target(document, None, None, (reference.name,), ())
    return _child(client, reference, document, platform)


def _child(client: Client, reference: Reference, index: Index, wanted: Platform) -> Target:
    child = child_for(index, wanted, reference.familiar)
    descriptor, raw = client.manifest(reference.at(child.digest))
    manifest = parse_document(raw, descriptor.media_type, str(child.digest))
    if not isinstance(manifest, Manifest):
        raise DocumentError(f"{child.digest}: an index within an index")
    return Target(manifest, index, child.platform, (reference.name,), ())
