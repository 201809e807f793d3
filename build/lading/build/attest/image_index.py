"""The index of the images of one build: one for each platform, in the order of the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import INDEX
from lading.store.oci.json import canonical
from lading.store.store import Store


def assemble_index(images: Sequence[Descriptor], store: Store, annotations: Mapping[str, str]) -> Descriptor:
    """Writes the index of `images`, each of which names its platform; the index's descriptor."""
    noted: dict[str, object] = {"annotations": dict(annotations)} if annotations else {}
    document: dict[str, object] = {
        **noted,
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [image.json() for image in images],
    }
    return store.put_manifest(canonical(document), INDEX)
