"""What one layer removes, marked in the folder that it is unpacked in: a name, or all that a folder hides.

A layer is unpacked by itself, as containerd and containers/storage do, so no link of a layer below is followed, and
what is below is only asked about: for the owner and mode of folders that the layer does not mention, and at the end
for removals of what is not there, which overlayfs would show as names without a file.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from lading.store.archives.trees import OPAQUE_NAME, OVERLAY, PLAIN, Marks, kept
from lading.store.errors import DocumentError
from lading.store.system.syscalls import BENEATH, NO_SYMLINKS, openat2

PREFIX: Final = b".wh."
METADATA: Final = b".wh..wh."
"""Names that begin so are AUFS's own, which docker wrote until 2014; all but `OPAQUE_NAME` are passed over."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ONLY_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_INSIDE: Final = BENEATH | NO_SYMLINKS


def is_whiteout(info: os.stat_result) -> bool:
    """Whether what lies in an unpacked layer stands for a name that was removed, whichever marks it has."""
    return OVERLAY.removes(info) or PLAIN.removes(info)


class Whiteouts:
    """The removals of the layer that is unpacked into the folder `root`, on what the mounted view `below` shows.

    Of a layer `alone` nobody knows what is below, and every removal stays.
    """

    def __init__(
        self, root: int, below: Path | None, where: str, marks: Marks = OVERLAY, *, alone: bool = False
    ) -> None:
        self._root = root
        self._marks = marks
        self._alone = alone
        self._where = where
        self._below = -1 if below is None else os.open(below, _FOLDER)
        self._removed: list[bytes] = []
        self._hiding: set[bytes] = set()

    def close(self) -> None:
        """Lets go of the view."""
        if self._below >= 0:
            os.close(self._below)

    def apply(self, folder: int, name: bytes) -> None:
        """Takes the entry `name`, which begins with `PREFIX` and is no other metadata, of an open folder."""
        place = self._place(folder)
        if name == OPAQUE_NAME:
            if place:  # of the root, overlayfs does not ask
                self._marks.hide(folder)
                self._hiding.add(place)
            return
        hidden = name.removeprefix(PREFIX)
        if hidden in (b"", b".", b".."):
            raise DocumentError(f"{self._where}: {os.fsdecode(place + b'/' + name)!r}: not a name that can be removed")
        try:
            os.mknod(hidden, self._marks.removal, 0, dir_fd=folder)
        except FileExistsError:
            if not is_whiteout(os.stat(hidden, dir_fd=folder, follow_symlinks=False)):
                path = os.fsdecode(place + b"/" + name)
                raise DocumentError(f"{self._where}: {path!r}: removes what the same layer brings") from None
        self._removed.append(place + b"/" + hidden if place else hidden)

    def adopt(self, folder: int) -> None:
        """Gives a folder that the layer does not mention what the one below has."""
        with _Opened(self._below, self._place(folder)) as below:
            if below < 0 or not stat.S_ISDIR((info := os.fstat(below)).st_mode):
                return
            os.fchown(folder, info.st_uid, info.st_gid)
            os.fchmod(folder, stat.S_IMODE(info.st_mode))
            for key in os.listxattr(_descriptor(below)):
                if kept(key):
                    os.setxattr(folder, key, os.getxattr(_descriptor(below), key))

    def finish(self) -> None:
        """Takes back what removes nothing."""
        if self._alone:
            return
        hiding = {path for path in self._hiding if self._hides(path)}
        for path in hiding:
            if not self._is_below(path, hiding, folder=True):
                with _Opened(self._root, path) as file:
                    self._marks.unhide(file)
        for path in self._removed:
            if self._is_below(path, hiding):
                continue
            folder, _, name = path.rpartition(b"/")
            with _Opened(self._root, folder) as file:
                if file >= 0 and _is_whiteout_at(file, name):
                    os.unlink(name, dir_fd=file)

    def _place(self, folder: int) -> bytes:
        """Where an open folder is, below the root, links of this layer followed."""
        return _name(folder)[len(_name(self._root)) + 1 :]

    def _hides(self, path: bytes) -> bool:
        with _Opened(self._root, path) as file:
            return file >= 0 and stat.S_ISDIR(os.fstat(file).st_mode) and self._marks.hides(file)

    def _is_below(self, path: bytes, hiding: set[bytes], *, folder: bool = False) -> bool:
        """Whether something of the layers below shows through this one's folders at `path`."""
        above = path
        while above := above.rpartition(b"/")[0]:
            if above in hiding:
                return False
        with _Opened(self._below, path) as file:
            return file >= 0 and (not folder or stat.S_ISDIR(os.fstat(file).st_mode))


class _Opened:
    """What is at a path below a folder, no link followed, while the block lasts; -1 where there is nothing."""

    def __init__(self, root: int, path: bytes) -> None:
        self._file = -1
        if root >= 0:
            try:
                self._file = openat2(root, path or b".", _ONLY_LOOK, _INSIDE)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise

    def __enter__(self) -> int:
        return self._file

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)


def _is_whiteout_at(folder: int, name: bytes) -> bool:
    try:
        return is_whiteout(os.stat(name, dir_fd=folder, follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):  # a later entry took the folder's place
        return False


def _descriptor(file: int) -> str:
    return f"/proc/self/fd/{file}"


def _name(file: int) -> bytes:
    return os.readlink(os.fsencode(_descriptor(file)))
