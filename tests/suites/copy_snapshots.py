"""A third kind of snapshots: each is a plain tree of its own, copied from what it stands on. It needs no overlayfs."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lading.store.archives.merged_layers import merge
from lading.store.archives.trees import bytes_of, kept
from lading.store.snapshots.mounts import mount_folder, mount_readonly
from lading.store.system.removal import remove_tree


class CopySnapshotter:
    """`fs` is everything that is shown; `changes` is there between the question for it and the commit."""

    def prepare(self, own: Path, below: Sequence[Path]) -> None:
        if below:
            _copy(below[-1] / "fs", own / "fs")
        else:
            (own / "fs").mkdir()

    def mount(self, own: Path, below: Sequence[Path], target: Path, *, readonly: bool) -> None:
        if readonly:
            mount_readonly([own / "fs"], target)
        else:
            mount_folder(own / "fs", target)

    def changes(self, own: Path, below: Sequence[Path]) -> Path:
        folder = own / "changes"
        if not folder.exists():
            _copy(own / "fs", folder)
            if below:
                _subtract(folder, below[-1] / "fs")
        return folder

    def commit(self, own: Path, below: Sequence[Path]) -> None:
        if (own / "changes").exists():
            remove_tree(own / "fs")
            self.prepare(own, below)
            merge(own / "changes", own / "fs")
            os.utime(own / "fs", ns=(0, (own / "changes").stat().st_mtime_ns))
            remove_tree(own / "changes")

    def sizes(self, own: Path, below: Sequence[Path]) -> tuple[int, int]:
        added = bytes_of(self.changes(own, below))
        remove_tree(own / "changes")
        return added, bytes_of(own / "fs")


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


def _subtract(folder: Path, below: Path) -> None:
    """Takes out what is the same below, and puts a removal in where something is below only."""
    names = {path.name for path in folder.iterdir()}
    for old in below.iterdir():
        if old.name not in names:
            os.mknod(folder / old.name, stat.S_IFCHR, 0)
    for name in names:
        new, old = folder / name, below / name
        if not os.path.lexists(old):
            continue
        if _is_folder(new) and _is_folder(old):
            _subtract(new, old)
            if not any(new.iterdir()) and _seen(new) == _seen(old):
                new.rmdir()
        elif _seen(new) == _seen(old):
            new.unlink()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _seen(path: Path) -> object:
    info = path.lstat()
    attributes = {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False)
        if kept(name)
    }
    content: object = info.st_rdev
    if stat.S_ISLNK(info.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(info.st_mode):
        content = path.read_bytes()
    return info.st_mode, info.st_uid, info.st_gid, content, attributes
