"""Folders below a root that no path leads out of.

Every folder is opened by `openat2` with RESOLVE_IN_ROOT: a symlink in the way is followed inside the root, whoever
changes what meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from lading.store.errors import DocumentError
from lading.store.system.syscalls import IN_ROOT, openat2

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MAX_OPEN: Final = 256


class RootedFolders:
    """The folders below `root` that were asked for, open until `renew` or `close`.

    Those that are missing are made, as whoever works here would see them without a umask; `adopt` then gives each what
    it has to have. `where` is for errors.
    """

    def __init__(self, root: int, where: str, adopt: Callable[[int], None] | None = None) -> None:
        self._root = root
        self._where = where
        self._adopt = adopt
        self._me = (os.geteuid(), os.getegid())
        self._open: dict[bytes, int] = {}
        self._stale = False

    def open(self, path: bytes, *, make: bool = True) -> int:
        """A descriptor of a folder inside the root. Raises `DocumentError` for a link to what is not there."""
        if not path:
            return self._root
        found = self._open.get(path)
        if found is None:
            try:
                found = openat2(self._root, path, FOLDER, IN_ROOT)
            except FileNotFoundError:
                if not make:
                    raise
                found = self._make(path)
            self._open[path] = found
        return found

    def lstat(self, path: bytes) -> os.stat_result:
        """Of what is there; the last component is not followed."""
        folder, _, name = path.rpartition(b"/")
        return os.stat(name, dir_fd=self.open(folder, make=False), follow_symlinks=False)

    def removed(self) -> None:
        """Something was taken away: a folder that went must not be reached by a descriptor opened before."""
        self._stale = True

    def renew(self) -> None:
        """Where no descriptor is in use: closes them if one may be of a folder that went, or if there are many."""
        if self._stale or len(self._open) >= _MAX_OPEN:
            self.close()

    def close(self) -> None:
        """Closes all but the root."""
        for file in self._open.values():
            os.close(file)
        self._open.clear()
        self._stale = False

    def _make(self, path: bytes) -> int:
        """Makes a folder and what is missing above it; opens it."""
        parts = path.split(b"/")
        above, missing = self._root, len(parts)
        while missing > 1:
            missing -= 1
            try:
                above = openat2(self._root, b"/".join(parts[:missing]), FOLDER, IN_ROOT)
                break
            except FileNotFoundError:
                pass
        else:
            missing = 0
        for name in parts[missing:]:
            try:
                inside = self._make_one(above, name)
            except FileExistsError:
                raise DocumentError(
                    f"{self._where}: {os.fsdecode(path)!r} is a link to something that is not there"
                ) from None
            finally:
                if above != self._root:
                    os.close(above)
            above = inside
        return above

    def _make_one(self, above: int, name: bytes) -> int:
        os.mkdir(name, 0o700, dir_fd=above)
        made = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=above)
        os.fchown(made, *self._me)
        os.fchmod(made, 0o755)  # whatever the umask and the folder above
        if self._adopt:
            self._adopt(made)
        return made
