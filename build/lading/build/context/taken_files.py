"""Files of the context that steps take: known by the root of their tree, and listed where somebody asks for more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Final

from lading.build.context.context_entries import context_entries
from lading.build.context.folder_roots import TreeRoots
from lading.build.context.picked_files import CopySource
from lading.store.archives.trees import Entry, Tree
from lading.store.fastclass import dataclass
from lading.store.index import Index
from lading.store.oci.digests import Digest

KIND: Final = "taken"
_MANY: Final = 500
"""Entries from which on making their tree costs more than remembering its root."""


@dataclass(frozen=True, slots=True)
class TakenFiles:
    """Files by their paths in the context."""

    root: Digest
    entries: Callable[[], Sequence[Entry]]


def taken(source: CopySource) -> TakenFiles:
    """A source of the context, with all that comes with it."""
    listed = cache(lambda: context_entries(source, source.item.path))
    return TakenFiles(_roots(source).whole if source.item.is_folder else Tree(b"", listed()).root(), listed)


def folder_root(source: CopySource) -> Digest:
    """The root of what is in a folder, by paths below it."""
    return _roots(source).inner


def _roots(source: CopySource) -> TreeRoots:
    stamp = source.stamp
    if stamp is not None and stamp.roots is not None:
        return stamp.roots
    inner = Tree(b"", context_entries(source, "")).root()
    roots = TreeRoots(inner, Tree(b"", context_entries(source, source.item.path)).root() if source.item.path else inner)
    if stamp is not None:
        stamp.keep(roots)
    return roots


def together(parts: Iterable[TakenFiles], index: Index) -> TakenFiles | None:
    """All of them, as one build sees them; None for nothing. The roots of large trees are remembered."""
    found = {part.root: part for part in parts}
    if len(found) <= 1:
        return next(iter(found.values()), None)

    @cache
    def merged() -> Sequence[Entry]:
        by_path = {entry.path: entry for part in found.values() for entry in part.entries()}
        return [by_path[path] for path in sorted(by_path)]

    key = hashlib.sha256("\n".join(sorted(map(str, found))).encode()).hexdigest()
    known = index.recall(KIND, key)
    if known is not None:
        return TakenFiles(Digest.parse(known.decode()), merged)
    root = Tree(b"", list(merged())).root()
    if len(merged()) > _MANY:
        index.remember(KIND, key, str(root).encode())
    return TakenFiles(root, merged)
