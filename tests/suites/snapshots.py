"""The contract of `Snapshots`, whatever shows them: subclass, and say how one is made."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.store.archives.trees import capture
from lading.store.errors import DocumentError, MachineError
from lading.store.snapshots.mounts import unmount
from lading.store.snapshots.snapshots import TEMPORARY, Snapshots


@contextmanager
def mounted(snapshots: Snapshots, key: str, target: Path, *, readonly: bool = False) -> Generator[Path, None, None]:
    target.mkdir(exist_ok=True)
    snapshots.mount(key, target, readonly=readonly)
    try:
        yield target
    finally:
        unmount(target)


class SnapshotsContract:
    folder: Path
    """Where the folders of all snapshots are."""

    @pytest.fixture
    def snapshots(self, tmp_path: Path) -> Snapshots:
        raise NotImplementedError

    def files(self, snapshots: Snapshots, key: str) -> Path:
        """Where the sealed files of a snapshot lie."""
        found = snapshots.stat(key)
        assert found is not None
        return self.folder / found.folder / "fs"

    def layer(self, snapshots: Snapshots, where: Path, name: str, parent: str | None, **files: str) -> None:
        snapshots.prepare(f"making {name}", parent)
        with mounted(snapshots, f"making {name}", where) as root:
            for file, text in files.items():
                (root / file).write_text(text)
        snapshots.commit(f"making {name}", name)

    def test_layers_over_layers(self, snapshots: Snapshots, tmp_path: Path) -> None:
        where = tmp_path / "mnt"
        self.layer(snapshots, where, "one", None, a="1", b="1")
        self.layer(snapshots, where, "two", "one", b="2", c="2")
        with mounted(snapshots, "two", where, readonly=True) as root:
            assert {path.name: path.read_text() for path in root.iterdir()} == {"a": "1", "b": "2", "c": "2"}
            with pytest.raises(OSError, match="Read-only"):
                (root / "d").touch()
        snapshots.check("two")

    def test_what_a_snapshot_changes_is_told_in_the_form_of_overlayfs(
        self, snapshots: Snapshots, tmp_path: Path
    ) -> None:
        where = tmp_path / "mnt"
        self.layer(snapshots, where, "one", None, a="1", b="1", same="1")
        snapshots.prepare("two", "one")
        with mounted(snapshots, "two", where) as root:
            (root / "a").unlink()
            (root / "b").write_text("2")
            (root / "folder").mkdir()
            (root / "folder/c").write_text("2")
        assert [(e.path, e.kind) for e in capture(snapshots.changes("two"), snapshots.marks).entries] == [
            (b"a", "whiteout"),
            (b"b", "file"),
            (b"folder", "directory"),
            (b"folder/c", "file"),
        ]

    def test_what_is_done_to_the_changes_is_done_to_the_snapshot(self, snapshots: Snapshots, tmp_path: Path) -> None:
        where = tmp_path / "mnt"
        self.layer(snapshots, where, "one", None, a="1", b="1")
        snapshots.prepare("making", "one")
        with snapshots.parent_mounted("making") as below:
            assert below is not None
            assert (below / "b").read_text() == "1"
        changes = snapshots.changes("making")
        (changes / "new").write_text("2")
        os.mknod(changes / "a", stat.S_IFCHR, 0)
        snapshots.commit("making", "two")
        snapshots.check("two")
        with mounted(snapshots, "two", where) as root:
            assert sorted(path.name for path in root.iterdir()) == ["b", "new"]

    def test_sizes_of_what_is_added_and_of_what_is_shown(self, snapshots: Snapshots, tmp_path: Path) -> None:
        where = tmp_path / "mnt"
        self.layer(snapshots, where, "one", None, a="123", b="12345")
        snapshots.prepare("container", "one")
        with mounted(snapshots, "container", where) as root:
            (root / "c").write_text("1234567")
        assert snapshots.sizes("container") == (7, 15)
        assert snapshots.size("one") == 8
        assert snapshots.size("missing") == 0
        assert snapshots.stands_on("container") == ["one", "container"]

    def test_what_killed_work_left_is_swept(self, snapshots: Snapshots, tmp_path: Path) -> None:
        self.layer(snapshots, tmp_path / "mnt", "one", None, a="1")
        assert not snapshots.has_temporary()
        snapshots.prepare(f"{TEMPORARY}work", "one")
        (self.folder / "orphan").mkdir()
        assert snapshots.has_temporary()
        snapshots.sweep()
        assert not snapshots.has_temporary()
        assert [place.name for place in self.folder.iterdir()] == [snapshots.stat("one").folder]  # type: ignore[union-attr]

    def test_writing_on_a_committed_one_changes_only_the_new_one(self, snapshots: Snapshots, tmp_path: Path) -> None:
        where = tmp_path / "mnt"
        self.layer(snapshots, where, "one", None, a="1")
        snapshots.prepare("container", "one")
        with mounted(snapshots, "container", where) as root:
            (root / "a").unlink()
            (root / "new").touch()
        snapshots.check("one")
        with mounted(snapshots, "one", where, readonly=True) as root:
            assert [path.name for path in root.iterdir()] == ["a"]

    def test_keys_and_parents_are_checked(self, snapshots: Snapshots, tmp_path: Path) -> None:
        snapshots.prepare("one", None)
        with pytest.raises(MachineError, match="already"):
            snapshots.prepare("one", None)
        with pytest.raises(MachineError, match="still being written"):
            snapshots.prepare("two", "one")
        with pytest.raises(MachineError, match="no snapshot"):
            snapshots.prepare("two", "missing")

    def test_what_others_stand_on_is_not_removed(self, snapshots: Snapshots, tmp_path: Path) -> None:
        self.layer(snapshots, tmp_path / "mnt", "one", None, a="1")
        snapshots.prepare("container", "one")
        with pytest.raises(MachineError, match="in use by container"):
            snapshots.remove("one")
        snapshots.remove("container")
        snapshots.remove("one")
        snapshots.remove("one")
        assert snapshots.stat("one") is None

    def test_the_first_of_two_commits_stays(self, snapshots: Snapshots, tmp_path: Path) -> None:
        where = tmp_path / "mnt"
        self.layer(snapshots, where, "one", None, a="first")
        self.layer(snapshots, where, "one", None, a="second")
        assert (self.files(snapshots, "one") / "a").read_text() == "first"
        assert snapshots.stat("making one") is None

    @pytest.mark.parametrize("change", ["content", "same content", "mode", "new file", "removed", "replaced"])
    def test_a_changed_tree_is_noticed_and_named(self, snapshots: Snapshots, tmp_path: Path, change: str) -> None:
        where = tmp_path / "mnt"
        self.layer(snapshots, where, "one", None, victim="1", other="1")
        self.layer(snapshots, where, "two", "one", top="2")
        snapshots.check("two")
        victim = self.files(snapshots, "one") / "victim"
        if change == "content":
            victim.write_text("2")
        elif change == "same content":
            victim.write_text("1")
        elif change == "mode":
            victim.chmod(0o4755)
        elif change == "new file":
            (self.files(snapshots, "one") / "victim2").touch()
        elif change == "removed":
            victim.unlink()
        else:
            victim.rename(victim.with_name("aside"))
            victim.write_text("1")
        with pytest.raises(DocumentError) as caught:
            snapshots.check("two")
        assert (
            "victim" in caught.value.message
            or "folder itself" in caught.value.message
            or "aside" in caught.value.message
        )
