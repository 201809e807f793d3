"""What no name, no holder and no evidence reaches, and its removal.

Reached are the images that names and holders mean, the children of an index that are here, configs and layers,
and the manifests that refer to anything reached, with all that is theirs; and the snapshots of reached images.
What a digest is taken for is no matter of who names it first: it is followed as everything that any descriptor or
the database says it is. A document that was damaged no longer says what is its own, so that nothing is collected
while a name or a holder reaches one; when that name goes, or the image is pulled again, all goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lading.store.blobs import read_blob
from lading.store.descriptors import Descriptor
from lading.store.digests import Digest
from lading.store.documents import DOCUMENTS, Index, Manifest, chain_ids, parse_document
from lading.store.errors import DocumentError
from lading.store.store import Store
from lading.store.strict import MAX_SIZE


class DamagedError(DocumentError):
    """A document that a name or a holder needs is damaged."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed; `deferred` says that others were writing, so that nothing was."""

    blobs: tuple[Digest, ...] = ()
    size: int = 0
    snapshots: tuple[str, ...] = ()
    deferred: bool = False


def collect(store: Store) -> Collected:
    """Removes what nothing reaches. A kill at any point leaves only what the next collection removes.

    Raises `DamagedError`, removing nothing, where what a name or a holder needs cannot be told any more.
    """
    with store.collecting() as alone:
        if not alone:
            return Collected(deferred=True)
        store.blobs.sweep()
        store.snapshots.sweep()
        reached = _Walk(store).run()
        snapshots = _remove_snapshots(store, reached)
        removed = [digest for digest in store.blobs if digest not in reached.blobs]
        store.forget(removed)
        size = 0
        for digest in removed:
            size += store.blobs.size(digest) or 0
            store.blobs.delete(digest)
        return Collected(tuple(removed), size, snapshots)


@dataclass(frozen=True, slots=True)
class _Root:
    """Why something is kept: in words, and what ends it."""

    what: str
    remedy: str


class _Walk:
    """From everything that is named or held to all that it needs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.blobs: set[Digest] = set()
        self.chains: set[str] = set()
        self._followed: set[tuple[Digest, str]] = set()
        self._kinds = self._recorded()
        self._waiting: list[tuple[Descriptor, _Root]] = []

    def _recorded(self) -> dict[Digest, set[str]]:
        """What the database calls a manifest or an index."""
        kinds: dict[Digest, set[str]] = {}
        for table in ("reference", "referrer", "lease"):
            for digest, kind in self._store.index.all(f"SELECT DISTINCT digest, media_type FROM {table}"):  # noqa: S608
                kinds.setdefault(Digest.parse(digest), set()).add(kind)
        return kinds

    def run(self) -> _Walk:
        """Itself, when all is visited."""
        for holder, digest, kind in self._store.index.all("SELECT id, digest, media_type FROM lease"):
            root = _Root(f"container {holder[:12]}", f"pulling its image mends it, `lading rm {holder[:12]}`")
            self._start(Descriptor(kind, Digest.parse(digest), 0), root)
        for reference in self._store.references():
            root = _Root(reference.name, f"`lading pull {reference.name}` mends it, `lading rmi {reference.name}`")
            self._start(reference.descriptor, root)
        while self._waiting:
            self._visit(*self._waiting.pop())
        return self

    def _start(self, descriptor: Descriptor, root: _Root) -> None:
        if descriptor.media_type in DOCUMENTS and self._store.blobs.size(descriptor.digest) is None:
            raise _damaged(descriptor.digest, "is not here any more", root)
        self._waiting.append((descriptor, root))

    def _visit(self, descriptor: Descriptor, root: _Root) -> None:
        digest = descriptor.digest
        if digest not in self.blobs:
            self.blobs.add(digest)
            if digest in self._kinds or descriptor.media_type in DOCUMENTS:
                self._waiting += [(item, root) for item in self._store.referrers(digest)]
        for kind in {descriptor.media_type, *self._kinds.get(digest, ())} & DOCUMENTS:
            if (digest, kind) not in self._followed:
                self._followed.add((digest, kind))
                self._waiting += [(item, root) for item in self._below(Descriptor(kind, digest, 0), root)]

    def _below(self, descriptor: Descriptor, root: _Root) -> Iterator[Descriptor]:
        document = self._document(descriptor, root)
        if isinstance(document, Index):
            yield from document.manifests
        elif document is not None:
            yield document.config
            yield from document.layers
            if document.is_image:
                self.chains.update(_chains(self._store, document))

    def _document(self, descriptor: Descriptor, root: _Root) -> Manifest | Index | None:
        """None for what is not here, as a child of another platform, and for what was never a document."""
        digest = descriptor.digest
        size = self._store.blobs.size(digest)
        if size is None or (size > MAX_SIZE and digest not in self._kinds):
            return None
        try:
            raw = read_blob(self._store.blobs, digest)
        except DocumentError:
            raise _damaged(digest, "was changed", root) from None
        try:
            return parse_document(raw, descriptor.media_type, str(digest))
        except DocumentError:
            return None


def _damaged(digest: Digest, how: str, root: _Root) -> DamagedError:
    return DamagedError(
        f"{root.what}: the manifest {digest} {how}, so that nothing can be collected", hint=f"{root.remedy} gives it up"
    )


def _chains(store: Store, manifest: Manifest) -> set[str]:
    try:
        return {str(chain) for chain in chain_ids(store.config(manifest).diff_ids)}
    except DocumentError:
        return set()


def _remove_snapshots(store: Store, reached: _Walk) -> tuple[str, ...]:
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
