"""Snapshots that are plain folders, each with everything that it shows: where overlayfs cannot be mounted.

What a step did is told by the kernel's own record: what has another inode or change time than it had as a copy was
touched, and overlayfs copies up what is touched. Names of one file are copied apart, so that a change by one of them
is none of the others'; they are one again once the snapshot is committed.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lading.store.archives.merged_layers import merge
from lading.store.archives.trees import PLAIN, Marks, bytes_of
from lading.store.fastclass import dataclass
from lading.store.snapshots.mounts import mount_folder, mount_readonly
from lading.store.snapshots.plain_trees import Touched, TreeCopy, copied
from lading.store.system.removal import remove_tree

_COPIED: Final = "copied"
"""The file of what everything in `fs` was when it had been copied."""
_FRESH: Final = "fresh"
"""A file that is there until that is so."""


@dataclass(frozen=True, slots=True)
class CopySnapshotter:
    """`fs` is all that is shown, `changes` there between the question for it and the commit.

    Where `mounts` is false nothing is mounted: who looks at a snapshot looks into its folder.
    """

    mounts: bool = True
    name: str = "copy"
    marks: Marks = PLAIN
    are_whole: bool = True

    def prepare(self, own: Path, below: Sequence[Path]) -> None:
        """An empty folder, until somebody looks at it."""
        del below
        (own / "fs").mkdir()
        (own / _FRESH).touch()

    def mount(self, own: Path, below: Sequence[Path], target: Path, *, readonly: bool) -> Path:
        """The folder, bound to `target` where that may be."""
        self._fill(own, below)
        if not self.mounts:
            return own / "fs"
        if readonly:
            mount_readonly([own / "fs"], target)
        else:
            mount_folder(own / "fs", target)
        return target

    def changes(self, own: Path, below: Sequence[Path]) -> Path:
        """Further names of what was touched; an empty folder where nobody looked yet."""
        del below
        folder = own / "changes"
        if not folder.exists():
            folder.mkdir(mode=0o755)
            if not (own / _FRESH).exists():
                Touched(own / "fs", folder, marshal.loads((own / _COPIED).read_bytes())).collect()  # noqa: S302
        return folder

    def whole(self, own: Path, below: Sequence[Path]) -> Path | None:
        """A copy of what is below, names of one file being that."""
        remove_tree(own / "fs")
        _copy(own, below, links=True)
        (own / _FRESH).unlink()
        return own / "fs"

    def commit(self, own: Path, below: Sequence[Path]) -> None:
        """What is below with the changes over it: of the folder in which somebody worked nothing else is kept."""
        changes = own / "changes"
        if not changes.exists() and ((own / _FRESH).exists() or (own / _COPIED).exists()):
            self.changes(own, below)
        if changes.exists():
            remove_tree(own / "fs")
            _copy(own, below, links=True)
            merge(changes, own / "fs")
            os.utime(own / "fs", ns=(0, changes.stat().st_mtime_ns))
            remove_tree(changes)
        for name in (_COPIED, _FRESH):
            (own / name).unlink(missing_ok=True)

    def sizes(self, own: Path, below: Sequence[Path]) -> tuple[int, int]:
        """Of what was touched, and of the whole folder."""
        found = (own / "changes").exists()
        added = bytes_of(self.changes(own, below))
        if not found:
            remove_tree(own / "changes")
        return added, bytes_of(own / "fs")

    def _fill(self, own: Path, below: Sequence[Path]) -> None:
        """Copies what is below, once."""
        if not (own / _FRESH).exists():
            return
        if below:
            remove_tree(own / "fs")  # a copy that was broken off
            _copy(own, below, links=False)
        (own / _COPIED).write_bytes(marshal.dumps(copied(own / "fs")))
        (own / _FRESH).unlink()


def _copy(own: Path, below: Sequence[Path], *, links: bool) -> None:
    if below:
        TreeCopy(links).make(below[-1] / "fs", own / "fs")
    else:
        (own / "fs").mkdir()
