"""Images with papers in a real store, for the tests of push and pull."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from lading.store.content.blobs import write_blob
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.documents import CONFIG, EMPTY, INDEX, LAYER, MANIFEST, Manifest
from lading.store.store import Store

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
EXAMPLE_TYPE = "application/vnd.example.paper+json"


def open_store(folder: Path) -> Store:
    return Store.open(folder)


def noise(word: str, size: int) -> bytes:
    """Bytes that no compression shrinks, the same for the same word."""
    return hashlib.shake_256(word.encode()).digest(size)


def put_image(store: Store, word: str = "app", *, layers: int = 2, size: int = 3000) -> Descriptor:
    """An image that nobody unpacks."""
    blobs = [noise(f"{word}{at}", size + at) for at in range(layers)]
    config = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": []},
            "config": {"Cmd": [word]},
        }
    ).encode()
    for data in (config, *blobs):
        write_blob(store.blobs, data)
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Descriptor.of(config, CONFIG).json(),
            "layers": [Descriptor.of(data, LAYER).json() for data in blobs],
        }
    ).encode()
    return store.put_manifest(raw, MANIFEST)


def put_index(store: Store, children: dict[Platform, Descriptor]) -> Descriptor:
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [replace(child, platform=platform).json() for platform, child in children.items()],
        }
    ).encode()
    return store.put_manifest(raw, INDEX)


def put_paper(store: Store, subject: Descriptor, word: str = "paper", kind: str = EXAMPLE_TYPE) -> Descriptor:
    """Something that refers to `subject`."""
    for data in (b"{}", word.encode()):
        write_blob(store.blobs, data)
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": Descriptor.of(b"{}", EMPTY).json(),
            "layers": [Descriptor.of(word.encode(), kind).json()],
            "subject": subject.json(),
            "annotations": {"com.example.word": word},
        }
    ).encode()
    return store.put_manifest(raw, MANIFEST)


def put_legacy(
    store: Store, subject: Descriptor, words: tuple[str, ...] = ("sig",), suffix: str = ".sig"
) -> Descriptor:
    """What cosign's older form looks like from a distance."""
    kind = "application/vnd.dev.cosign.simplesigning.v1+json"
    config = json.dumps({"os": "", "architecture": "", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    for data in (config, *(word.encode() for word in words)):
        write_blob(store.blobs, data)
    raw = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Descriptor.of(config, CONFIG).json(),
            "layers": [Descriptor.of(word.encode(), kind).json() for word in words],
        }
    ).encode()
    return store.put_manifest(raw, MANIFEST, tag=f"sha256-{subject.digest.hex}{suffix}")


def content(store: Store, image: Descriptor) -> set[str]:
    """The digests of an image's own blobs that the store has."""
    manifest = store.document(image)
    assert isinstance(manifest, Manifest)
    wanted = [manifest.config, *manifest.layers]
    return {str(item.digest) for item in wanted if store.blobs.size(item.digest) == item.size}
