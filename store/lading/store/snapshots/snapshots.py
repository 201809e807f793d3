"""Unpacked layers, in the model of containerd's snapshotters.

A snapshot is prepared on a parent, written to through its mount, and committed under a name; then it never
changes, and others are prepared on it. Committing flushes it to the disk and seals it; `check` tells whether it
and all below it are still as they were. Names of committed snapshots are chain IDs of layers.

This is what everybody calls; how the folders of a snapshot become one view is for the `Snapshotter` to know.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lading.store.errors import MachineError
from lading.store.index import Index
from lading.store.snapshots.diff_ids import DiffIds
from lading.store.snapshots.metadata import Snapshot, SnapshotMetadata
from lading.store.snapshots.mounts import unmount
from lading.store.snapshots.snapshotter import Snapshotter
from lading.store.system.machine_errors import machine_errors
from lading.store.system.private_folders import private_folder
from lading.store.system.removal import remove_tree
from lading.store.system.syscalls import spread, syncfs

if TYPE_CHECKING:
    from lading.store.archives.layer_limits import Limits
    from lading.store.archives.trees import Marks
    from lading.store.oci.descriptors import Descriptor
    from lading.store.oci.digests import Digest

TEMPORARY: Final = "tmp:"
"""Keys that begin so belong to work under way, and are swept when none is."""
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
KIND: Final = "kind"
"""The file beside a snapshot that names the kind it is of, where that is not overlayfs."""
DEFAULT_KIND: Final = "overlay"


class Snapshots:
    """Folders under ``snapshots/`` with a row each, shown by a `Snapshotter`."""

    def __init__(self, root: Path, index: Index, snapshotter: Snapshotter, limits: Limits | None = None) -> None:
        self._folder = root / "snapshots"
        self._index = index
        self._rows = SnapshotMetadata(index)
        self._snapshotter = snapshotter
        self.limits = limits
        self.diff_ids = DiffIds(index, limits)

    @property
    def marks(self) -> Marks:
        """How removals are written in `changes`."""
        return self._snapshotter.marks

    @property
    def are_whole(self) -> bool:
        """Whether each holds a copy of all that it shows."""
        return self._snapshotter.are_whole

    def stat(self, key: str) -> Snapshot | None:
        """What is known of `key`."""
        return self._rows.stat(key)

    def prepare(self, key: str, parent: str | None) -> None:
        """A new writable snapshot. Raises `MachineError` where the key is taken or the parent not committed."""
        below = [] if parent is None else self._with_below(self._rows.get(parent))
        if below and not below[-1].committed:
            raise MachineError(f"the snapshot {parent} is still being written")
        own = self._folder / os.urandom(6).hex()
        with machine_errors(own):
            first = not self._folder.is_dir()
            private_folder(self._folder)
            if first:
                spread(self._folder)
            own.mkdir(mode=0o700)
            self._snapshotter.prepare(own, self._places(below))
            if self._snapshotter.name != DEFAULT_KIND:
                (own / KIND).write_text(self._snapshotter.name)
            _dress_root(own / "fs")
        if not self._rows.add(key, parent, own.name):
            self._delete(own.name)
            raise MachineError(f"there is a snapshot {key} already")

    def mount(self, key: str, target: Path, *, readonly: bool = False) -> Path:
        """Shows a snapshot, with what is below it, at `target`, an existing folder; where it is seen.

        That is `target`, but for kinds that need no mount where none may be made.
        """
        *below, found = self._with_below(self._rows.get(key))
        readonly = readonly or found.committed
        return self._snapshotter.mount(self._place(found), self._places(below), target, readonly=readonly)

    @contextmanager
    def parent_mounted(self, key: str) -> Generator[Path | None, None, None]:
        """What a writable snapshot stands on, shown while its layer is written; None where it stands on nothing."""
        found = self._rows.get(key)
        if found.parent is None:
            yield None
            return
        target = self._place(found) / "merged"
        target.mkdir(mode=0o700, exist_ok=True)
        try:
            yield self.mount(found.parent, target, readonly=True)
        finally:
            unmount(target)

    def changes(self, key: str) -> Path:
        """The folder of what a snapshot adds and removes, with `marks`, asked for when nobody has it mounted.

        What is done in there before it is committed is done to the snapshot.
        """
        *below, found = self._with_below(self._rows.get(key))
        return self._snapshotter.changes(self._place(found), self._places(below))

    def whole(self, key: str) -> Path | None:
        """The folder of all that a snapshot shows, for kinds that have one; what is done in there is committed."""
        *below, found = self._with_below(self._rows.get(key))
        return self._snapshotter.whole(self._place(found), self._places(below))

    def commit(
        self, key: str, name: str, *, anew: bool = False, layer: tuple[Descriptor, Digest] | None = None
    ) -> None:
        """Makes a writable snapshot immutable under `name`; dropped where another was committed so first.

        With `anew` it takes the place of that other, below all that stands on it; nothing may be mounted on that.
        `layer` is what it holds, and its diff ID, where both were seen.
        """
        from lading.store.snapshots.seals import tree_listing, tree_seal, tree_size  # noqa: PLC0415

        *below, found = self._with_below(self._rows.get(key))
        own = self._place(found)
        with machine_errors(own):
            self._snapshotter.commit(own, self._places(below))
            _dress_root(own / "fs")
            listing = tree_listing(own / "fs")
            with open(os.open(own / "sealed", _NEW, 0o600), "wb") as stream:
                stream.write(listing)
            syncfs(own)  # all of it, before anything on record says that it is there
        with self._index.transaction():
            unused = self._rows.commit(key, name, tree_seal(listing), tree_size(listing), anew=anew)
            if layer is not None:
                self.diff_ids.keep(*layer)
        if unused is not None:
            self._delete(unused.folder)

    def check(self, name: str) -> None:
        """Raises `SealError` unless a committed snapshot and all below it are as they were committed."""
        from lading.store.snapshots.seals import UNPACK, SealError, first_change, tree_listing, tree_seal  # noqa: PLC0415

        for snapshot in self._with_below(self._rows.get(name)):
            own = self._place(snapshot)
            listing = tree_listing(own / "fs")
            if tree_seal(listing) != snapshot.seal:
                where = first_change(own / "sealed", snapshot.seal, listing)
                message = f"the unpacked tree of layer {snapshot.key} was changed: {where}"
                raise SealError(message, hint=UNPACK, tree=snapshot.key)

    def stands_on(self, key: str) -> list[str]:
        """The keys of a snapshot and of all below it, none for one that is not here."""
        found = self.stat(key)
        return [] if found is None else [one.key for one in self._with_below(found)]

    def size(self, key: str) -> int:
        """Bytes of the files that lie in a snapshot's own folder, 0 for one that is not here."""
        from lading.store.archives.trees import bytes_of  # noqa: PLC0415

        found = self.stat(key)
        if found is None:
            return 0
        return bytes_of(self._place(found) / "fs") if found.size is None else found.size

    def sizes(self, key: str) -> tuple[int, int]:
        """The bytes of the files that a snapshot adds, and of all that it shows."""
        *below, found = self._with_below(self._rows.get(key))
        return self._snapshotter.sizes(self._place(found), self._places(below))

    def remove(self, key: str) -> None:
        """Removes a snapshot that no other stands on; a missing one is fine."""
        found = self.stat(key)
        if found is None:
            return
        if not found.committed:
            self._delete(found.folder)  # first: where the disk is full, forgetting a row needs room, too
        self._rows.remove(key)
        if found.committed:
            self._delete(found.folder)

    def remove_all(self, prefix: str) -> None:
        """Removes the snapshots whose keys begin so, an ASCII text."""
        for key in self._rows.keys(prefix):
            self.remove(key)

    def has_temporary(self) -> bool:
        """Whether work is under way, or was killed."""
        return bool(self._rows.keys(TEMPORARY))

    def sweep(self) -> None:
        """Removes what killed work left: temporary snapshots, and folders without a row. Call while nobody writes."""
        self.remove_all(TEMPORARY)
        if self._folder.is_dir():
            known = self._rows.folders()
            for name in {place.name for place in self._folder.iterdir()} - known:
                self._delete(name)

    def _with_below(self, snapshot: Snapshot) -> list[Snapshot]:
        """From the bottom up, the snapshot itself last."""
        return [*self._rows.below(snapshot), snapshot]

    def _place(self, snapshot: Snapshot) -> Path:
        return self._folder / snapshot.folder

    def _places(self, snapshots: list[Snapshot]) -> list[Path]:
        return [self._place(one) for one in snapshots]

    def _delete(self, folder: str) -> None:
        place = self._folder / folder
        unmount(place / "merged")
        with machine_errors(place):
            remove_tree(place)


def _dress_root(folder: Path) -> None:
    """What the root folder of every image is: no layer says anything of it that others would take."""
    from lading.store.archives.trees import kept  # noqa: PLC0415

    for name in filter(kept, os.listxattr(folder)):
        os.removexattr(folder, name)
    os.chown(folder, os.geteuid(), os.getegid())
    folder.chmod(0o755)
