"""What a kind of snapshots does: all that differs between overlayfs and any other way to show layers.

Keys, parents, seals and sizes on record are the affair of `Snapshots`, which hands each call the folder of a snapshot
(`own`) and the folders of those that it stands on (`below`, from the bottom up). In each of them `fs` is what is
sealed when the snapshot is committed; whatever else lies beside it is the kind's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lading.store.archives.trees import Marks


class Snapshotter(Protocol):
    """One way to show layers. Its contract suite is `tests/suites/snapshots.py`; all may raise `MachineError`."""

    @property
    def name(self) -> str:
        """Its own, kept with every snapshot: none is read by another kind."""
        ...

    @property
    def marks(self) -> Marks:
        """How removals are written in `changes`."""
        ...

    @property
    def are_whole(self) -> bool:
        """Whether each holds all that it shows, and so has `whole`."""
        ...

    def prepare(self, own: Path, below: Sequence[Path]) -> None:
        """Makes `fs` in the new, empty folder of a writable snapshot."""
        ...

    def mount(self, own: Path, below: Sequence[Path], target: Path, *, readonly: bool) -> Path:
        """Shows a snapshot with what is below it at `target`, until that is unmounted, or elsewhere: says where."""
        ...

    def changes(self, own: Path, below: Sequence[Path]) -> Path:
        """The folder of what a snapshot adds and removes, with `marks`, once nothing is mounted of it.

        Who made the snapshot may go on working in there: `commit` takes what it finds.
        """
        ...

    def whole(self, own: Path, below: Sequence[Path]) -> Path | None:
        """The folder of all that a writable snapshot shows, to be worked in; None for kinds that have none."""
        ...

    def commit(self, own: Path, below: Sequence[Path]) -> None:
        """Leaves in `fs` what is shown from now on, and nothing that only a writable snapshot needs."""
        ...

    def sizes(self, own: Path, below: Sequence[Path]) -> tuple[int, int]:
        """The bytes of the files that a snapshot adds, and of all that it shows."""
        ...
