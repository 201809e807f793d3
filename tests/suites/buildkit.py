"""BuildKit as an oracle: a daemon of one's own, and the root file system that it makes of a Dockerfile."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CONFIG = """\
insecure-entitlements = ["network.host", "security.insecure"]
[worker.oci]
enabled = true
binary = "runc"
[worker.containerd]
enabled = false
"""


class BuildKit:
    """A running daemon."""

    def __init__(self, address: str) -> None:
        self._words = ["buildctl", "--addr", address]

    def answers(self) -> bool:
        """Whether it is ready."""
        return subprocess.run([*self._words, "debug", "workers"], capture_output=True, check=False).returncode == 0

    def build(self, context: Path, target: Path, dockerfile: Path | None = None) -> None:
        """Puts the root file system of what `context` says into the folder `target`.

        `dockerfile` is the folder of the Dockerfile where that is another one.
        """
        refusal = self.try_build(context, target, dockerfile=dockerfile)
        assert refusal is None, refusal

    def try_build(self, context: Path, target: Path, *more: str, dockerfile: Path | None = None) -> str | None:
        """As `build`, `more` given with the call; why it is refused, None where it is not."""
        archive = target.with_suffix(".tar")
        words = [*self._words, "build", "--progress=plain", "--frontend", "dockerfile.v0"]
        words += ["--local", f"context={context}", "--local", f"dockerfile={dockerfile or context}"]
        done = subprocess.run(
            [*words, *more, "--output", f"type=tar,dest={archive}"],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
        target.mkdir()
        flags = [
            "-p",
            "--same-owner",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "--delay-directory-restore",
            "--warning=no-timestamp",
        ]
        subprocess.run(["tar", "-x", *flags, "-C", target, "-f", archive], check=True)
        archive.unlink()
        return None

    def checks(self, context: Path) -> list[list[str | int]]:
        """The rules that speak of the Dockerfile in `context`, and the lines."""
        words = [*self._words, "build", "--progress=quiet", "--frontend", "dockerfile.v0"]
        words += ["--local", f"context={context}", "--local", f"dockerfile={context}"]
        words += ["--opt", "requestid=frontend.lint", "--opt", "frontend.caps=moby.buildkit.frontend.subrequests"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        found = re.findall(r"(?m)^WARNING: (\w+).*\n.*\nDockerfile:([0-9]+)", done.stdout)
        assert done.returncode == 0 or not found, done.stderr
        return sorted([rule, int(line)] for rule, line in set(found))

    def image(self, context: Path, target: Path, *more: str) -> tuple[str, dict[str, Any]]:
        """Puts an image into the OCI layout `target`; its digest and its config."""
        self.image_layout(context, target, *more)
        (row,) = json.loads((target / "index.json").read_text())["manifests"]
        manifest = json.loads((target / "blobs" / row["digest"].replace(":", "/")).read_text())
        config = json.loads((target / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_text())
        return row["digest"], config

    def image_layout(self, context: Path, target: Path, *more: str) -> None:
        """Puts an image or an index into the OCI layout `target`."""
        self._output(context, f"type=oci,tar=false,dest={target}", *more)

    def local(self, context: Path, target: Path, *more: str) -> None:
        """Puts the files of an image, or a folder of them for each platform, into `target`."""
        self._output(context, f"type=local,dest={target}", *more)

    def _output(self, context: Path, output: str, *more: str) -> None:
        words = [*self._words, "build", "--frontend", "dockerfile.v0", "--local", f"context={context}"]
        words += ["--local", f"dockerfile={context}", *more, "--output", output]
        subprocess.run(words, capture_output=True, check=True)


@contextmanager
def buildkit() -> Iterator[BuildKit]:
    """A daemon that is gone afterwards, with all it made."""
    folder = Path(tempfile.mkdtemp(prefix="lad", dir="/tmp"))
    (folder / "config.toml").write_text(CONFIG)
    address = f"unix://{folder}/socket"
    words = ["buildkitd", "--config", str(folder / "config.toml"), "--root", str(folder / "root"), "--addr", address]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        daemon = BuildKit(address)
        while not daemon.answers():
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.2)
        yield daemon
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(os.fspath(folder), ignore_errors=True)
