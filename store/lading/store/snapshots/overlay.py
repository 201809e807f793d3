"""Snapshots under overlayfs: a folder of changes for each, mounted over those of the ones that it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lading.store.archives.trees import OVERLAY, Marks
from lading.store.fastclass import dataclass
from lading.store.snapshots.mounts import mount_folder, mount_overlay, mount_readonly
from lading.store.system.removal import remove_tree


@dataclass(frozen=True, slots=True)
class OverlaySnapshotter:
    """`fs` is overlayfs's upper folder, and a lower one of what stands on it; `work` is there while it is written."""

    name: str = "overlay"
    marks: Marks = OVERLAY
    are_whole: bool = False

    @property
    def user(self) -> bool:
        """Whether it is that of a user namespace."""
        return self.marks is not OVERLAY

    def prepare(self, own: Path, below: Sequence[Path]) -> None:
        """An empty upper folder."""
        del below
        for name in ("fs", "work"):
            (own / name).mkdir(mode=0o700)

    def mount(self, own: Path, below: Sequence[Path], target: Path, *, readonly: bool) -> Path:
        """Over each other; a single one as it is."""
        lowers = [place / "fs" for place in below]
        if readonly:
            mount_readonly([*lowers, own / "fs"], target, user=self.user)
        elif lowers:
            mount_overlay(lowers, own / "fs", own / "work", target, user=self.user)
        else:
            mount_folder(own / "fs", target)
        return target

    def changes(self, own: Path, below: Sequence[Path]) -> Path:
        """The upper folder."""
        del below
        return own / "fs"

    def whole(self, own: Path, below: Sequence[Path]) -> Path | None:
        """There is none: what is below lies elsewhere."""
        del own, below
        return None

    def commit(self, own: Path, below: Sequence[Path]) -> None:
        """The upper folder is what others stand on."""
        del below
        remove_tree(own / "work")

    def sizes(self, own: Path, below: Sequence[Path]) -> tuple[int, int]:
        """Of the upper folder, and of all; what an upper file hides is counted with it, as docker does."""
        from lading.store.archives.trees import bytes_of  # noqa: PLC0415

        added, *others = (bytes_of(place / "fs") for place in (own, *below))
        return added, added + sum(others)
