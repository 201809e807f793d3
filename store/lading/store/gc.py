"""What may go, and its removal.

Reached are the images that are here (named or not) or held, the children of an index that are here, configs and
layers, and the manifests that refer to anything reached, with all that is theirs; the layers that the build cache
remembers; and the snapshots of all these. `collect` with `everything` removes what is not reached. Without, it
removes only what was an image's own that was given up: what a killed download or build left may still serve.

What a digest is taken for is no matter of who names it first: it is followed as everything that any descriptor or
the database says it is. A document that was damaged no longer says what is its own, so that nothing is collected
while an image or a holder reaches one; when that image goes, or is pulled again, all goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lading.store.content.blobs import read_blob
from lading.store.errors import DocumentError, Remedy
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import DOCUMENTS, Index, Manifest, chain_ids, parse_document
from lading.store.oci.json import MAX_SIZE
from lading.store.store import Store


class DamagedError(DocumentError):
    """A document that a name or a holder needs is damaged."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed, `size` in bytes; `deferred` says that others were writing, so that nothing was."""

    blobs: tuple[Digest, ...] = ()
    size: int = 0
    snapshots: tuple[str, ...] = ()
    deferred: bool = False


def collect(store: Store, *, everything: bool = True) -> Collected:
    """Removes what may go, or has it done by whoever comes next. A kill leaves only what a later call removes.

    Raises `DamagedError`, removing nothing, where what an image or a holder needs cannot be told any more.
    """
    with store.collecting() as alone:
        if alone:
            return collect_alone(store, everything=everything)
    if everything:
        postpone(store)
    return Collected(deferred=True)


def postpone(store: Store) -> None:
    """Has whoever ends work next collect what nothing needs."""
    store.index.run("UPDATE rendering SET due = 1")


def collect_due(store: Store) -> None:
    """Does what others were in the way of, unless they still are."""
    with store.collecting() as alone:
        if alone:
            collect_alone(store, everything=store.index.one("SELECT 1 FROM rendering WHERE due = 1") is not None)


def collect_alone(store: Store, *, everything: bool = True) -> Collected:
    """As `collect`, inside of `Store.collecting`."""
    store.blobs.sweep()
    store.snapshots.sweep()
    reached = Reached.by_all(store)
    given_up = None if everything else Reached.by_given_up(store)
    snapshots = _remove_snapshots(store, reached, given_up)
    if given_up is None:
        removed = [digest for digest in store.blobs if digest not in reached.blobs]
    else:
        # A document after what only it tells of.
        removed = [digest for digest in reversed(given_up.blobs) if digest not in reached.blobs]
    store.forget(removed)
    gone: list[Digest] = []
    size = 0
    for digest in removed:
        held = store.blobs.size(digest)
        if store.blobs.delete(digest):
            gone.append(digest)
            size += held or 0
    _note_done(store, everything)
    return Collected(tuple(gone), size + sum(freed for _, freed in snapshots), tuple(key for key, _ in snapshots))


def _note_done(store: Store, everything: bool) -> None:
    with store.index.transaction():
        for image in store.given_up():
            store.index.run("DELETE FROM image WHERE digest = ?", (str(image.digest),))
        if everything:
            store.index.run("UPDATE rendering SET due = 0 WHERE due = 1")


@dataclass(frozen=True, slots=True)
class _Root:
    """What keeps something, in words, and what ends that."""

    keeper: str
    remedy: Remedy


