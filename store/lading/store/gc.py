"""What no name, no holder and no evidence reaches, and its removal.

Reached are the images that names and holders mean, the children of an index that are here, configs and layers,
and the manifests that refer to anything reached, with all that is theirs; and the snapshots of reached images.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lading.store.descriptors import Descriptor
from lading.store.digests import Digest
from lading.store.documents import CONFIGS, INDEXES, MANIFESTS, Index, Manifest, chain_ids
from lading.store.errors import DocumentError
from lading.store.store import Store


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed; `deferred` says that others were writing, so that nothing was."""

    blobs: tuple[Digest, ...] = ()
    size: int = 0
    snapshots: tuple[str, ...] = ()
    deferred: bool = False


@dataclass(slots=True)
class _Reached:
    blobs: set[Digest]
    chains: set[str]


def collect(store: Store) -> Collected:
    """Removes what nothing reaches. A kill at any point leaves only what the next collection removes."""
    with store.collecting() as alone:
        if not alone:
            return Collected(deferred=True)
        store.blobs.sweep()
        store.snapshots.sweep()
        reached = _reach(store)
        snapshots = _remove_snapshots(store, reached)
        removed: list[Digest] = []
        size = 0
        for digest in list(store.blobs):
            if digest not in reached.blobs:
                size += store.blobs.size(digest) or 0
                store.index.run("DELETE FROM referrer WHERE digest = ?", (str(digest),))
                store.index.run("DELETE FROM blob_seal WHERE digest = ?", (str(digest),))
                store.blobs.delete(digest)
                removed.append(digest)
        if removed:
            store.render()
        return Collected(tuple(removed), size, snapshots)


def _reach(store: Store) -> _Reached:
    reached = _Reached(set(), set())
    waiting = [reference.descriptor for reference in store.references()]
    held = store.index.all("SELECT DISTINCT digest FROM lease")
    waiting += [Descriptor("", Digest.parse(row[0]), 0) for row in held]
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest in reached.blobs:
            continue
        reached.blobs.add(descriptor.digest)
        if descriptor.media_type in INDEXES or descriptor.media_type in MANIFESTS or not descriptor.media_type:
            waiting.extend(_below(store, descriptor, reached))
            waiting.extend(store.referrers(descriptor.digest))
    return reached


def _below(store: Store, descriptor: Descriptor, reached: _Reached) -> Iterator[Descriptor]:
    try:
        document = store.document(descriptor)
    except DocumentError:
        return  # a child of another platform that was not pulled, or a damaged document: kept, not followed
    if isinstance(document, Index):
        yield from document.manifests
        return
    yield document.config
    yield from document.layers
    if document.config.media_type in CONFIGS:
        reached.chains.update(_chains(store, document))


def _chains(store: Store, manifest: Manifest) -> set[str]:
    try:
        return {str(chain) for chain in chain_ids(store.config(manifest).diff_ids)}
    except DocumentError:
        return set()


def _remove_snapshots(store: Store, reached: _Reached) -> tuple[str, ...]:
    """Children before their parents; what an active snapshot stands on stays."""
    removed: list[str] = []
    while True:
        rows = store.index.all(
            "SELECT key FROM snapshot s WHERE committed = 1"
            " AND NOT EXISTS (SELECT 1 FROM snapshot c WHERE c.parent = s.key)"
        )
        keys = [row[0] for row in rows if row[0] not in reached.chains]
        if not keys:
            return tuple(removed)
        for key in keys:
            store.snapshots.remove(key)
            removed.append(key)
