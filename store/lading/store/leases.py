"""Leases: what a collection must not take although no reference reaches it (containerd's word and idea).

A row names a digest (of a blob, of a manifest with all it needs, or a snapshot's chain ID) and who keeps it:

``written``  every blob that a session commits, entered before the blob becomes visible. It guards a session's
             work against the collections of *others*; a session's own collection takes what it wrote and
             did not refer to.
``scope``    the same while a `with store.lease():` is open in the session, plus what is added to it. It
             guards against every collection, and ends with the last lease open in that session.
``hold``     by an id that outlives processes (a container, the build cache), until dropped.

The first two end with the session's process, however it dies. Adding a row and collecting exclude each other
in the database, so a digest that was leased *and then* found present stays present.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from lading.store.digests import Digest
from lading.store.index import Index
from lading.store.sessions import Session

_FOREVER: Final = float("inf")


class Lease:
    """An open lease; a context manager, see `lading.store.store.Store.lease`."""

    __slots__ = ("_leases",)

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    def add(self, *digests: Digest) -> None:
        """Keeps these too. Ask whether they are present after this, not before."""
        self._leases.scope(digests)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._leases.leave()


class Leases:
    """The table `lease`, as one session sees it."""

    def __init__(self, index: Index, session: Session) -> None:
        self._index = index
        self._session = session
        self._mutex = threading.Lock()
        self._open = 0

    @property
    def open(self) -> bool:
        """Whether a lease is open in this session."""
        return self._open > 0

    def written(self, digest: Digest) -> None:
        """A blob that is about to become visible."""
        with self._mutex:
            self._add("scope" if self._open else "written", (digest,))

    def enter(self, digests: Iterable[Digest]) -> Lease:
        """Opens a lease on `digests` and on all that the session writes until it ends."""
        with self._mutex:
            self._open += 1
            self._add("scope", digests)
        return Lease(self)

    def scope(self, digests: Iterable[Digest]) -> None:
        """Adds to the open lease."""
        with self._mutex:
            self._add("scope", digests)

    def leave(self) -> None:
        """One lease ended; with the last one, what it kept is free."""
        with self._mutex:
            self._open -= 1
            if not self._open:
                self._index.lazily("DELETE FROM lease WHERE owner = ? AND kind = 'scope'", (self._session.token,))

    def hold(self, name: str, digests: Iterable[Digest]) -> None:
        """Keeps exactly `digests` under an id that outlives this process."""
        with self._index.transaction():
            self.drop(name)
            for digest in digests:
                self._index.run("INSERT OR IGNORE INTO lease VALUES (?, 'hold', ?, ?)", (name, str(digest), 0.0))

    def drop(self, name: str) -> None:
        """Ends a hold."""
        self._index.run("DELETE FROM lease WHERE owner = ? AND kind = 'hold'", (name,))

    def held(self) -> dict[str, tuple[Digest, ...]]:
        """The holds, by id."""
        result: dict[str, tuple[Digest, ...]] = {}
        for owner, digest in self._index.all("SELECT owner, digest FROM lease WHERE kind = 'hold' ORDER BY 1, 2"):
            result[owner] = (*result.get(owner, ()), Digest.parse(digest))
        return result

    def settle(self) -> None:
        """Ends what the dead kept, and what this session wrote and no longer guards. Inside a transaction."""
        self._index.run(
            "DELETE FROM lease WHERE owner = ? AND kind = 'written'", (self._session.started or "",)
        )
        owners = self._index.all("SELECT DISTINCT owner FROM lease WHERE kind <> 'hold'")
        for (owner,) in owners:
            if not self._session.alive(owner):
                self._index.run("DELETE FROM lease WHERE owner = ? AND kind <> 'hold'", (owner,))

    def kept(self) -> set[Digest]:
        """Every digest that somebody keeps."""
        return {Digest.parse(digest) for (digest,) in self._index.all("SELECT DISTINCT digest FROM lease")}

    def since(self) -> float:
        """When the oldest work now under way began (seconds of the epoch); infinity where there is none."""
        row = self._index.one("SELECT min(since) FROM lease WHERE kind <> 'hold'")
        return _FOREVER if row is None or row[0] is None else float(row[0])

    def close(self) -> None:
        """Ends what this session kept."""
        if self._session.started:
            self._index.lazily("DELETE FROM lease WHERE owner = ? AND kind <> 'hold'", (self._session.started,))

    def _add(self, kind: str, digests: Iterable[Digest]) -> None:
        now = time.time()
        for digest in digests:
            self._index.lazily(
                "INSERT OR IGNORE INTO lease VALUES (?, ?, ?, ?)", (self._session.token, kind, str(digest), now)
            )