class Reached:
    """From images, holders and the build cache to all that they need: blobs in the order they were met, chain IDs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.blobs: dict[Digest, None] = {}
        self.chains: set[str] = set()
        self._followed: set[tuple[Digest, str]] = set()
        self._kinds = self._recorded()
        self._waiting: list[tuple[Descriptor, _Root | None]] = []

    @classmethod
    def by_all(cls, store: Store) -> Reached:
        """What is needed."""
        found = cls.by_images(store)
        for blob, snapshot in store.index.all("SELECT blob, snapshot FROM cache WHERE blob IS NOT NULL"):
            found.blobs[Digest.parse(blob)] = None
            if snapshot:
                found.chains.add(snapshot)
        return found

    @classmethod
    def by_images(cls, store: Store) -> Reached:
        """What images and holders need; what only the build cache remembers is not in it."""
        found = cls(store)
        for holder, digest, kind in store.index.all("SELECT id, digest, media_type FROM lease"):
            root = _Root(f"container {holder[:12]}", _give_up_container(holder[:12]))
            found._start(Descriptor(kind, Digest.parse(digest), 0), root)
        for reference in store.references():
            root = _Root(reference.name, _pull_or_give_up(reference.name))
            found._start(reference.descriptor, root)
        for image in store.kept():
            found._start(image.descriptor, _Root("an image without a name", _give_up(image.descriptor.digest)))
        return found._run()

    @classmethod
    def by_given_up(cls, store: Store) -> Reached:
        """What the images need that were given up, as far as it can be told."""
        return cls.by(store, store.given_up())

    @classmethod
    def by(cls, store: Store, images: Iterable[Descriptor]) -> Reached:
        """What some images need, as far as it can be told."""
        found = cls(store)
        found._waiting += [(image, None) for image in images]
        return found._run()

    def _recorded(self) -> dict[Digest, set[str]]:
        """What the database calls a manifest or an index."""
        kinds: dict[Digest, set[str]] = {}
        for table in ("reference", "image", "referrer", "lease"):
            for digest, kind in self._store.index.all(f"SELECT DISTINCT digest, media_type FROM {table}"):  # noqa: S608
                kinds.setdefault(Digest.parse(digest), set()).add(kind)
        return kinds

    def _run(self) -> Reached:
        while self._waiting:
            self._visit(*self._waiting.pop())
        return self

    def _start(self, descriptor: Descriptor, root: _Root) -> None:
        if descriptor.media_type in DOCUMENTS and self._store.blobs.size(descriptor.digest) is None:
            raise _damaged(descriptor.digest, "is not here any more", root)
        self._waiting.append((descriptor, root))

    def _visit(self, descriptor: Descriptor, root: _Root | None) -> None:
        digest = descriptor.digest
        if digest not in self.blobs:
            self.blobs[digest] = None
            if digest in self._kinds or descriptor.media_type in DOCUMENTS:
                self._waiting += [(item, root) for item in self._store.referrers(digest)]
        for kind in {descriptor.media_type, *self._kinds.get(digest, ())} & DOCUMENTS:
            if (digest, kind) not in self._followed:
                self._followed.add((digest, kind))
                self._waiting += [(item, root) for item in self._below(Descriptor(kind, digest, 0), root)]

    def _below(self, descriptor: Descriptor, root: _Root | None) -> Iterator[Descriptor]:
        document = self._document(descriptor, root)
        if isinstance(document, Index):
            yield from document.manifests
        elif document is not None:
            yield document.config
            yield from document.layers
            if document.is_image:
                self.chains.update(_chains(self._store, document))

    def _document(self, descriptor: Descriptor, root: _Root | None) -> Manifest | Index | None:
        """None for what is not here, as a child of another platform, and for what was never a document."""
        digest = descriptor.digest
        size = self._store.blobs.size(digest)
        if size is None or (size > MAX_SIZE and digest not in self._kinds):
            return None
        try:
            raw = read_blob(self._store.blobs, digest)
        except DocumentError:
            if root is None:
                return None
            raise _damaged(digest, "was changed", root) from None
        try:
            return parse_document(raw, descriptor.media_type, str(digest))
        except DocumentError:
            return None


def _damaged(digest: Digest, how: str, root: _Root) -> DamagedError:
    return DamagedError(
        f"{root.keeper}: the manifest {digest} {how}, so that nothing can be collected", hint=root.remedy
    )


def _give_up_container(container: str) -> Remedy:
    return Remedy("give up container", "pulling its image mends it, removing the container gives it up", container)


def _pull_or_give_up(name: str) -> Remedy:
    return Remedy("pull or give up", f"pulling {name} mends it, removing that name gives it up", name)


def _give_up(digest: Digest) -> Remedy:
    return Remedy("give up image", "removing the image gives it up", str(digest))


def _chains(store: Store, manifest: Manifest) -> set[str]:
    try:
        return {str(chain) for chain in chain_ids(store.config(manifest).diff_ids)}
    except DocumentError:
        return set()


def _remove_snapshots(store: Store, reached: Reached, given_up: Reached | None) -> list[tuple[str, int]]:
    """Children before their parents; what an active snapshot stands on stays. Their keys and sizes."""
    removed: list[tuple[str, int]] = []
    while True:
        rows = store.index.all(
            "SELECT key FROM snapshot s WHERE committed = 1"
            " AND NOT EXISTS (SELECT 1 FROM snapshot c WHERE c.parent = s.key)"
        )
        leaves = [row[0] for row in rows if row[0] not in reached.chains]
        keys = [key for key in leaves if given_up is None or key in given_up.chains]
        if not keys:
            return removed
        for key in keys:
            size = store.snapshots.size(key)
            store.snapshots.remove(key)
            removed.append((key, size))
