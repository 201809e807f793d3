"""Lading, BuildKit and buildah, each with a state of its own, each leaving a whole image in its store."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

LADING = Path(sys.executable).with_name("lading")
PEERS = Path(os.environ.get("LADING_PEERS", Path.home() / ".local/share/lading-peers/bin"))
NAME = "localhost/bench:1"
BUILDKIT = "0.34.2"
"""What scripts/bootstrap installs; a daemon built by `go build` says 0.0.0 of itself."""
CONFIG = """\
[worker.oci]
enabled = true
binary = "runc"
gc = false
[worker.containerd]
enabled = false
"""


class Builder(Protocol):
    """Something that builds."""

    title: str
    daemon: int | None

    def build(self, context: Path) -> None:
        """Builds `context`, with what it remembers."""
        ...

    def forget(self) -> None:
        """From now on nothing is remembered."""
        ...

    def version(self) -> str:
        """One line."""
        ...

    def close(self) -> None:
        """Ends what it started."""
        ...


def call(*words: object, folder: Path) -> str:
    """Runs a command that has to succeed; its output."""
    argv = [str(word) for word in words]
    environment = {
        "PATH": f"{PEERS}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "HOME": str(folder),
        "LADING_PASSWORD": "bench",
        "LADING_ROOT": str(folder / "lading"),
    }
    done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stderr.decode()}")
    return done.stdout.decode().strip()


def has(program: str) -> bool:
    """Whether a peer is here."""
    return shutil.which(program, path=f"{PEERS}:{os.environ['PATH']}") is not None


class Lading:
    """Signs what it builds, as always; its key is made before."""

    title = "lading"
    daemon = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        call(LADING, "keygen", folder=folder)
        self._keys = folder / "keys-kept"
        shutil.copytree(folder / "lading", self._keys)

    def build(self, context: Path) -> None:
        call(LADING, "build", "-q", "-t", NAME, context, folder=self._folder)

    def forget(self) -> None:
        shutil.rmtree(self._folder / "lading")
        shutil.copytree(self._keys, self._folder / "lading")

    def version(self) -> str:
        return call(LADING, "--version", folder=self._folder)

    def close(self) -> None:
        pass


class BuildKit:
    """A daemon without collector, so that nothing of it runs between two calls; no provenance is asked of it."""

    def __init__(self, folder: Path, compression: str) -> None:
        self.title = f"BuildKit, {compression}"
        self._folder = folder
        self._compression = compression
        config = folder / "buildkitd.toml"
        config.write_text(CONFIG)
        self._address = f"unix://{folder}/buildkit.sock"
        words = ["buildkitd", "--config", config, "--root", folder / "buildkit", "--addr", self._address]
        path = f"{PEERS}:{os.environ['PATH']}:/usr/sbin:/sbin"
        with (folder / "buildkitd.log").open("wb") as log:
            self._process = subprocess.Popen(words, env={**os.environ, "PATH": path}, stdout=log, stderr=log)
        self.daemon: int | None = self._process.pid
        while subprocess.run(self._words("debug", "workers"), capture_output=True, check=False).returncode:
            if self._process.poll() is not None:
                raise SystemExit((folder / "buildkitd.log").read_text())
            time.sleep(0.2)

    def _words(self, *words: object) -> list[str]:
        return [str(PEERS / "buildctl"), "--addr", self._address, *map(str, words)]

    def build(self, context: Path) -> None:
        output = f"type=image,name={NAME},compression={self._compression},oci-mediatypes=true"
        words = ("build", "--progress=plain", "--frontend=dockerfile.v0", "--output", output)
        call(
            *self._words(*words, "--local", f"context={context}", "--local", f"dockerfile={context}"),
            folder=self._folder,
        )

    def forget(self) -> None:
        call(*self._words("prune", "--all"), folder=self._folder)

    def version(self) -> str:
        return f"BuildKit {BUILDKIT}, {call('runc', '--version', folder=self._folder).splitlines()[0]}"

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


class Buildah:
    """Into its own storage, with the overlay driver, where layers lie unpacked and uncompressed."""

    title = "buildah"
    daemon = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        storage = ("--root", folder / "storage", "--runroot", folder / "run", "--storage-driver", "overlay")
        self._words = ("buildah", *storage)

    def build(self, context: Path) -> None:
        call(*self._words, "bud", "--layers", "-q", "--isolation", "oci", "-t", NAME, context, folder=self._folder)

    def forget(self) -> None:
        call(*self._words, "rmi", "-a", "-f", folder=self._folder)

    def version(self) -> str:
        return call("buildah", "--version", folder=self._folder)

    def close(self) -> None:
        self.forget()
        subprocess.run(["umount", self._folder / "storage/overlay"], capture_output=True, check=False)
