"""The image of a solved graph: its config and its manifest, in the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from lading.build.graph.graph import Graph
from lading.build.graph.image_config import render
from lading.build.graph.solve_state import SolveState
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import CONFIG, MANIFEST
from lading.store.oci.json import canonical
from lading.store.store import Store

_OCI_LAYERS: Final = {
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC, without a fraction."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def assemble(
    graph: Graph, solved: SolveState, epoch: int, store: Store, annotations: Mapping[str, str] | None = None
) -> Descriptor:
    """Writes config and manifest, its layers rendered before; the manifest's descriptor."""
    stack = solved.image_stack(graph.chain)
    layered = frozenset(step for step in graph.chain.steps if solved.layer(step))
    config = render(graph.config, tuple(diff_id for _, diff_id in stack), layered, timestamp(epoch))
    store.put_document(config)
    noted: dict[str, object] = {"annotations": dict(annotations)} if annotations else {}
    manifest = canonical(
        {
            **noted,
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Descriptor.of(config, CONFIG).json(),
            "layers": [_layer(descriptor).json() for descriptor, _ in stack],
        }
    )
    return store.put_manifest(manifest, MANIFEST)


def _layer(descriptor: Descriptor) -> Descriptor:
    media_type = _OCI_LAYERS.get(descriptor.media_type, descriptor.media_type)
    return Descriptor(media_type, descriptor.digest, descriptor.size, descriptor.annotations)
