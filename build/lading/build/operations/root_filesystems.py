"""Root file systems of chains, as snapshots: made from layers where they are missing, mounted to be read or changed.

Everything a step under way has on the machine (a folder, a mount, an active snapshot) is named by a work folder
whose lock lives as long as its process, so that the next build removes what a killed one left.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final, Self

from lading.store.archives.frames import LARGE
from lading.store.errors import LadingError
from lading.store.fastclass import dataclass, field
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import chain_ids
from lading.store.snapshots.mounts import unmount
from lading.store.snapshots.snapshots import TEMPORARY
from lading.store.snapshots.unpack_layers import unpack_layers
from lading.store.store import Store
from lading.store.system.locks import abandoned_folder, locked_folder
from lading.store.system.machine_errors import machine_errors
from lading.store.system.private_folders import private_folder
from lading.store.system.removal import remove_tree

_OUTSIDE: Final = "outside"
"""The file in a work folder that names the caller's folder in which it has another."""

Stack = Sequence[tuple[Descriptor, Digest]]
"""Layers and their diff IDs, bottom up."""


@dataclass(slots=True)
class CopiedFiles:
    """The digests of large files that were copied, as the kernel tells those from others and from later states."""

    _known: dict[tuple[int, int, int], str] = field(default_factory=dict[tuple[int, int, int], str])

    def note(self, info: os.stat_result, sha256: str) -> None:
        """Takes note of a file that has just been written."""
        if info.st_size >= LARGE:
            self._known[info.st_ino, info.st_ctime_ns, info.st_size] = sha256

    def digest(self, info: os.stat_result) -> str | None:
        """The SHA-256 of a file, where it is one of those and as it was then."""
        return self._known.get((info.st_ino, info.st_ctime_ns, info.st_size))


@dataclass(frozen=True, slots=True)
class ActiveSnapshot:
    """A snapshot being changed: its key, where it is seen, and what is known of files that were copied there."""

    key: str
    root: Path
    copied: CopiedFiles = field(default_factory=CopiedFiles)


class RootFilesystems:
    """The root file systems of one build; a context manager."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._works = store.root / "cache" / "work"
        self._work = self._works
        self._lock = -1
        self._unpacking: dict[Digest, Lock] = {}
        self._seen: set[tuple[str, Digest]] = set()

    def __enter__(self) -> Self:
        with machine_errors(self._works):
            private_folder(self._works)
            sweep(self._store)
            self._work, self._lock = locked_folder(self._works)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _remove(self._work, self._store)
        os.close(self._lock)

    def top(self, stack: Stack) -> str | None:
        """The snapshot of the whole stack, made from its layers where it is missing; None for an empty stack.

        Threads whose stacks have the same bottom take turns: what they share is unpacked once.
        """
        if not stack:
            return None
        with self._unpacking.setdefault(stack[0][1], Lock()):
            return unpack_layers(self._store.snapshots, self._store.blobs, stack, seen=self._seen)

    def has(self, stack: Stack) -> bool:
        """Whether the whole stack is unpacked."""
        found = self._store.snapshots.stat(chain_of(stack)) if stack else None
        return not stack or (found is not None and found.committed)

    @contextmanager
    def reading(self, stack: Stack) -> Generator[Path, None, None]:
        """The root file system of `stack`, to be looked at."""
        with self._place() as (name, target):
            top, place = self.top(stack), target
            if top is not None:
                place = self._store.snapshots.mount(top, target, readonly=True)
            try:
                yield place
            finally:
                if top is not None:
                    unmount(target)
            del name

    @contextmanager
    def writing(self, stack: Stack) -> Generator[ActiveSnapshot, None, None]:
        """A new snapshot on `stack`, mounted; unmounted at the end, and removed where the work failed."""
        top = self.top(stack)
        with self._place() as (name, target):
            snapshots = self._store.snapshots
            key = _key(self._work, name)
            snapshots.prepare(key, top)
            try:
                place = snapshots.mount(key, target)
                try:
                    yield ActiveSnapshot(key, place)
                finally:
                    unmount(target)
            except BaseException:
                self.discard(key)
                raise

    def discard(self, key: str) -> None:
        """Removes a snapshot whose work failed; what cannot be removed now, the next build removes."""
        with suppress(LadingError):
            self._store.snapshots.remove(key)

    @contextmanager
    def folder(self) -> Generator[Path, None, None]:
        """An empty folder, gone afterwards with all in it."""
        with self._place() as (name, target):
            try:
                yield target
            finally:
                with suppress(OSError):
                    remove_tree(target)
            del name

    @contextmanager
    def _place(self) -> Generator[tuple[str, Path], None, None]:
        name = os.urandom(4).hex()
        target = self._work / name
        with machine_errors(target):
            target.mkdir()
        try:
            yield name, target
        finally:
            with suppress(OSError):
                target.rmdir()


@contextmanager
def folder_in(store: Store, place: Path) -> Generator[Path, None, None]:
    """An empty folder in `place`, on whose file system the work is wanted, gone afterwards with all in it.

    It is known to the root before it is made: what a killed command left there goes with what it left in the root.
    """
    works = store.root / "cache" / "work"
    with machine_errors(works):
        private_folder(works)
        work, lock = locked_folder(works)
    try:
        with machine_errors(place):
            (work / _OUTSIDE).write_bytes(os.fsencode(place.absolute()))
            made = place / f".lading.{work.name}"
            made.mkdir(0o700)
        yield made
    finally:
        _remove(work, store)
        os.close(lock)


def chain_of(stack: Stack) -> str:
    """The name of the snapshot of a stack that is not empty: its chain ID."""
    return str(chain_ids(tuple(diff_id for _, diff_id in stack))[-1])


def _key(work: Path, name: str) -> str:
    return f"{TEMPORARY}build-{work.name}-{name}"


def sweep(store: Store) -> None:
    """Removes what builds that were killed had on the machine."""
    works = store.root / "cache" / "work"
    for name in os.listdir(works) if works.is_dir() else ():
        with abandoned_folder(works / name) as dead, suppress(OSError):
            if dead:
                _remove(works / name, store)


def _remove(work: Path, store: Store) -> None:
    for target in [path for path in work.iterdir() if path.name != "lock"]:
        with suppress(LadingError, OSError):
            unmount(target)
    # Not by target: a step that was being rendered when it was killed has none any more.
    with suppress(LadingError):
        store.snapshots.remove_all(_key(work, ""))
    # A mount or folder that would not go keeps its work folder, and is tried again by the next build.
    if _removed_outside(work) and not any(os.path.ismount(path) for path in work.iterdir()):
        with suppress(OSError):
            remove_tree(work)


def _removed_outside(work: Path) -> bool:
    """Whether nothing is left in a folder of the caller's: what has a name made at random here is ours alone."""
    try:
        made = Path(os.fsdecode((work / _OUTSIDE).read_bytes())) / f".lading.{work.name}"
        if stat.S_ISDIR(made.lstat().st_mode) and made.lstat().st_uid == os.geteuid():
            remove_tree(made)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return True
