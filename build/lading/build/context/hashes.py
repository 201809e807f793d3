"""The digests of a context's files, remembered between builds by what the kernel says of a file.

A file whose inode, change time and size are as remembered is not read again. What changed within a moment of
being read is not remembered: it could change once more without its times showing it. Sizes and modification
times alone are never trusted, since tools set them at will.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from lading.build.context.folder_roots import FolderRoots
from lading.build.context.folders import FileInfo, FileView
from lading.store.archives import trees
from lading.store.errors import InputError
from lading.store.fastclass import dataclass
from lading.store.index import Index
from lading.verify.keys.keyfiles import LABELS

_KIND: Final = "stat"
_SETTLED: Final = 100_000_000
"""Nanoseconds after its change from which on a file's times are trusted; the kernel's clock tick is at most 10 ms."""
_CHUNK: Final = 1 << 20
_SPARE: Final = 10_000
_KEY_SIZE: Final = 64 * 1024
_KEYS: Final = tuple(f"-----BEGIN {label}-----".encode() for label in LABELS)


@dataclass(frozen=True, slots=True)
class Known:
    """What was found in a file: its SHA-256, and whether it holds a signing key."""

    digest: str
    is_key: bool


class Hashes:
    """Digests of the files of one context."""

    def __init__(self, index: Index, root: Path, clock: Path, *, kept: bool = True) -> None:
        """`clock` is a folder where a file may be made to read the clock that file times are from.

        They are not `kept` of a folder that is gone after the build.
        """
        self._kept = kept
        self._index = index
        self._key = trees.text(os.fsencode(os.path.realpath(root)))
        self._clock = clock
        self._known: dict[str, tuple[list[int], Known]] | None = None
        self._new: dict[str, tuple[list[int], Known]] = {}
        self._now = 0
        self._seen: set[str] = set()
        self._all = True

    def of(self, view: FileView, item: FileInfo) -> Known:
        """What is in `item`. Raises `InputError` where it cannot be read or changes meanwhile."""
        if self._known is None:
            self._known = self._load()
        stamp = [*item.inode, item.changed, item.size]
        self._seen.add(item.path)
        found = self._known.get(item.path)
        if found is not None and found[0] == stamp:
            return found[1]
        settled = self.settled(item.changed)  # before it is read
        known = _read(view, item)
        self._known[item.path] = (stamp, known)
        if settled:
            self._new[item.path] = (stamp, known)
        return known

    def folder_roots(self, rules: str, left_out: Mapping[str, str]) -> FolderRoots | None:
        """Those of the same context, seen by `rules`; None where nothing is remembered of it."""
        return FolderRoots(self._index, f"{self._key}\n{rules}", left_out) if self._kept else None

    def settled(self, changed: int) -> bool:
        """Whether what was `changed` then would show any change since then by its times."""
        if changed + _SETTLED > self._now:
            self._now = _now(self._clock)
        return changed + _SETTLED < self._now

    def pass_over(self) -> None:
        """Says that files were not looked at one by one, so that of others it is not known whether they are gone."""
        self._all = False

    def save(self) -> None:
        """Remembers what was read."""
        if not self._new or not self._kept:
            return
        rows = self._load() | self._new
        if self._all and len(rows) > _SPARE + 2 * len(self._seen):
            rows = {path: row for path, row in rows.items() if path in self._seen}
        text = json.dumps({path: [*stamp, known.digest, known.is_key] for path, (stamp, known) in rows.items()})
        self._index.remember(_KIND, self._key, text.encode())
        self._new = {}

    def _load(self) -> dict[str, tuple[list[int], Known]]:
        raw = self._index.recall(_KIND, self._key)
        if raw is None:
            return {}
        try:
            held = cast("dict[str, list[object]]", json.loads(raw))
            return {
                path: (cast("list[int]", values[:4]), Known(str(values[4]), bool(values[5])))
                for path, values in held.items()
            }
        except (ValueError, TypeError, IndexError, AttributeError):
            return {}


def _now(folder: Path) -> int:
    """The time of a change that happens now, by the clock of the kernel's files."""
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError:
        return 0
    try:
        return os.fstat(descriptor).st_ctime_ns
    finally:
        os.close(descriptor)


def _read(view: FileView, item: FileInfo) -> Known:
    descriptor = view.open(item)
    try:
        digest = hashlib.sha256()
        size = 0
        is_key = False
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if item.size <= _KEY_SIZE:
                is_key = is_key or any(key in chunk for key in _KEYS)
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if (found.st_dev, found.st_ino) != item.inode or found.st_ctime_ns != item.changed or size != item.size:
        raise InputError(f"{item.path}: changed while it was being read")
    return Known(digest.hexdigest(), is_key)
