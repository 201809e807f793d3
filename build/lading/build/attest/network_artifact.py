"""The OCI artifact that carries what a build's steps asked of the web: its document first, then the answers' bodies.

It refers to the image, so that it is kept, pushed and pulled with it. The provenance names it by its digest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lading.store.errors import DocumentError, InputError
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import EMPTY, MANIFEST, Manifest
from lading.store.oci.json import canonical
from lading.verify.documents.attach import EMPTY_CONFIG, Artifact
from lading.verify.documents.media_types import NETWORK
from lading.verify.observations.exchanges import MAX_RECORD, NetworkTape

BODY: Final = "application/octet-stream"
MAX_BODIES: Final = 4095
"""Layers of one manifest, less the document."""


def recorded_network(subject: Descriptor, tape: NetworkTape) -> Artifact:
    """The artifact about `subject`; its bodies are in the store already. Raises `InputError` for too many."""
    raw, bodies = tape.raw(), tape.bodies
    if len(bodies) > MAX_BODIES or len(raw) > MAX_RECORD:
        raise InputError(
            f"{len(bodies)} different answers were recorded, more than the {MAX_BODIES} that one image holds"
        )
    layers = [Descriptor.of(raw, NETWORK), *(Descriptor(BODY, digest, size) for digest, size in bodies.items())]
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": NETWORK,
            "config": Descriptor.of(EMPTY_CONFIG, EMPTY).json() | {"artifactType": NETWORK},
            "layers": [layer.json() for layer in layers],
            "subject": Descriptor(subject.media_type, subject.digest, subject.size).json(),
        }
    )
    return Artifact(manifest, (EMPTY_CONFIG, raw), NETWORK)


def is_recorded_network(manifest: Manifest) -> bool:
    """Whether `manifest` has the form of one."""
    media_types = [layer.media_type for layer in manifest.layers]
    return media_types[:1] == [NETWORK] and all(one == BODY for one in media_types[1:])


def read_tape(manifest: Manifest, read: Callable[[Descriptor, int], bytes]) -> NetworkTape:
    """Its document; `read` gives the verified content of a descriptor. Raises `DocumentError` for another form."""
    if not is_recorded_network(manifest):
        raise DocumentError("not a recorded network: it must hold its document and then bodies only")
    tape = NetworkTape.parse(read(manifest.layers[0], MAX_RECORD))
    if set(tape.bodies) != {layer.digest for layer in manifest.layers[1:]}:
        raise DocumentError("recorded network: it speaks of other bodies than it holds")
    return tape
