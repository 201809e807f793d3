"""Folders that no other user of the machine enters."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from lading.store.errors import MachineError
from lading.store.system.private_folders import private_folder
from suites.machine import needs

OTHER = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_whoever_comes_first_closes_every_folder_on_the_way(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private_folder(tmp_path / "a/b/c")
    finally:
        os.umask(before)
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3


@pytest.mark.parametrize("found", [0o755, 0o777, 0o701, 0o1777, 0o2750])
def test_an_open_folder_of_ours_is_closed(tmp_path: Path, found: int) -> None:
    place = tmp_path / "open"
    place.mkdir()
    place.chmod(found)
    private_folder(place)
    assert mode(place) & 0o077 == 0


def test_a_way_through_our_own_link_is_taken(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    (tmp_path / "absolute").symlink_to(tmp_path / "link")
    private_folder(tmp_path / "absolute/root")
    assert mode(tmp_path / "disk/root") == 0o700


@pytest.mark.parametrize("target", ["loop", "file", "file/below"])
def test_what_is_no_folder_is_said_in_one_line(tmp_path: Path, target: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match=str(tmp_path / target)):
        private_folder(tmp_path / target)


@needs("root")
def test_what_another_user_made_first_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "theirs"
    place.mkdir(mode=0o700)
    os.chown(place, OTHER, OTHER)
    with pytest.raises(MachineError, match="belongs to another user"):
        private_folder(place)


@needs("root")
@pytest.mark.parametrize("end", ["", "root"])
def test_a_link_of_another_user_leads_nowhere(tmp_path: Path, end: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(victim)
    os.lchown(tmp_path / "link", OTHER, OTHER)
    with pytest.raises(MachineError, match="a link of another user"):
        private_folder(tmp_path / "link" / end)
    assert mode(victim) == 0o755
    assert not list(victim.iterdir())


def test_a_folder_that_goes_meanwhile_is_made_again(tmp_path: Path) -> None:
    """The last user of a network takes its folder away while the next one makes it."""
    folder, rounds, together = tmp_path / "network" / "default" / "containers", 2000, threading.Barrier(2)

    def remove() -> None:
        for _ in range(rounds):
            with suppress(threading.BrokenBarrierError):
                together.wait()
            for place in (folder, folder.parent, folder.parent.parent):
                with suppress(OSError):
                    place.rmdir()

    removing = threading.Thread(target=remove)
    removing.start()
    try:
        for _ in range(rounds):
            together.wait()
            private_folder(folder)
    finally:
        together.abort()
        removing.join()
