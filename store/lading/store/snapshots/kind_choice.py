"""Which kind of snapshots a root has: that of those it holds, else what this process may do here."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from lading.store.archives.trees import USER_OVERLAY
from lading.store.index import Index
from lading.store.snapshots.overlay import OverlaySnapshotter
from lading.store.snapshots.snapshots import DEFAULT_KIND, KIND
from lading.store.snapshots.snapshotter import Snapshotter
from lading.store.system.syscalls import file_system

_SYS_ADMIN: Final = 21
_ALL_USERS: Final = ["0", "0", "4294967295"]
_OVERLAYFS: Final = 0x794C7630
USER: Final = "overlay-user"
COPY: Final = "copy"


def may_mount() -> bool:
    """Whether this process holds CAP_SYS_ADMIN, be it in a user namespace alone."""
    return bool(_status("CapEff") >> _SYS_ADMIN & 1)


def in_user_namespace() -> bool:
    """Whether its users are not the machine's own."""
    return Path("/proc/self/uid_map").read_text().split() != _ALL_USERS


def only_root() -> bool:
    """Whether its user namespace has no other user."""
    return Path("/proc/self/uid_map").read_text().split()[2:] == ["1"]


def kind_of(root: Path, index: Index) -> Snapshotter:
    """The kind of the snapshots below `root`."""
    name = _found(root, index) or _own(root)
    if name == COPY:
        from lading.store.snapshots.copies import CopySnapshotter  # noqa: PLC0415 - most roots need none

        return CopySnapshotter(mounts=may_mount())
    return OverlaySnapshotter(USER, USER_OVERLAY) if name == USER else OverlaySnapshotter()


def _found(root: Path, index: Index) -> str | None:
    row = index.one("SELECT folder FROM snapshot LIMIT 1")
    if row is None:
        return None
    with suppress(FileNotFoundError):
        return Path(root, "snapshots", str(row[0]), KIND).read_text()
    return DEFAULT_KIND


def _own(root: Path) -> str:
    if os.geteuid() != 0 or not may_mount() or file_system(root) == _OVERLAYFS:
        return COPY
    return USER if in_user_namespace() else DEFAULT_KIND


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1], 16)
    return 0
