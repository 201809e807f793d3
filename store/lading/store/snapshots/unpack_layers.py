"""From an image's layers to committed snapshots."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lading.store.archives.layer_limits import DEFAULT
from lading.store.archives.layers import apply_layer
from lading.store.archives.merged_layers import unpack_merged
from lading.store.content.blobs import Blobs
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import ImageConfig, Manifest, chain_ids, layers_with_diff_ids
from lading.store.progress import QUIET, Progress
from lading.store.snapshots.snapshots import TEMPORARY, Snapshots


def unpack(
    snapshots: Snapshots, blobs: Blobs, manifest: Manifest, config: ImageConfig, progress: Progress = QUIET
) -> str | None:
    """Unpacks what is not unpacked yet; the name of the topmost snapshot, None for an image without layers.

    Every blob and archive is held to its digest. A kill leaves nothing that counts. Raises `DocumentError`.
    """
    return unpack_layers(snapshots, blobs, layers_with_diff_ids(manifest, config), progress)


def unpack_layers(
    snapshots: Snapshots,
    blobs: Blobs,
    layers: Sequence[tuple[Descriptor, Digest]],
    progress: Progress = QUIET,
    *,
    anew: bool = False,
    seen: set[tuple[str, Digest]] | None = None,
) -> str | None:
    """As `unpack`, of layers and their diff IDs, bottom up, that need not be an image's yet; `anew` as for `repair`.

    In `seen`, snapshots and the blobs that they are of are noted, for a caller who holds the store meanwhile and asks
    for one stack after another: they are looked for once.
    """
    seen = set() if seen is None else seen
    parent: str | None = None
    chains = chain_ids(tuple(diff_id for _, diff_id in layers))
    if snapshots.are_whole and not anew:
        return _unpack_at_once(snapshots, blobs, layers, list(map(str, chains)), progress)
    for (layer, diff_id), chain in zip(layers, chains, strict=True):
        name = str(chain)
        if (name, layer.digest) in seen:
            pass
        elif anew or not _is_committed(snapshots, name):
            _unpack_layer(snapshots, blobs, layer, diff_id, parent, name, progress, anew=anew)
        else:
            snapshots.diff_ids.check(blobs, layer, diff_id)  # what lies there may have come from another blob
        seen.add((name, layer.digest))
        parent = name
    return parent


def _unpack_at_once(
    snapshots: Snapshots,
    blobs: Blobs,
    layers: Sequence[tuple[Descriptor, Digest]],
    chains: Sequence[str],
    progress: Progress,
) -> str | None:
    """As `unpack_layers`, where each snapshot would hold a copy of all below it: those in between are left out."""
    there = max((at for at, name in enumerate(chains, 1) if _is_committed(snapshots, name)), default=0)
    for layer, diff_id in layers[:there]:
        snapshots.diff_ids.check(blobs, layer, diff_id)
    if there == len(layers):
        return chains[-1] if chains else None
    key = f"{TEMPORARY}{os.urandom(8).hex()}"
    snapshots.prepare(key, chains[there - 1] if there else None)
    try:
        place = snapshots.whole(key)
        assert place is not None
        unpack_merged(blobs, layers[there:], place, snapshots.limits or DEFAULT, progress)
        snapshots.commit(key, chains[-1])
    except BaseException:
        snapshots.remove(key)
        raise
    for layer, diff_id in layers[there:]:
        snapshots.diff_ids.remember(layer, diff_id)
    return chains[-1]


def _is_committed(snapshots: Snapshots, name: str) -> bool:
    found = snapshots.stat(name)
    return found is not None and found.committed


def _unpack_layer(
    snapshots: Snapshots,
    blobs: Blobs,
    layer: Descriptor,
    diff_id: Digest,
    parent: str | None,
    name: str,
    progress: Progress,
    *,
    anew: bool,
) -> None:
    key = f"{TEMPORARY}{os.urandom(8).hex()}"
    snapshots.prepare(key, parent)
    try:
        limits, folder = snapshots.limits or DEFAULT, snapshots.changes(key)
        with snapshots.parent_mounted(key) as below:
            marks = snapshots.marks
            apply_layer(blobs, layer, diff_id, folder, below=below, limits=limits, progress=progress, marks=marks)
        snapshots.commit(key, name, anew=anew, layer=(layer, diff_id))
    except BaseException:
        snapshots.remove(key)
        raise


def repair(
    snapshots: Snapshots, blobs: Blobs, manifest: Manifest, config: ImageConfig, progress: Progress = QUIET
) -> str | None:
    """Unpacks an image anew, whatever is there: also for the images that share layers with it, which stand on them.

    Call it while nobody else writes, and nothing that stands on a layer of the image is mounted.
    """
    return unpack_layers(snapshots, blobs, layers_with_diff_ids(manifest, config), progress, anew=True)
