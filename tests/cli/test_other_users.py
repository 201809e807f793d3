"""What another user of the machine can do with a root, its containers and what lasts until the next boot: nothing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from suites.commands import LADING, Lading, busybox
from suites.machine import needs

pytestmark = needs("root")
OTHER = 65534
_LOOK = """
for top in "$@"; do find "$top" -mindepth 1 2>/dev/null; done
while read -r path; do
    [ -e "$path" ] && echo "sees $path"
    cat "$path" >/dev/null 2>&1 && echo "reads $path"
    ls "$path/" >/dev/null 2>&1 && echo "lists $path"
    [ -x "$path" ] && echo "runs $path"
done
true
"""


@pytest.fixture
def lading() -> Iterator[Lading]:
    """One below a folder that everybody enters."""
    folder = Path(tempfile.mkdtemp(prefix="lading-test-"))
    folder.chmod(0o755)
    made = Lading(folder / "root")
    yield made
    for container in made.call("ps", "-aq").out.split():
        made.call("rm", "-fv", container)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(run_folder(made), ignore_errors=True)


def run_folder(lading: Lading) -> Path:
    return Path("/run/lading") / sha256(os.fsencode(lading.root)).hexdigest()[:12]


def seen_by_another(*tops: Path) -> str:
    """What a user with no rights finds below `tops`, told of every path there is."""
    paths = [str(path) for top in tops for path in top.rglob("*")]
    assert paths
    done = subprocess.run(
        ["setpriv", "--reuid", str(OTHER), "--regid", str(OTHER), "--clear-groups", "sh", "-c", _LOOK, "sh", *tops],
        input="\n".join(paths) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@needs("overlay", "crun", "conmon", "nft", "ip", "busybox")
def test_nothing_below_the_root_and_the_run_folder_is_seen(lading: Lading) -> None:
    before = os.umask(0)
    try:
        lading.ok("keygen")
        lading.ok("build", "-q", "-t", "bb", busybox(lading.root.parent / "context", "VOLUME /v\n"))
        made = "for f in /own /v/own; do busybox cp /bin/busybox $f; busybox chmod 4755 $f; done"
        script = f"{made}; echo ready; exec sleep 600"
        container = lading.ok("run", "-d", "-v", "named:/named", "bb", "sh", "-c", script)
        while "ready" not in lading.ok("logs", container):
            pass
    finally:
        os.umask(before)
    assert (lading.root / "containers" / container / "rootfs/own").stat().st_mode & stat.S_ISUID
    assert seen_by_another(lading.root, run_folder(lading)) == ""
    assert stat.S_IMODE(run_folder(lading).parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("words", [["keygen"], ["images"], ["ps"], ["tag", "a", "b"]], ids=lambda words: words[0])
def test_no_command_leaves_an_open_root(lading: Lading, words: list[str]) -> None:
    lading.root.mkdir(mode=0o755)
    first = lading.call(*words)
    assert "Traceback" not in first.err
    lading.root.chmod(0o777)
    lading.call("images")
    assert stat.S_IMODE(lading.root.stat().st_mode) == 0o700


@pytest.mark.parametrize("words", [["keygen"], ["images"], ["ps"], ["rmi", "a"]], ids=lambda words: words[0])
def test_a_root_that_another_user_made_is_refused(lading: Lading, words: list[str]) -> None:
    lading.root.mkdir(mode=0o700)
    os.chown(lading.root, OTHER, OTHER)
    code = lading.call(*words).code
    assert "belongs to another user" in lading.fails(code, *words)
    assert code
    assert not list(lading.root.iterdir())


@needs("busybox")
def test_what_only_root_can_unpack_or_start_is_said(lading: Lading) -> None:
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "bb", busybox(lading.root.parent / "context"))
    given = busybox(lading.root.parent / "given", "COPY --chown=5:5 bin/busybox /given\n")
    lading.ok("build", "-q", "-t", "given", given)
    archive = lading.root.parent / "images.tar"
    lading.ok("save", "-o", archive, "bb", "given")
    theirs = lading.root.parent / "theirs"
    theirs.mkdir()
    os.chown(theirs, OTHER, OTHER)
    variables = {"PATH": os.environ["PATH"], "HOME": str(theirs), "XDG_RUNTIME_DIR": str(theirs), "LADING_PASSWORD": ""}

    def call(*words: object) -> subprocess.CompletedProcess[str]:
        other = ["setpriv", "--reuid", str(OTHER), "--regid", str(OTHER), "--clear-groups", LADING, *words]
        return subprocess.run(other, env=variables, capture_output=True, text=True, check=False)

    for words in (("keygen",), ("load", "-i", archive)):
        assert call(*words).returncode == 0
    assert (
        "only root can give files the owners that an image says" in call("run", "--unsafe-unverified", "given").stderr
    )
    for options in ((), ("--network", "none")):
        done = call("run", "--unsafe-unverified", *options, "bb")
        assert (done.returncode, "lading: only root can start a container" in done.stderr) == (125, True)


def test_a_run_folder_that_another_user_made_is_refused(lading: Lading) -> None:
    """A user without XDG_RUNTIME_DIR falls back to a folder of /tmp, where anybody can be first."""
    run = lading.root.parent / "runtime/lading"
    run.mkdir(parents=True)
    os.chown(run, 1, 1)
    lading.root.mkdir(mode=0o700)
    for folder in (lading.root, run.parent):
        os.chown(folder, OTHER, OTHER)
    done = subprocess.run(
        ["setpriv", "--reuid", str(OTHER), "--regid", str(OTHER), "--clear-groups", LADING, "ps"],
        env={"PATH": os.environ["PATH"], "LADING_ROOT": str(lading.root), "XDG_RUNTIME_DIR": str(run.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{run}: belongs to another user" in done.stderr
