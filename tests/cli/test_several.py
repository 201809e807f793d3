"""Several containers in one call: side by side, and one that is missing stops nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import Lading, busybox
from suites.machine import needs

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox")


@pytest.fixture(scope="module")
def lading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lading]:
    folder = tmp_path_factory.mktemp("several")
    made = Lading(folder / "root")
    made.ok("keygen")
    made.ok("build", "-q", "-t", "bb", busybox(folder / "context"))
    yield made
    for container in made.ok("ps", "-aq").split():
        made.call("rm", "-fv", container)


def start(lading: Lading, name: str, script: str, *options: object) -> None:
    """A container that listens to TERM already when this returns."""
    words = ("run", "-d", "--name", name, "--network", "none", *options, "bb", "sh", "-c")
    lading.ok(*words, f"{script}; touch /ready; while :; do sleep 0.05; done")
    while lading.call("exec", name, "ls", "/ready").code != 0:
        pass


def status(lading: Lading, name: str) -> str:
    return str(json.loads(lading.ok("inspect", name))[0]["State"]["Status"])


def test_they_are_stopped_side_by_side(lading: Lading, tmp_path: Path) -> None:
    """The first ends only when the second was told, and would never be killed."""
    share = ("-v", f"{tmp_path}:/share")
    start(lading, "a", "trap 'while ! [ -e /share/b ]; do sleep 0.05; done; exit 3' TERM", *share)
    start(lading, "b", "trap 'touch /share/b; exit 4' TERM", *share)
    said = lading.call("stop", "-t", "-1", "a", "gone", "b")
    assert (said.code, said.out) == (1, "a\nb\n")
    assert [row for row in said.err.splitlines() if row.startswith("lading:")] == ["lading: no such container: gone"]
    assert lading.ok("wait", "b", "a", "b").split() == ["4", "3"]
    assert lading.ok("rm", "a", "b").split() == ["a", "b"]


def test_one_that_is_missing_stops_nobody(lading: Lading) -> None:
    for name in ("a", "b", "c"):
        start(lading, name, "trap 'exit 5' USR1")
    said = lading.call("kill", "-s", "USR1", "gone", "a", "b")
    assert (said.code, said.out) == (1, "a\nb\n")
    assert lading.ok("wait", "a", "b").split() == ["5", "5"]
    said = lading.call("rm", "a", "c", "gone")
    assert (said.code, said.out) == (1, "a\n"), "c still runs"
    assert len([row for row in said.err.splitlines() if row.startswith("lading:")]) == 2
    assert status(lading, "c") == "running"
    said = lading.call("rm", "-f", "gone", "b", "c")
    assert (said.code, said.out) == (0, "b\nc\n"), "as docker: what is not there need not be removed"
    assert "no such container: gone" in said.err
    assert lading.ok("ps", "-aq") == ""
    lading.fails(2, "kill", "-s", "NOPE", "gone", "gone2")


@pytest.mark.parametrize("network", [pytest.param("default", marks=needs("nft", "ip")), "none"])
def test_many_go_at_once(lading: Lading, network: str) -> None:
    names = [f"n{number}" for number in range(8)]
    for name in names:
        lading.ok("run", "-d", "--name", name, "--network", network, "bb", "sleep", "1000")
    assert lading.ok("rm", "-f", *names).split() == names
    assert lading.ok("ps", "-aq") == ""
    assert str(lading.root) not in Path("/proc/self/mounts").read_text()
