"""Small images made by hand, for tests that need some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lading.store.content.blobs import write_blob
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, EMPTY, INDEX, LAYER, MANIFEST
from lading.store.oci.json import canonical
from lading.store.store import Store


def put_image(store: Store, *layers: bytes, config: Mapping[str, object] | None = None) -> Descriptor:
    """An image whose uncompressed layers are `layers`, not necessarily archives."""
    digests = [write_blob(store.blobs, layer) for layer in layers]
    document = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [str(digest) for digest in digests]},
        "config": dict(config or {}),
    }
    entries = [Descriptor(LAYER, digest, len(layer)).json() for digest, layer in zip(digests, layers, strict=True)]
    return put_manifest(store, canonical(document), CONFIG, entries)


def put_manifest(
    store: Store, config: bytes, config_type: str, layers: Sequence[object] = (), **members: object
) -> Descriptor:
    """A manifest with the given config bytes; `members` are added to it."""
    value: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor(config_type, write_blob(store.blobs, config), len(config)).json(),
        "layers": list(layers),
        **members,
    }
    return store.put_manifest(canonical(value), MANIFEST)


def put_referrer(store: Store, subject: Descriptor, content: bytes, artifact_type: str = "test/evidence") -> Descriptor:
    """An artifact that refers to `subject`."""
    layer = Descriptor("test/content", write_blob(store.blobs, content), len(content)).json()
    return put_manifest(store, b"{}", EMPTY, [layer], subject=subject.json(), artifactType=artifact_type)


def put_index(store: Store, *children: Descriptor, missing: Sequence[Descriptor] = ()) -> Descriptor:
    """An index of images, of which some may not be here."""
    value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child.json() for child in (*children, *missing)]}
    return store.put_manifest(canonical(value), INDEX)


def blobs_of(store: Store, descriptor: Descriptor) -> set[Digest]:
    """The digests that a manifest consists of."""
    document = store.document(descriptor)
    inside = {layer.digest for layer in getattr(document, "layers", ())}
    config = getattr(document, "config", None)
    return {descriptor.digest, *inside, *({config.digest} if config else ())}


def remove(store: Store, name: str) -> None:
    """Takes away a name, and with the last one gives its image up."""
    found = store.untag(name)
    assert found is not None
    store.give_up(found.descriptor.digest)
