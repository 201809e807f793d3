"""How a bundle is attached to an image: an artifact manifest that refers to it (OCI 1.1 ``subject``).

The form is the one that cosign 3.1 and npm's @sigstore/oci write, member for member, so that each finds what
the others attach. Such a manifest is pushed by digest, without a tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import EMPTY, MANIFEST
from lading.store.oci.json import canonical
from lading.verify.documents.media_types import BUNDLE

EMPTY_CONFIG: Final = b"{}"
CREATED: Final = "org.opencontainers.image.created"
CONTENT: Final = "dev.sigstore.bundle.content"
PREDICATE_TYPE: Final = "dev.sigstore.bundle.predicateType"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A manifest and the blobs it names, the config first."""

    manifest: bytes
    blobs: tuple[bytes, ...]
    artifact_type: str

    @property
    def descriptor(self) -> Descriptor:
        """Of the manifest, as a list of referrers has it."""
        return Descriptor(MANIFEST, Digest.of(self.manifest), len(self.manifest), artifact_type=self.artifact_type)


def artifact(subject: Descriptor, bundle: bytes, predicate_type: str, created: str) -> Artifact:
    """The artifact that attaches `bundle` to `subject`; `created` is RFC 3339, without a fraction."""
    annotations = {CREATED: created, CONTENT: "dsse-envelope", PREDICATE_TYPE: predicate_type}
    return compose(subject, BUNDLE, [(BUNDLE, bundle)], annotations)


def compose(
    subject: Descriptor,
    artifact_type: str,
    layers: Iterable[tuple[str, bytes]],
    annotations: Mapping[str, str],
) -> Artifact:
    """An artifact of (media type, content) layers with the empty config, about `subject`."""
    content = tuple(layers)
    config = Descriptor.of(EMPTY_CONFIG, EMPTY).json() | {"artifactType": artifact_type}
    manifest: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": config,
        "layers": [Descriptor.of(data, media_type).json() for media_type, data in content],
        "subject": Descriptor(subject.media_type, subject.digest, subject.size).json(),
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    return Artifact(canonical(manifest), (EMPTY_CONFIG, *(data for _, data in content)), artifact_type)
