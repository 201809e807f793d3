"""Folders that are held while their makers live, seen by others at any moment of their making."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lading.store.system.locks import LOCK, abandoned_folder, locked_folder
from lading.store.system.removal import remove_tree

ROUNDS = 3000


@pytest.fixture
def turns() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def sweep(parent: Path) -> None:
    for folder in list(parent.iterdir()):
        with abandoned_folder(folder) as dead:
            if dead:
                remove_tree(folder)


@pytest.mark.usefixtures("turns")
def test_a_folder_that_was_made_stays(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        makers = pool.submit(lambda: [made_and_used(tmp_path) for _ in range(ROUNDS)])
        while not makers.done():
            sweep(tmp_path)
    makers.result()
    assert list(tmp_path.iterdir()) == []


def made_and_used(parent: Path) -> None:
    folder, lock = locked_folder(parent)
    (folder / "work").mkdir()
    assert (folder / LOCK).exists()
    remove_tree(folder)
    os.close(lock)


def test_what_nobody_holds_is_abandoned(tmp_path: Path) -> None:
    for name in ("empty", "unlocked", "locked"):
        (tmp_path / name).mkdir()
    (tmp_path / "unlocked/work").mkdir()
    (tmp_path / "locked" / LOCK).touch()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_held_stays(tmp_path: Path) -> None:
    folder, lock = locked_folder(tmp_path)
    sweep(tmp_path)
    assert [path.name for path in folder.iterdir()] == [LOCK]
    os.close(lock)
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
