"""The context of a build: a folder as its `.dockerignore` leaves it, without what must never be in an image."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

from lading.build.context.folder_roots import FolderStamp, FolderWalk, UnusualError
from lading.build.context.folders import FileInfo, Folder
from lading.build.context.hashes import Hashes
from lading.build.context.picked_files import special
from lading.build.dockerfile import glob
from lading.build.dockerfile.ignore import Ignore
from lading.store.errors import InputError
from lading.store.fastclass import replace

_PRIVATE_TYPES: Final = "a private signing key"


def refuse_private(folder: Path, private: Iterable[Path]) -> None:
    """Raises `InputError` for a context that is one of the `private` folders, or lies in one."""
    place = Path(os.path.realpath(folder))
    for path in private:
        if place.is_relative_to(os.path.realpath(path)):
            raise InputError(f"{folder}: lies in {path}, from where nothing goes into an image")


class Context:
    """A view of a context folder. All in it is root's, or with `owners` as it is; extended attributes are not seen."""

    def __init__(
        self,
        folder: Folder,
        ignore: Ignore,
        hashes: Hashes,
        private: Iterable[Path] = (),
        *,
        normal_modes: bool = False,
        owners: bool = False,
    ) -> None:
        """`private` are folders and sockets (the state folder above all) that are left out, aloud."""
        self._folder = folder
        self._ignore = ignore
        self._hashes = hashes
        self._normal = normal_modes
        self._owners = owners
        self._private = frozenset(found for path in private if (found := _identity(path)))
        self._states: dict[str, tuple[bool, tuple[bool, ...]]] = {"": (False, ())}
        self.left_out: dict[str, str] = {}
        patterns = "\n".join(f"{'!' * pattern.takes_back}{pattern.text}" for pattern in ignore.patterns)
        self._roots = hashes.folder_roots(f"{normal_modes} {owners}\n{patterns}", self.left_out)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hashes.save()
        if self._roots:
            self._roots.save()
        self._folder.close()

    def look(self, item: FileInfo) -> FolderStamp | None:
        """The folder `item` as it is now, by one look; None where all in it has to be looked at one by one."""
        if self._roots is None:
            return None
        walk = FolderWalk(self._stays_out if self._ignore.patterns else None, self._private)
        try:
            descriptor = self._folder.descriptor(item.path)
            try:
                stamp = walk.stamp(descriptor, item.path)
            finally:
                os.close(descriptor)
        except (UnusualError, OSError):
            return None
        found = self._roots.of(item.path, stamp, settled=self._hashes.settled(walk.latest))
        if found.roots is not None:
            self._hashes.pass_over()
        return found

    def _stays_out(self, path: str) -> bool:
        out, _ = self._state(path)
        return out and not (self._ignore.takes_back and self._occupied(path))

    def item(self, path: str) -> FileInfo | None:
        """As `FileView.item`: nothing is there that is ignored or private."""
        parts = path.split("/") if path else []
        if self._private and any(self._is_private("/".join(parts[:length])) for length in range(1, len(parts))):
            return None
        item = self._folder.item(path)
        if item is None or (path and not self._seen(item)):
            return None
        return self._shown(item)

    def children(self, path: str) -> list[FileInfo]:
        """As `FileView.children`."""
        return [self._shown(item) for item in self._folder.children(path) if self._seen(item)]

    def _shown(self, item: FileInfo) -> FileInfo:
        mode = item.mode
        if self._normal and not item.is_link:
            executable = item.is_folder or mode & 0o111
            mode = stat.S_IFMT(mode) | (0o755 if executable else 0o644)
        return replace(item, mode=mode) if self._owners else replace(item, uid=0, gid=0, mode=mode)

    def open(self, item: FileInfo) -> int:
        """As `FileView.open`."""
        return self._folder.open(item)

    def location(self, item: FileInfo) -> str:
        """As `FileView.location`."""
        return self._folder.location(item)

    def content(self, item: FileInfo, named: bool) -> str | None:
        """The digest of a file's content; None for what is left out: sockets, and keys that no source names.

        Raises `InputError` for a device, an unreadable file, and a key that a source names.
        """
        kind = special(item)
        if kind == "a socket":
            self.left_out[item.path] = kind
            return None
        if kind:
            raise InputError(f"{item.path}: is {kind}, which a context cannot hold", hint="name it in .dockerignore")
        known = self._hashes.of(self, item)
        if not known.is_key:
            return known.digest
        if named:
            raise InputError(
                f"{item.path}: is {_PRIVATE_TYPES}, and does not belong into an image",
                hint="copy the public key, or keep the key outside of the context",
            )
        self.left_out[item.path] = _PRIVATE_TYPES
        return None

    def _seen(self, item: FileInfo) -> bool:
        if item.inode in self._private:
            self.left_out[item.path] = "state of lading"
            return False
        out, _ = self._state(item.path)
        return not out or (item.is_folder and self._ignore.takes_back and self._occupied(item.path))

    def _is_private(self, path: str) -> bool:
        folder = self._folder.item(path)
        return folder is not None and folder.inode in self._private

    def _state(self, path: str) -> tuple[bool, tuple[bool, ...]]:
        found = self._states.get(path)
        if found is None:
            above = self._state(path.rpartition("/")[0])[1]
            found = self._states[path] = self._ignore.step(path, above)
        return found

    def _occupied(self, path: str) -> bool:
        """Whether anything in the ignored folder `path` is taken back."""
        plain = [pattern.text for pattern in self._ignore.patterns if pattern.takes_back]
        if not any(glob.has_wildcards(text) for text in plain) and not any(
            f"{text}/".startswith(f"{path}/") for text in plain
        ):
            return False
        return any(self._seen(child) for child in self._folder.children(path))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not (stat.S_ISDIR(found.st_mode) or stat.S_ISSOCK(found.st_mode)):
        return None
    return found.st_dev, found.st_ino
