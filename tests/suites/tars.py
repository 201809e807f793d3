"""Layers as tests write them, member by member, and images of them in memory."""

from __future__ import annotations

import io
import tarfile

from lading.inventory.trees.image_tree import OpenedImage
from lading.store.content.blobs import write_blob
from lading.store.content.memory import MemoryBlobs
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import CONFIG, LAYER, MANIFEST, parse_config, parse_manifest
from lading.store.oci.json import canonical

Member = tuple[str, bytes, str, int, int]
"""Path, type, link target or content, mode, owner."""


def archive(members: list[Member], seconds: int = 0) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for at, (path, kind, word, mode, owner) in enumerate(members):
            info = tarfile.TarInfo(path)
            info.type, info.mode, info.uid, info.mtime = kind, mode, owner, 1_000_000 + at * seconds
            if kind == tarfile.REGTYPE:
                info.size = len(word)
                tar.addfile(info, io.BytesIO(word.encode()))
            else:
                info.linkname = word
                tar.addfile(info)
    return made.getvalue()


def opened(*layers: bytes) -> OpenedImage:
    blobs = MemoryBlobs()
    digests = [str(write_blob(blobs, layer)) for layer in layers]
    config = canonical(
        {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": digests}, "config": {}}
    )
    manifest = canonical(
        {
            "schemaVersion": 2,
            "config": Descriptor.of(config, CONFIG).json(),
            "layers": [Descriptor.of(layer, LAYER).json() for layer in layers],
        }
    )
    return OpenedImage("image", parse_manifest(manifest, MANIFEST, "image"), parse_config(config, "config"), blobs)


def file(path: str, content: str = "text", mode: int = 0o644, owner: int = 0) -> Member:
    return (path, tarfile.REGTYPE, content, mode, owner)
