"""What a manifest is as evidence, by its form alone."""

from __future__ import annotations

from typing import Literal

from lading.store.oci.documents import Manifest
from lading.verify.documents.media_types import BUNDLE_PREFIX, DAG, DSSE, SIMPLE_SIGNING

EvidenceKind = Literal["bundle", "dag", "signature", "attestation"]
"""A sigstore bundle; the layer DAG; cosign's older ``.sig`` and ``.att`` manifests."""


def evidence_kind(manifest: Manifest) -> EvidenceKind | None:
    """The kind, None for everything else, images above all.

    Only cosign's older forms may have the config of an image, and then none of its layers are one's.
    """
    media_types = {layer.media_type for layer in manifest.layers}
    if media_types == {SIMPLE_SIGNING}:
        return "signature"
    if media_types == {DSSE}:
        return "attestation"
    if manifest.is_image:
        return None
    if is_dag_artifact(manifest):
        return "dag"
    single = len(manifest.layers) == 1 and manifest.layers[0].media_type.startswith(BUNDLE_PREFIX)
    return "bundle" if single else None


def is_dag_artifact(manifest: Manifest) -> bool:
    """Whether `manifest` has the form of a layer DAG: its first layer the document, then envelopes only."""
    media_types = [layer.media_type for layer in manifest.layers]
    return media_types[:1] == [DAG] and all(media_type == DSSE for media_type in media_types[1:])
