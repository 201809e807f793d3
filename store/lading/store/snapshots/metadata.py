"""What is on record of snapshots: their keys, what each stands on, where it lies, and its seal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from lading.store.errors import MachineError
from lading.store.fastclass import dataclass
from lading.store.index import Index


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known of one; `folder` is the name of its folder, `size` in bytes, once it is committed."""

    key: str
    parent: str | None
    folder: str
    committed: bool
    seal: str | None
    size: int | None = None


class SnapshotMetadata:
    """The rows, in the index. Each change is whole or not there; what must be one change is in `Index.transaction`."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def stat(self, key: str) -> Snapshot | None:
        """What is known of `key`."""
        row = self._index.one("SELECT key, parent, folder, committed, seal, size FROM snapshot WHERE key = ?", (key,))
        return None if row is None else _snapshot(row)

    def get(self, key: str) -> Snapshot:
        """As `stat`. Raises `MachineError` where there is none."""
        found = self.stat(key)
        if found is None:
            raise MachineError(f"there is no snapshot {key}")
        return found

    def below(self, snapshot: Snapshot) -> list[Snapshot]:
        """What a snapshot stands on, from the bottom up."""
        sql = (
            "WITH RECURSIVE stack AS ("
            " SELECT 0 AS depth, key, parent, folder, committed, seal, size FROM snapshot WHERE key = ?"
            " UNION ALL"
            " SELECT depth + 1, below.key, below.parent, below.folder, below.committed, below.seal, below.size"
            " FROM stack JOIN snapshot AS below ON below.key = stack.parent"
            ") SELECT key, parent, folder, committed, seal, size FROM stack ORDER BY depth DESC"
        )
        return [] if snapshot.parent is None else [_snapshot(row) for row in self._index.all(sql, (snapshot.parent,))]

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, an ASCII text."""
        sql = "SELECT key FROM snapshot WHERE key >= ? AND key < ?"
        return [row[0] for row in self._index.all(sql, (prefix, f"{prefix}\x7f"))]

    def folders(self) -> set[str]:
        """The folders that belong to a snapshot."""
        return {row[0] for row in self._index.all("SELECT folder FROM snapshot")}

    def add(self, key: str, parent: str | None, folder: str) -> bool:
        """A writable snapshot; False where the key is taken."""
        now = time.time()
        sql = "INSERT OR IGNORE INTO snapshot (key, parent, folder, committed, created, used) VALUES (?, ?, ?, 0, ?, ?)"
        return self._index.run(sql, (key, parent, folder, now, now)) > 0

    def commit(self, key: str, name: str, seal: str, size: int, *, anew: bool) -> Snapshot | None:
        """Calls a snapshot `name` from now on; whose folder nobody needs any more, where `name` was there before.

        That is the new one itself, or with `anew` the one that it takes the place of.
        """
        with self._index.transaction():
            found = self.get(key)
            old = None if name == key else self.stat(name)
            if old is None:
                sql = "UPDATE snapshot SET key = ?, committed = 1, seal = ?, size = ? WHERE key = ?"
                self._index.run(sql, (name, seal, size, key))
                return None
            self._index.run("DELETE FROM snapshot WHERE key = ?", (key,))
            if anew:
                sql = "UPDATE snapshot SET folder = ?, seal = ?, size = ? WHERE key = ?"
                self._index.run(sql, (found.folder, seal, size, name))
            return old if anew else found

    def remove(self, key: str) -> None:
        """Drops a row. Raises `MachineError` where another snapshot stands on it."""
        with self._index.transaction():
            child = self._index.one("SELECT key FROM snapshot WHERE parent = ?", (key,))
            if child is not None:
                raise MachineError(f"the snapshot {key} is in use by {child[0]}")
            self._index.run("DELETE FROM snapshot WHERE key = ?", (key,))


def _snapshot(row: Sequence[Any]) -> Snapshot:
    key, parent, folder, committed, seal, size = row
    return Snapshot(key, parent, folder, bool(committed), seal, size)
