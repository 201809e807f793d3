"""Removing what nobody uses: images, the build cache, and with `system` containers and volumes too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from lading.build.solver.cache_trimming import CacheEntry, Trimmed, choose, entries
from lading.build.solver.cache_trimming import remove as remove_entries
from lading.runtime.containers.volumes import Volumes
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.gc import Collected, collect
from lading.store.oci.json import Fields
from lading.store.system.patterns import pattern

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.host.images.images import Listed
    from lading.runtime.containers.container import Container

_ANONYMOUS: Final = pattern(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PrunedImages:
    """Names that were taken away, and what was removed then."""

    names: tuple[str, ...]
    digests: tuple[str, ...]
    collected: Collected


def prune_images(host: Host, *, every: bool, chosen: Callable[[Listed], bool]) -> PrunedImages:
    """Removes images without a name, or `every` image, that no container uses; and what killed downloads left."""
    store = host.store
    names: list[str] = []
    digests: list[str] = []
    for row in list(host.images.all()):
        digest = row.descriptor.digest
        if (row.name and not every) or store.leaseholders(digest) or not chosen(row):
            continue
        if row.name:
            if store.untag(row.name, digest) is None:
                continue  # a build or a pull has given the name to another image meanwhile
            names.append(row.name)
        store.give_up(digest)
        digests.append(str(digest))
    return PrunedImages(tuple(names), tuple(dict.fromkeys(digests)), collect(store))


def prune_cache(host: Host, *, every: bool, before: float | None = None, limit: int | None = None) -> Trimmed:
    """Removes what the build cache holds and no image has, or `every` thing of it: what was used least recently first.

    With `before` only what was last used before it; with `limit` only until the rest fits into so many bytes.
    """
    chosen: list[CacheEntry] = choose(entries(host.store), everything=every, before=before, limit=limit)
    return remove_entries(host.store, chosen)


def prune_containers(host: Host, chosen: Callable[[Container], bool]) -> list[str]:
    """Removes the containers that ended; their ids."""
    removed: list[str] = []
    for container in host.runtime.list(every=True):
        if not container.active and chosen(container):
            with suppress(InputError):  # another call was first
                host.runtime.remove(container.id)
                removed.append(container.id)
    return removed


def prune_volumes(host: Host) -> list[str]:
    """Removes anonymous volumes that no container has; their names."""
    removed = [name for name in unused_volumes(host) if _ANONYMOUS.fullmatch(name)]
    for name in removed:
        Volumes(host.configuration.root).remove(name)
    return removed


def unused_volumes(host: Host) -> list[str]:
    """Those that no container has: listed before the containers, which are on record before their volumes are made."""
    found = Volumes(host.configuration.root).names()
    used = set(mounted(host.runtime.list(every=True)))
    return [name for name in found if name not in used]


def mounted(containers: Iterable[Container]) -> list[str]:
    """The names of the volumes that containers have, each as often as it is had."""
    items = (Fields(item, "mount") for container in containers for item in container.mounts)
    return [name for item in items if (name := item.optional_text("Name"))]
