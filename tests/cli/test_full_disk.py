"""A root on a disk without a free byte: everything that looks, ends or frees works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import Lading, busybox
from suites.machine import needs
from suites.small_disk import fill, small_disk

pytestmark = needs("root", "overlay", "crun", "conmon", "nft", "ip", "busybox")


@pytest.fixture
def lading(tmp_path: Path) -> Iterator[Lading]:
    with small_disk(tmp_path / "small", "24m") as place:
        made = Lading(place / "root")
        made.ok("keygen")
        made.ok("build", "-q", "-t", "bb", busybox(tmp_path / "context", "VOLUME /data\n"))
        yield made
        for container in made.call("ps", "-aq").out.split():
            made.call("rm", "-fv", container)


def test_nothing_that_looks_ends_or_frees_needs_room(lading: Lading) -> None:
    names = ("ended", "stopped", "killed", "forced")
    for name in names:
        command = "true" if name == "ended" else "trap 'exit 3' TERM; echo up; while :; do sleep 1; done"
        network = "none" if name == "killed" else "default"
        lading.ok("run", "-d", "--name", name, "--network", network, "bb", "sh", "-c", command)
    lading.ok("wait", "ended")
    while lading.ok("logs", "stopped") != "up":
        pass
    fill(lading.root.parent)
    assert set(lading.ok("ps", "-a", "--format", "{{.Names}}").split()) == set(names)
    assert lading.ok("logs", "stopped") == "up"
    assert lading.ok("exec", "stopped", "echo", "inside") == "inside"
    assert json.loads(lading.ok("inspect", "stopped"))[0]["State"]["Running"]
    assert lading.ok("inspect", "bb")
    assert "bb" in lading.ok("images")
    lading.ok("stop", "stopped")
    assert json.loads(lading.ok("inspect", "stopped"))[0]["State"]["ExitCode"] == 3
    lading.ok("kill", "killed")
    assert lading.ok("wait", "killed") == "137"
    lading.ok("rm", "-v", "ended", "stopped", "killed")
    lading.ok("rm", "-f", "-v", "forced")
    assert lading.ok("ps", "-aq") == ""
    lading.ok("rmi", "bb")
    assert list((lading.root / "volumes").iterdir()) == []
    # There is room again, and everything is as it should be.
    (lading.root.parent / "ballast").unlink()
    assert lading.ok("images", "-q") == ""


def test_a_container_that_ends_by_itself_is_seen_and_removed(lading: Lading) -> None:
    waits = "while [ ! -e /data/end ]; do sleep 0.1; done; exit 7"
    kept, gone = (
        lading.ok("run", "-d", *words, "-v", "ends:/data", "--network", "none", "bb", "sh", "-c", waits)
        for words in ([], ["--rm"])
    )
    (lading.root / "volumes/ends/_data/end").touch()
    fill(lading.root.parent)
    assert lading.ok("wait", kept) == "7"
    while gone[:12] in lading.ok("ps", "-aq"):
        pass
    assert not (lading.root / "containers" / gone).exists()


def test_what_needs_room_says_so_in_a_line_and_leaves_nothing(lading: Lading) -> None:
    fill(lading.root.parent)
    assert "space" in lading.fails(125, "run", "-d", "--network", "none", "bb", "true")
    assert lading.ok("ps", "-aq") == ""
    assert [entry.name for entry in (lading.root / "containers").iterdir()] == ["names"]


def test_a_key_that_has_no_room_leaves_the_one_that_signs(lading: Lading) -> None:
    keys = lading.root / "keys"
    before = {file.name: file.read_bytes() for file in keys.iterdir()}
    ballast = fill(lading.root.parent)
    said = lading.call("key", "rotate")
    assert (said.code, said.err) == (1, f"lading: {keys}/next.pub: No space left on device\n")
    assert {file.name: file.read_bytes() for file in keys.iterdir()} == before
    ballast.unlink()
    lading.ok("key", "rotate")
    lading.ok("verify", "--local", "bb")
