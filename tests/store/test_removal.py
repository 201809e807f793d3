"""Trees as deep as a container cares to make them are walked, refused and removed, and nothing recurses."""

import os
from pathlib import Path

import pytest

from lading.store.archives.trees import scan
from lading.store.errors import InputError
from lading.store.system.removal import remove_tree


def nest(folder: Path, depth: int) -> None:
    """Folders in folders, made as a process that walks into them can, beyond what any path says."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(b"a", dir_fd=here)
        inside = os.open(b"a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inside
    os.close(os.open(b"file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize("depth", [3, 1500, 6000])
def test_any_depth_is_removed(tmp_path: Path, depth: int) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    nest(tree, depth)
    (tree / "link").symlink_to(tmp_path)
    (tmp_path / "kept").write_text("")
    remove_tree(tree)
    remove_tree(tree)
    assert os.listdir(tmp_path) == ["kept"]


def test_a_deep_tree_is_scanned_and_one_that_no_path_reaches_is_refused(tmp_path: Path) -> None:
    for name, depth in (("deep", 1500), ("deeper", 3000)):
        (tmp_path / name).mkdir()
        nest(tmp_path / name, depth)
    assert len(scan(tmp_path / "deep").entries) == 1501
    with pytest.raises(InputError, match="nested so deeply"):
        scan(tmp_path / "deeper")
    remove_tree(tmp_path / "deep")
    remove_tree(tmp_path / "deeper")  # for pytest's own removal recurses
