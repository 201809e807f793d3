"""Unpacked layers, in the model of containerd's snapshotters.

A snapshot is prepared on a parent, written to through its mount, and committed under a name; then it never
changes, and others are prepared on it. Committing flushes it to the disk and seals it; `check` tells whether it
and all below it are still as they were. Names of committed snapshots are chain IDs of layers.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from lading.store.errors import MachineError
from lading.store.fastclass import dataclass
from lading.store.index import Index
from lading.store.snapshots.diff_ids import DiffIds
from lading.store.snapshots.mounts import mount_folder, mount_overlay, mount_readonly, unmount
from lading.store.system.atomic import write_atomically
from lading.store.system.border import machine_errors
from lading.store.system.private import private_folder
from lading.store.system.removal import remove_tree
from lading.store.system.syscalls import syncfs

if TYPE_CHECKING:
    from lading.store.archives.reader import Limits

TEMPORARY: Final = "tmp:"
"""Keys that begin so belong to work under way, and are swept when none is."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known of one."""

    key: str
    parent: str | None
    folder: str
    committed: bool
    seal: str | None


class Snapshots(Protocol):
    """Where layers are unpacked."""

    @property
    def diff_ids(self) -> DiffIds:
        """Which layers were seen to be what lies here."""
        ...

    def prepare(self, key: str, parent: str | None) -> None:
        """A new writable snapshot. Raises `MachineError` where the key is taken or the parent not committed."""
        ...

    def upper(self, key: str) -> Path:
        """The folder that holds a snapshot's own changes."""
        ...

    def mount(self, key: str, target: Path, *, readonly: bool = False) -> None:
        """Shows a snapshot, with what is below it, at `target`."""
        ...

    def commit(self, key: str, name: str) -> None:
        """Makes a writable snapshot immutable under `name`; dropped where another was committed so first."""
        ...

    def remove(self, key: str) -> None:
        """Removes a snapshot that no other stands on; a missing one is fine."""
        ...

    def stat(self, key: str) -> Snapshot | None:
        """What is known of `key`."""
        ...

    def check(self, name: str) -> None:
        """Raises `SealError` unless a committed snapshot and all below it are as they were committed."""
        ...


