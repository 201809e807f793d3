"""The same image with its layers compressed otherwise: other bytes, and so another digest.

Configs stay as they are, and with them the diff IDs: every layer is held to its own while it is read once. What
refers to an image speaks of its digest and is not carried over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from lading.store.archives.compression import MEDIA_TYPES, Compression, encoder
from lading.store.archives.layers import open_archive
from lading.store.content.verifying_reader import CHUNK
from lading.store.fastclass import replace
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import (
    CONFIG,
    CONFIGS,
    DOCKER_LAYER,
    INDEX,
    MANIFEST,
    Index,
    Manifest,
    layers_with_diff_ids,
)
from lading.store.oci.json import canonical
from lading.store.progress import QUIET, Progress
from lading.store.store import Store
from lading.store.system.disk_space import Room

_SAME: Final = {DOCKER_LAYER: MEDIA_TYPES["gzip"]}
_OF_ITS_DIGEST: Final = "vnd.docker.reference.digest"
"""What marks an entry of an index as buildx's attestation of another."""


def convert(store: Store, descriptor: Descriptor, compression: Compression, progress: Progress = QUIET) -> Descriptor:
    """An image whose layers are all of `compression`; `descriptor` itself where they are already.

    Of an index, the images that are here. Call within `Store.writing`, until the image has a name or has gone on.
    Raises `DocumentError` for a layer that is not what its config says.
    """
    document = store.document(descriptor)
    if isinstance(document, Index):
        return _index(store, document, compression, progress)
    return _manifest(store, document, compression, progress)


def _index(store: Store, index: Index, compression: Compression, progress: Progress) -> Descriptor:
    here = [child for child in index.manifests if store.blobs.size(child.digest) is not None]
    images = [child for child in here if _OF_ITS_DIGEST not in child.annotations]
    children: list[Descriptor] = []
    for child in images:
        converted = convert(store, child, compression, progress)
        children.append(replace(child, digest=converted.digest, size=converted.size, media_type=converted.media_type))
    if children == list(index.manifests):
        return index.descriptor
    changed = {"mediaType": INDEX, "manifests": [child.json() for child in children]}
    return store.put_manifest(_changed(index.raw, changed), INDEX)


def _manifest(store: Store, manifest: Manifest, compression: Compression, progress: Progress) -> Descriptor:
    if manifest.config.media_type not in CONFIGS:
        return manifest.descriptor
    layers = [
        _layer(store, layer, diff_id, compression, progress)
        for layer, diff_id in layers_with_diff_ids(manifest, store.config(manifest))
    ]
    if layers == list(manifest.layers):
        return manifest.descriptor
    changed = {
        "mediaType": MANIFEST,
        "config": replace(manifest.config, media_type=CONFIG).json(),
        "layers": [replace(layer, media_type=_SAME.get(layer.media_type, layer.media_type)).json() for layer in layers],
    }
    return store.put_manifest(_changed(manifest.raw, changed), MANIFEST)


def _changed(raw: bytes, changed: Mapping[str, object]) -> bytes:
    return canonical({**json.loads(raw), **changed})


def _layer(
    store: Store, layer: Descriptor, diff_id: Digest, compression: Compression, progress: Progress
) -> Descriptor:
    wanted = MEDIA_TYPES[compression]
    if _SAME.get(layer.media_type, layer.media_type) == wanted:
        return layer
    task = progress.task(f"compressing {layer.digest.short}")
    running = encoder(compression)
    room = Room(store.root, f"layer {layer.digest}")
    size = 0

    def put(data: bytes) -> None:
        nonlocal size
        room.take(len(data))
        size += writer.write(data)

    with store.blobs.writer() as writer:
        with open_archive(store.blobs, layer, diff_id, limits=store.limits) as source:
            while data := source.read(CHUNK):
                put(running.compress(data))
                task.advance(len(data))
        put(running.flush())
        digest = writer.commit()
    task.done()
    return Descriptor(wanted, digest, size)  # annotations speak of the bytes there were
