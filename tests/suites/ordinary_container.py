"""An ordinary container, as CI systems give one: podman's, with docker's default capabilities and seccomp profile.

Its root file system is this machine's own /usr beside a few files, under an overlay of its own; there is no hub.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lading.runtime.spec import capabilities
from lading.runtime.spec.seccomp import profile

HOUSE = Path(__file__).parents[2]
_LINKS = ("bin", "sbin", "lib", "lib64")
_SHARED = ("/usr", "/etc/apt", "/etc/ssl", "/etc/alternatives")
_FOLDERS = ("tmp", "root", "var/lib", "var/tmp", "run", "proc", "sys", "dev", "etc", *(path[1:] for path in _SHARED))


@dataclass(frozen=True)
class OrdinaryContainer:
    """What runs in it sees this repository and its Python where they are, read-only."""

    folder: Path

    def run(
        self, *command: str, shared: Mapping[str, Path] | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in a new one, on the host's network; `shared` are further folders to read."""
        folders = {**{path: Path(path) for path in _SHARED}, str(HOUSE): HOUSE, sys.prefix: Path(sys.prefix)}
        folders = {target: place for target, place in {**folders, **(shared or {})}.items() if place.exists()}
        given = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "LADING_PASSWORD": "pw", "HOME": "/root", **variables}
        for name in ("http_proxy", "https_proxy", "no_proxy"):
            given.update({name: os.environ[name]} if name in os.environ else {})
        words = [
            *("podman", "--root", f"{self.folder}/s", "--runroot", f"{self.folder}/r", "--cgroup-manager", "cgroupfs"),
            *("run", "--rm", "--network", "host", "--cap-drop", "all", *_capabilities(), *_limits()),
            *("--security-opt", f"seccomp={self.folder}/seccomp.json", "--workdir", "/"),
            *(word for name, value in given.items() for word in ("-e", f"{name}={value}")),
            *(word for target, place in folders.items() for word in ("-v", f"{place}:{target}:ro")),
            *("--rootfs", f"{self.folder}/rootfs:O"),
        ]
        return subprocess.run([*words, *command], capture_output=True, text=True, check=False)


def _capabilities() -> Iterator[str]:
    for name in sorted(capabilities.BUILD):
        yield from ("--cap-add", name)


def _limits() -> Iterator[str]:
    """Not more than this process may have: podman would ask for more."""
    for name in ("nofile", "nproc"):
        soft, _ = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))
        few = 4096 if soft == resource.RLIM_INFINITY else min(soft, 4096)
        yield from ("--ulimit", f"{name}={few}:{few}")


@contextmanager
def ordinary_container() -> Generator[OrdinaryContainer, None, None]:
    """Its folder is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lad", dir="/tmp"))  # podman's runroot has at most 50 characters
    root = folder / "rootfs"
    for name in (*_FOLDERS, str(HOUSE)[1:], sys.prefix[1:]):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in _LINKS:
        (root / name).symlink_to(f"usr/{name}")
    for name in ("passwd", "group", "nsswitch.conf"):
        shutil.copy(f"/etc/{name}", root / "etc")
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (folder / "seccomp.json").write_text(json.dumps(profile(capabilities.BUILD)))
    try:
        yield OrdinaryContainer(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder / "s" / "overlay")], check=False, capture_output=True)
        shutil.rmtree(folder)