class OverlaySnapshots:
    """Folders under ``snapshots/``, mounted over each other with overlayfs."""

    def __init__(self, root: Path, index: Index, limits: Limits | None = None) -> None:
        self._folder = root / "snapshots"
        self._index = index
        self._limits = limits
        self.diff_ids = DiffIds(index, limits)

    @property
    def limits(self) -> Limits:
        """Bounds on the layers that are unpacked."""
        from lading.store.archives.reader import DEFAULT  # noqa: PLC0415

        return self._limits or DEFAULT

    def stat(self, key: str) -> Snapshot | None:
        """What is known of `key`."""
        row = self._index.one("SELECT key, parent, folder, committed, seal FROM snapshot WHERE key = ?", (key,))
        return None if row is None else Snapshot(row[0], row[1], row[2], bool(row[3]), row[4])

    def upper(self, key: str) -> Path:
        """The folder that holds a snapshot's own changes."""
        return self._folder / self._get(key).folder / "fs"

    def sizes(self, key: str) -> tuple[int, int]:
        """The bytes of the files that a snapshot itself has, and of all that it has with those below it."""
        from lading.store.archives.trees import bytes_of  # noqa: PLC0415

        found = self._get(key)
        own, *below = (bytes_of(self._folder / one.folder / "fs") for one in (found, *self._below(found)))
        return own, own + sum(below)

    def _get(self, key: str) -> Snapshot:
        found = self.stat(key)
        if found is None:
            raise MachineError(f"there is no snapshot {key}")
        return found

    def prepare(self, key: str, parent: str | None) -> None:
        """A new writable snapshot. Raises `MachineError` where the key is taken or the parent not committed."""
        if parent is not None and not self._get(parent).committed:
            raise MachineError(f"the snapshot {parent} is still being written")
        folder = os.urandom(6).hex()
        place = self._folder / folder
        with machine_errors(place):
            private_folder(self._folder)
            place.mkdir(mode=0o700)
            (place / "fs").mkdir()
            (place / "work").mkdir(mode=0o700)
            _dress_root(place / "fs")
        now = time.time()
        with self._index.transaction():
            if self.stat(key) is not None:
                remove_tree(place)
                raise MachineError(f"there is a snapshot {key} already")
            self._index.run(
                "INSERT INTO snapshot (key, parent, folder, committed, created, used) VALUES (?, ?, ?, 0, ?, ?)",
                (key, parent, folder, now, now),
            )

    def size(self, key: str) -> int:
        """Bytes of the files that a snapshot adds, 0 for one that is not here."""
        from lading.store.archives.trees import bytes_of  # noqa: PLC0415

        row = self._index.one("SELECT size, folder FROM snapshot WHERE key = ?", (key,))
        if row is None or row[0] is not None:
            return int(row[0]) if row else 0
        return bytes_of(self._folder / row[1] / "fs")

    def mount(self, key: str, target: Path, *, readonly: bool = False) -> None:
        """Shows a snapshot, with what is below it, at `target`, an existing folder."""
        found = self._get(key)
        below = [self._folder / snapshot.folder / "fs" for snapshot in self._below(found)]
        own = self._folder / found.folder
        if readonly or found.committed:
            mount_readonly([*below, own / "fs"], target)
        elif below:
            mount_overlay(below, own / "fs", own / "work", target)
        else:
            mount_folder(own / "fs", target)

    def _below(self, snapshot: Snapshot) -> list[Snapshot]:
        """The ancestors, from the bottom up."""
        found: list[Snapshot] = []
        while snapshot.parent is not None:
            snapshot = self._get(snapshot.parent)
            found.append(snapshot)
        return found[::-1]

    def commit(self, key: str, name: str, *, anew: bool = False) -> None:
        """Makes a writable snapshot immutable under `name`; dropped where another was committed so first.

        With `anew` it takes the place of that other, below all that stands on it; nothing may be mounted on that.
        """
        from lading.store.snapshots.seals import tree_listing, tree_seal, tree_size  # noqa: PLC0415

        found = self._get(key)
        place = self._folder / found.folder
        with machine_errors(place):
            remove_tree(place / "work")
            _dress_root(place / "fs")
            listing = tree_listing(place / "fs")
            write_atomically(place / "sealed", listing, 0o600)
            syncfs(place)
        sealed, old = (tree_seal(listing), tree_size(listing)), None
        with self._index.transaction():
            if name == key or self.stat(name) is None:
                sql = "UPDATE snapshot SET key = ?, committed = 1, seal = ?, size = ? WHERE key = ?"
                self._index.run(sql, (name, *sealed, key))
                return
            if anew:
                old = self._get(name)
                self._index.run("DELETE FROM snapshot WHERE key = ?", (key,))
                sql = "UPDATE snapshot SET folder = ?, seal = ?, size = ? WHERE key = ?"
                self._index.run(sql, (found.folder, *sealed, name))
        self.remove(key)
        if old is not None:
            self._delete(self._folder / old.folder)

    def stands_on(self, key: str) -> list[str]:
        """The keys of a snapshot and of all below it, none for one that is not here."""
        found = self.stat(key)
        return [] if found is None else [one.key for one in (*self._below(found), found)]

    def check(self, name: str) -> None:
        """Raises `SealError` unless a committed snapshot and all below it are as they were committed."""
        from lading.store.snapshots.seals import UNPACK, SealError, tree_listing, tree_seal  # noqa: PLC0415

        top = self._get(name)
        for snapshot in (*self._below(top), top):
            folder = self._folder / snapshot.folder
            listing = tree_listing(folder / "fs")
            if tree_seal(listing) != snapshot.seal:
                what = self._changed(folder, snapshot, listing)
                message = f"the unpacked tree of layer {snapshot.key} was changed: {what}"
                raise SealError(message, hint=UNPACK, tree=snapshot.key)

    def _changed(self, folder: Path, snapshot: Snapshot, listing: bytes) -> str:
        from lading.store.snapshots.seals import first_difference, tree_seal  # noqa: PLC0415

        try:
            before = (folder / "sealed").read_bytes()
        except OSError:
            before = b""
        if tree_seal(before) != snapshot.seal:
            return "and so was the list of what it held"
        return first_difference(before, listing)

    def remove(self, key: str) -> None:
        """Removes a snapshot that no other stands on; a missing one is fine."""
        found = self.stat(key)
        if found is None:
            return
        with self._index.transaction():
            child = self._index.one("SELECT key FROM snapshot WHERE parent = ?", (key,))
            if child is not None:
                raise MachineError(f"the snapshot {key} is in use by {child[0]}")
            self._index.run("DELETE FROM snapshot WHERE key = ?", (key,))
        self._delete(self._folder / found.folder)

    def _delete(self, place: Path) -> None:
        unmount(place / "merged")
        with machine_errors(place):
            remove_tree(place)

    def merged(self, key: str) -> Path:
        """A folder to mount a snapshot at while it is worked on; removed with the snapshot."""
        place = self._folder / self._get(key).folder / "merged"
        place.mkdir(mode=0o700, exist_ok=True)
        return place

    def remove_all(self, prefix: str) -> None:
        """Removes the snapshots whose keys begin so, an ASCII text."""
        for (key,) in self._index.all("SELECT key FROM snapshot WHERE key >= ? AND key < ?", (prefix, f"{prefix}\x7f")):
            self.remove(key)

    def has_temporary(self) -> bool:
        """Whether work is under way, or was killed."""
        sql = "SELECT 1 FROM snapshot WHERE key >= ? AND key < ? LIMIT 1"
        return self._index.one(sql, (TEMPORARY, f"{TEMPORARY}\x7f")) is not None

    def sweep(self) -> None:
        """Removes what killed work left: temporary snapshots, and folders without a row. Call while nobody writes."""
        self.remove_all(TEMPORARY)
        if not self._folder.is_dir():
            return
        known = {row[0] for row in self._index.all("SELECT folder FROM snapshot")}
        for place in self._folder.iterdir():
            if place.name not in known:
                self._delete(place)


def _dress_root(folder: Path) -> None:
    """What the root folder of every image is: no layer says anything of it that others would take."""
    from lading.store.archives.trees import kept  # noqa: PLC0415

    for name in filter(kept, os.listxattr(folder)):
        os.removexattr(folder, name)
    os.chown(folder, os.geteuid(), os.getegid())
    folder.chmod(0o755)
