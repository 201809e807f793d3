"""Every block of the README is run, in order, as a stranger would: an empty home and root, a private /usr/local/bin."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from suites.machine import needs

HOUSE = Path(__file__).parents[1]
TEXT = (HOUSE / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
# The two commands have tests of their own, of which this is a part.
STEPS = [block for block in BLOCKS if not block.startswith("scripts/demo")]
SERVES = next(at for at, block in enumerate(STEPS) if "registry serve" in block)


def stranger(folder: Path, script: str, *, network: bool) -> subprocess.CompletedProcess[str]:
    """Runs a script in the house, from where files that it writes do not stay."""
    before = (
        f"mount -t tmpfs none /usr/local/bin && mkdir -p {folder}/up {folder}/work &&"
        f" mount -t overlay -o lowerdir={HOUSE},upperdir={folder}/up,workdir={folder}/work none {folder}/house &&"
        f" cd {folder}/house &&"
    )
    if not network:
        before += " ip link set lo up &&"
    environment = {
        "HOME": str(folder),
        "LADING_ROOT": str(folder / "root"),
        "COSIGN_PASSWORD": "",
        "PATH": f"/usr/local/bin:{os.environ['PATH']}",
    }
    (folder / "house").mkdir(exist_ok=True)
    (folder / "script").write_text(f"set -eu\n{script}")
    return subprocess.run(
        ["unshare", "-m" if network else "-mn", "sh", "-c", f"{before} exec bash ../script"],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@needs("root", "overlay", "crun", "conmon", "apt-get", "gpgv", "ip", "unshare", "cosign")
def test_every_block_of_the_readme_works(tmp_path: Path) -> None:
    link = next(block for block in STEPS if "--link" in block)
    first = stranger(tmp_path, "\n".join(STEPS[:SERVES]), network=True)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "self-test" in first.stdout or "accepted" in first.stdout, first.stdout
    # The registry's port is free in a network of its own; nothing from here on needs another.
    rest = "\n".join([link, *STEPS[SERVES:], "kill %1"])
    second = stranger(tmp_path, rest, network=False)
    assert second.returncode == 0, second.stdout + second.stderr
    assert re.search(r"^released: localhost:5000/app@sha256:[0-9a-f]{64}$", second.stdout, re.MULTILINE), second.stdout
    shutil.rmtree(tmp_path / "root")


@pytest.mark.parametrize("way", ["--link", "--link {folder}/kept"])
def test_a_link_that_cannot_be_made_is_said(tmp_path: Path, way: str) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/lading").write_text("somebody's own")
    words = way.format(folder=tmp_path).split()
    done = subprocess.run([HOUSE / "scripts/bootstrap", *words], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stderr.startswith("bootstrap: ")
    assert (tmp_path / "kept/lading").read_text() == "somebody's own"


def test_the_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        assert (HOUSE / target).exists(), target
