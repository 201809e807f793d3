"""The one table of what tests may need from the machine, and the marker that skips with the reason.

`.ci/run` prints the table and fails when a test skipped although everything it needs is here.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

BIN = Path(os.environ.get("LADING_PEERS", Path.home() / ".local/share/lading-peers/bin"))
"""Where `scripts/bootstrap --peers` puts what it builds with Go."""
os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"

PROGRAMS = {
    **{name: name for name in ("podman", "buildah", "skopeo", "umoci", "docker-registry", "nft", "ip")},
    **{name: name for name in ("cosign", "crane", "oras", "regctl", "crun", "runc", "conmon", "bsdtar", "catatonit")},
    **{name: name for name in ("faketime", "mkfs.ext4", "curl", "openssl", "newuidmap", "bcrypt-htpasswd", "tmux")},
    "busybox": "busybox",
    "git": "git",
    "ssh-keygen": "ssh-keygen",
    "go": "go",
    "distribution": "registry",
    "gnu-tar": "tar",
    "rpm": "rpm",
    "buildkitd": "buildkitd",
    "buildx": "buildx",
    "syft": "syft",
    "qemu": "qemu-aarch64-static",
    **{name: name for name in ("unshare", "apt-get", "gpg", "gpgv", "dpkg-deb")},
}


def _root() -> bool:
    return os.geteuid() == 0


def _overlay() -> bool:
    return _root() and "overlay" in Path("/proc/filesystems").read_text()


def _netns() -> bool:
    if not _root() or not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0


def _vectors() -> bool:
    return vectors_path() is not None


def _ipv6() -> bool:
    return Path("/proc/net/if_inet6").exists()


def _macvlan() -> bool:
    make = "ip link add v0 type veth peer name v1 && ip link add link v0 type macvlan mode bridge"
    return _netns() and subprocess.run(["unshare", "-n", "sh", "-c", make], capture_output=True).returncode == 0


def _binfmt() -> bool:
    """A binfmt_misc of one's own, which kernels since 6.7 have in every user namespace."""
    if not _root() or not shutil.which("unshare"):
        return False
    mount = ["mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"]
    return subprocess.run(["unshare", "-Urm", *mount], capture_output=True, check=False).returncode == 0


FEATURES: dict[str, Callable[[], bool]] = {
    "root": _root,
    "overlay": _overlay,
    "netns": _netns,
    "ipv6": _ipv6,
    "macvlan": _macvlan,
    "vectors": _vectors,
    "binfmt": _binfmt,
}


@functools.cache
def present(need: str) -> bool:
    """Whether this machine has `need`: a name in PROGRAMS or FEATURES."""
    if need in FEATURES:
        return FEATURES[need]()
    return shutil.which(PROGRAMS[need]) is not None


def needs(*names: str) -> pytest.MarkDecorator:
    """Skips a test, or with `pytestmark` a module, unless the machine has all of `names`."""
    missing = [name for name in names if not present(name)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def vectors_path() -> Path | None:
    """The folder of test vectors: LADING_VECTORS, else `../shared/vectors` beside the project."""
    given = os.environ.get("LADING_VECTORS")
    path = Path(given) if given else Path(__file__).resolve().parents[2].parent / "shared" / "vectors"
    return path if path.is_dir() else None


def vectors() -> Path:
    """As `vectors_path`; skips the test or module where there are none."""
    path = vectors_path()
    if path is None:
        pytest.skip("needs vectors", allow_module_level=True)
    return path
