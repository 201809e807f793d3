"""What of the build cache goes, and what of it first: by age, by size, and by a bound after each build.

The cache is the rows of steps with their layers and unpacked trees, what is remembered of contexts and of
attestations, and below ``cache/debian`` package lists and packages. What an image has anyway costs the cache nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from lading.build.graph.cache_folders import mount_size, mounts_folder
from lading.store.archives.trees import bytes_of
from lading.store.errors import LadingError
from lading.store.fastclass import dataclass
from lading.store.gc import Collected, Reached, collect_alone, postpone
from lading.store.oci.digests import Digest
from lading.store.store import Store
from lading.store.system.machine_errors import machine_errors
from lading.store.system.removal import remove_tree

CacheKind = Literal[
    "step",
    "layer",
    "attestations",
    "context",
    "context folder",
    "context files",
    "tree",
    "cache mount",
    "package lists",
    "package",
    "download",
]

_KINDS: Final[dict[str, CacheKind]] = {
    "action": "step",
    "image": "attestations",
    "stat": "context",
    "download": "download",
    "subtree": "tree",
    "rendering": "layer",
    "folder": "context folder",
    "taken": "context files",
}
_LAYERED: Final = ("action", "rendering")
_LEAST: Final = 2 * 10**9
_AT_ONCE: Final = 10
"""Rows deleted in one transaction: its journal stays within the room that is set aside for one."""
_GOING: Final = ".going-"


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One thing that the cache keeps: when it was used last, and the bytes that go with it.

    `shared` says that an image or a container has its content anyway.
    """

    kind: CacheKind
    key: str
    used: float
    size: int
    shared: bool
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What was removed."""

    entries: tuple[CacheEntry, ...]
    collected: Collected

    @property
    def size(self) -> int:
        """Bytes."""
        return self.collected.size + sum(entry.size for entry in self.entries if entry.path)


def default_limit(folder: Path) -> int:
    """The bound where none was set: a tenth of the file system, and at least 2 GB."""
    with machine_errors(folder):
        found = os.statvfs(folder)
    return max(_LEAST, found.f_blocks * found.f_frsize // 10)


def entries(store: Store) -> list[CacheEntry]:
    """The whole cache, what was used least recently first, and of one build the last step first."""
    found = [*_rows(store), *_files(store)]
    return sorted(found, key=lambda entry: entry.used)


def choose(
    cache: Sequence[CacheEntry], *, everything: bool, before: float | None = None, limit: int | None = None
) -> list[CacheEntry]:
    """What goes: all, or what no image has; only what was last used `before`; only until the rest fits the limit."""
    left = sum(entry.size for entry in cache)
    chosen: list[CacheEntry] = []
    for entry in cache:
        if limit is not None and left <= limit:
            break
        if (everything or not entry.shared) and (before is None or entry.used < before):
            chosen.append(entry)
            left -= entry.size
    return chosen


def remove(store: Store, chosen: Sequence[CacheEntry]) -> Trimmed:
    """Removes entries, and then what nothing needs; where others are at work, what they may use goes after them."""
    with store.collecting() as alone:
        going = [entry for entry in chosen if alone or entry.path is None]
        _forget(store, [entry for entry in going if entry.path is None])
        for entry in going:
            if entry.path is not None:
                _remove(entry.path)
        if alone:
            _sweep(store)
            return Trimmed(tuple(going), collect_alone(store))
    postpone(store)
    return Trimmed(tuple(going), Collected(deferred=True))


def bound(store: Store, limit: int, begun: float) -> None:
    """After a build: removes what was used least recently until the cache fits, nothing that was used since `begun`."""
    with suppress(LadingError):
        if _at_most(store) > limit:
            _bound(store, limit, begun)


def _at_most(store: Store) -> int:
    """Bytes of the cache, with what images have too: that is told without looking at images."""
    rows = store.index.all(
        "SELECT length(value) + coalesce(length(inputs), 0), blob, snapshot FROM cache"
        " WHERE kind IN (SELECT value FROM json_each(?))",
        (json.dumps(list(_KINDS)),),
    )
    sizes = dict[str, int](store.index.all("SELECT key, size FROM snapshot WHERE size IS NOT NULL"))
    blobs = sum(store.blobs.size(Digest.parse(blob)) or 0 for blob in {row[1] for row in rows} - {None})
    trees = sum(sizes.get(tree, 0) for tree in {row[2] for row in rows} - {None})
    values: int = sum(row[0] for row in rows)
    return blobs + trees + values + sum(entry.size for entry in _files(store))


def _bound(store: Store, limit: int, begun: float) -> None:
    with store.collecting() as alone:
        if not alone:
            return  # the last build to end does it
        cache = entries(store)
        if sum(entry.size for entry in cache) <= limit:
            return
        for entry in choose(cache, everything=False, before=begun, limit=limit):
            _remove(entry.path) if entry.path else _forget(store, [entry])
        collect_alone(store)


def note_use(paths: Iterable[Path]) -> None:
    """Notes that files of the cache served again."""
    for path in paths:
        with suppress(OSError):
            os.utime(path)


def _rows(store: Store) -> list[CacheEntry]:
    images = Reached.by_images(store)
    found: list[CacheEntry] = []
    counted: set[str] = set()
    # The latest first: what several rows share goes with the last of them.
    sql = """
        SELECT kind, key, used, blob, snapshot, length(value) + coalesce(length(inputs), 0) FROM cache
        WHERE kind IN (SELECT value FROM json_each(?)) ORDER BY used DESC, rowid
    """
    for kind, key, used, blob, snapshot, length in store.index.all(sql, (json.dumps(list(_KINDS)),)):
        own = {part for part in (blob, f"tree {snapshot}" if snapshot else None) if part}
        shared = _has(images, blob, snapshot) if kind in _LAYERED else kind == "image" and _attests(store, images, key)
        size = length + sum(_size(store, part, images) for part in own - counted)
        counted |= own
        found.append(CacheEntry(_KINDS[kind], key, used, size, shared))
    return found[::-1]


def _has(images: Reached, blob: str | None, snapshot: str | None) -> bool:
    return blob is not None and Digest.parse(blob) in images.blobs and (snapshot is None or snapshot in images.chains)


def _attests(store: Store, images: Reached, key: str) -> bool:
    """Whether a row names attestations of an image that is here."""
    raw = store.index.recall("image", key)
    with suppress(ValueError, TypeError, KeyError, LadingError):
        return any(Digest.parse(item["digest"]) in images.blobs for item in json.loads(raw or b"[]"))
    return False


def _size(store: Store, part: str, images: Reached) -> int:
    """Bytes that a blob or an unpacked tree holds for the cache alone."""
    if part.startswith("tree "):
        key = part.removeprefix("tree ")
        return 0 if key in images.chains else store.snapshots.size(key)
    digest = Digest.parse(part)
    return 0 if digest in images.blobs else store.blobs.size(digest) or 0


def _folder(store: Store) -> Path:
    return store.root / "cache" / "debian"


def _files(store: Store) -> list[CacheEntry]:
    found: list[CacheEntry] = []
    for kind, name, item in _places(store):
        with suppress(OSError):
            size = mount_size(item) if kind == "cache mount" else bytes_of(item)
            found.append(CacheEntry(kind, name, item.stat().st_mtime, size, False, item))
    return found


def _places(store: Store) -> Iterator[tuple[CacheKind, str, Path]]:
    for path in _listed(_folder(store)):
        if path.name != "debs":
            yield "package lists", path.name, path
            continue
        for item in _listed(path):
            yield "package", item.name, item
    for path in _listed(mounts_folder(store.root)):
        for item in _listed(path):
            yield "cache mount", f"{path.name}-{item.name}", item


def _listed(folder: Path) -> list[Path]:
    try:
        return [folder / name for name in os.listdir(folder) if not name.startswith(_GOING)]
    except OSError:
        return []


def _forget(store: Store, rows: Sequence[CacheEntry]) -> None:
    names = {kind: name for name, kind in _KINDS.items()}
    for start in range(0, len(rows), _AT_ONCE):
        with store.index.transaction():
            for entry in rows[start : start + _AT_ONCE]:
                store.index.forget(names[entry.kind], entry.key)


def _remove(path: Path) -> None:
    """A folder is gone at once, under a name that `_sweep` knows, and never half there."""
    going = path.with_name(f"{_GOING}{os.urandom(6).hex()}")
    with machine_errors(path), suppress(FileNotFoundError):
        os.rename(path, going)
        remove_tree(going)


def _sweep(store: Store) -> None:
    """Removes what a killed removal left."""
    folder = _folder(store)
    mounts = mounts_folder(store.root)
    for place in (folder, folder / "debs", *_listed(mounts)):
        with suppress(OSError):
            for name in os.listdir(place):
                if name.startswith(_GOING):
                    remove_tree(place / name)
    for place in _listed(mounts):
        with suppress(OSError):
            place.rmdir()  # nothing of it is left
