"""What takes room on the disk: images, containers, volumes, the build cache."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from lading.build.solver.cache_trimming import CacheEntry, entries
from lading.host.upkeep.pruning import mounted
from lading.runtime.containers.volumes import Volumes
from lading.store.archives.trees import bytes_of
from lading.store.fastclass import dataclass
from lading.store.gc import Reached
from lading.store.oci.digests import Digest

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.host.images.images import Listed
    from lading.runtime.containers.container import Container
    from lading.store.store import Store

Parts = frozenset[str]
"""Blobs by digest, and unpacked trees by ``tree`` and chain ID."""


@dataclass(frozen=True, slots=True)
class ImageUse:
    """An image: blobs and unpacked trees in bytes, of these what others have too, and its containers' number."""

    listed: Listed
    size: int
    shared: int
    containers: int


@dataclass(frozen=True, slots=True)
class ContainerUse:
    """A container, and the bytes of what it wrote."""

    container: Container
    size: int


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """A volume, its bytes, and how many containers have it."""

    name: str
    size: int
    links: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One kind: how many there are and are in use, all bytes of it, and those that removing what is unused frees."""

    kind: str
    total: int
    active: int
    size: int
    reclaimable: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Everything, and a summary of each kind."""

    images: Sequence[ImageUse]
    containers: Sequence[ContainerUse]
    volumes: Sequence[VolumeUse]
    cache: Sequence[CacheEntry]
    summaries: Sequence[Summary]


def usage(host: Host) -> Usage:
    """What takes room in a root."""
    images, summary = _images(host)
    records = list(host.runtime.list(every=True))
    containers = [ContainerUse(record, _written(host, record)) for record in records]
    links = mounted(records)
    root = host.configuration.root / "volumes"
    volume = [
        VolumeUse(name, bytes_of(root / name), links.count(name)) for name in Volumes(host.configuration.root).names()
    ]
    cache = entries(host.store)
    sizes = [entry.size for entry in cache]
    return Usage(
        images,
        containers,
        volume,
        cache,
        (
            summary,
            Summary(
                "Containers",
                len(containers),
                sum(found.container.active for found in containers),
                sum(found.size for found in containers),
                sum(found.size for found in containers if not found.container.active),
            ),
            Summary(
                "Local Volumes",
                len(volume),
                sum(found.links > 0 for found in volume),
                sum(found.size for found in volume),
                sum(found.size for found in volume if not found.links),
            ),
            Summary("Build Cache", len(cache), sum(entry.shared for entry in cache), sum(sizes), sum(sizes)),
        ),
    )


def _images(host: Host) -> tuple[list[ImageUse], Summary]:
    store = host.store
    rows = list(host.images.all())
    parts = {row.descriptor.digest: _parts(Reached.by(store, [row.descriptor])) for row in rows}
    sizes = {part: _size(store, part) for part in frozenset[str]().union(*parts.values())}
    held = {digest: len(store.leaseholders(digest)) for digest in parts}
    used = frozenset[str]().union(*(found for digest, found in parts.items() if held[digest]))
    uses: list[ImageUse] = []
    for row in rows:
        own = parts[row.descriptor.digest]
        others = frozenset[str]().union(*(found for digest, found in parts.items() if digest != row.descriptor.digest))
        total, shared = (sum(sizes[part] for part in some) for some in (own, own & others))
        uses.append(ImageUse(row, total, shared, held[row.descriptor.digest]))
    free = sum(size for part, size in sizes.items() if part not in used)
    active = sum(count > 0 for count in held.values())
    return uses, Summary("Images", len(parts), active, sum(sizes.values()), free)


def _parts(reached: Reached) -> Parts:
    return frozenset(map(str, reached.blobs)) | {f"tree {chain}" for chain in reached.chains}


def _size(store: Store, part: str) -> int:
    if part.startswith("tree "):
        return store.snapshots.size(part.removeprefix("tree "))
    return store.blobs.size(Digest.parse(part)) or 0


def _written(host: Host, record: Container) -> int:
    """Its changes, and its log."""
    found = 0
    if host.store.snapshots.stat(record.id):
        found = host.store.snapshots.size(record.id)
    with suppress(OSError):
        found += os.stat(host.configuration.root / "containers" / record.id / "log").st_size
    return found
