"""What a root has outside of itself goes with its last container."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

from suites.commands import Lading, busybox
from suites.machine import needs
from suites.patience import until

pytestmark = needs("root", "overlay", "crun", "conmon", "nft", "ip", "busybox")


@pytest.fixture
def lading(tmp_path: Path) -> Iterator[Lading]:
    made = Lading(tmp_path / "root")
    made.ok("keygen")
    made.ok("build", "-q", "-t", "bb", busybox(tmp_path / "context", 'RUN ["true"]\n'))
    yield made
    for container in made.call("ps", "-aq").out.split():
        made.call("rm", "-fv", container)


def run_folder(lading: Lading) -> Path:
    return Path("/run/lading") / sha256(os.fsencode(lading.root)).hexdigest()[:12]


def gone(run: Path) -> None:
    """Waits until the last of those that use it, often the monitor's own cleanup, took it away."""
    until(lambda: not run.exists(), "the end of the run folder")


@pytest.mark.parametrize("network", ["none", "default"])
def test_it_goes_with_the_last_and_comes_again(lading: Lading, network: str) -> None:
    run = run_folder(lading)
    assert not run.exists(), "after a build"
    for _ in range(2):
        lading.ok("run", "--rm", "--network", network, "bb", "true")
        gone(run)
        first, second = (lading.ok("run", "-d", "--network", network, "bb", "sleep", "600") for _ in range(2))
        assert lading.ok("exec", first, "echo", "in") == "in"
        lading.ok("rm", "-f", first)
        assert lading.ok("exec", second, "echo", "in") == "in"
        assert run.exists()
        lading.ok("rm", "-f", second)
        gone(run)
    assert lading.ok("ps", "-aq") == ""
    gone(run)


def test_one_that_ends_by_itself_takes_it_along(lading: Lading) -> None:
    container = lading.ok("run", "-d", "--rm", "--network", "none", "bb", "true")
    while (lading.root / "containers" / container).exists() or run_folder(lading).exists():
        pass


def test_runs_side_by_side_never_lose_it(lading: Lading) -> None:
    words = ("run", "--rm", "--network", "none", "bb", "sh", "-c", "exit 7")
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: lading.call(*words), range(12)))
    assert [(one.code, one.err) for one in said] == [(7, "")] * 12
    while run_folder(lading).exists():
        lading.ok("ps")


def test_a_root_that_was_removed_is_not_made_again_by_what_ends_in_it(lading: Lading) -> None:
    root, run = lading.root.with_name("gone"), lading.root.with_name("run")
    clean = [sys.executable, "-I", "-m", "lading.runtime.lifecycle.exit_command", str(root), str(run), "0" * 64]
    done = subprocess.run(clean, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not root.exists()
    assert not run.exists()
