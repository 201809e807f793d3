"""The action cache of one store, in its index's table ``cache``, and the lock of an action.

A row counts without a signature: who owns the store owns its rows. Its layer, and the tree unpacked of it, stay for
as long as the row does (`trim` says which go).
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from lading.build.graph.action import ActionCache, ActionResult
from lading.build.graph.halt import Halt
from lading.build.graph.request import BuildEnvironment
from lading.store.errors import DocumentError, MachineError
from lading.store.index import Index
from lading.store.snapshots.seals import BlobSeals
from lading.store.store import Store
from lading.store.system.private_folders import private_folder

_PAUSE: Final = 0.02
"""Seconds between two looks at a lock that others hold, where a halt may come meanwhile."""


class LocalCache:
    """An `ActionCache`: rows of one store's index."""

    def __init__(self, index: Index, seals: BlobSeals) -> None:
        self._index = index
        self._seals = seals

    @classmethod
    def of(cls, store: Store) -> Self:
        """That of a store."""
        return cls(store.index, store.seals)

    def find(self, key: str) -> ActionResult | None:
        """What the action `key` made; None where it is not known, unreadable, or its layer is not what it was."""
        row = self._index.one("SELECT value, snapshot FROM cache WHERE kind = 'action' AND key = ?", (key,))
        try:
            result = None if row is None else ActionResult.parse(bytes(row[0])).unpacked_as(row[1])
        except DocumentError:
            return None
        if result and result.layer and not self._seals.holds(result.layer.descriptor.digest):
            return None
        return result if result and all(map(self._seals.holds, result.answers)) else None

    def keep(self, key: str, result: ActionResult) -> None:
        """Keeps what the action `key` made."""
        layer = result.layer
        blob, snapshot = (str(layer.descriptor.digest), layer.snapshot) if layer else (None, None)
        self._index.run(
            "INSERT INTO cache (kind, key, value, used, blob, snapshot) VALUES ('action', ?, ?, ?, ?, ?)"
            " ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value, used = excluded.used,"
            " blob = excluded.blob, snapshot = excluded.snapshot",
            (key, result.raw(), time.time(), blob, snapshot),
        )

    def note_use(self, keys: Iterable[str]) -> None:
        """Notes that the results of these actions served again: what was used least recently goes first."""
        now = time.time()
        with self._index.transaction():
            for key in keys:
                self._index.run("UPDATE cache SET used = ? WHERE kind = 'action' AND key = ?", (now, key))


def importing(own: ActionCache, environment: BuildEnvironment) -> ActionCache:
    """`own`, and behind it the caches elsewhere that the call names."""
    if not environment.shared.sources:
        return own
    from lading.build.solver.shared_caches import ImportingCache  # noqa: PLC0415 - most calls name none

    return ImportingCache(own, environment)


@contextmanager
def one_builder(root: Path, key: str, halt: Halt | None = None) -> Generator[None, None, None]:
    """One builder at a time, thread or process, does the action `key`, in the store at `root`.

    One byte of one file is locked, at an offset that the key gives: nothing is left over, and two keys that
    share an offset merely wait for each other. Raises `HaltedError` where `halt` is given while others are at it.
    """
    folder = root / "cache"
    try:
        private_folder(folder)
        descriptor = os.open(folder / "actions.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MachineError(f"{folder}: {error.strerror}") from error
    try:
        _lock(descriptor, struct.pack("hhqqi0q", fcntl.F_WRLCK, 0, int(key[:15], 16), 1, 0), halt)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, what: bytes, halt: Halt | None) -> None:
    if halt is None:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, what)
        return
    while True:
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, what)
        except (BlockingIOError, PermissionError):  # either, says POSIX
            halt.given(_PAUSE)
            halt.check()
        else:
            return
