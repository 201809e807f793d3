"""The hierarchies of cgroup v1, mounted where everybody sees them.

An OCI runtime makes a container's group in every hierarchy that /proc/self/cgroup lists, at the folder that is named
after its controllers. Where nothing is mounted there, it makes plain folders and files, which nobody can tell from
groups and nobody removes. A command may have mounts of its own (a build has), so the mount is made in those that it
came with as well, and in those of the machine's first process.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lading.store.errors import MachineError
from lading.store.system import syscalls
from lading.store.system.removal import remove_tree


def mount_all(root: Path, held: list[str]) -> None:
    """Mounts what is not mounted below `root`, and gives each controller that v2 has `held` a hierarchy of its own.

    Raises `MachineError` where that cannot be; crun refuses to work then. Cheap where there is nothing to do.
    """
    listed = _listed()
    absent = [name for name in listed if not _mounted(root, name)]
    # Where none at all is mounted, it is not for us to begin.
    missing = [*(name for name in held if not _mounted(root, name)), *(absent if len(absent) < len(listed) else [])]
    if not missing:
        return
    syscalls.in_other_mounts(lambda: _mount_each(root, missing))
    for name in missing:
        try:
            _mount(root, name)
        except OSError as error:
            if name in held:
                raise MachineError(
                    f"cgroup v2 holds the controller {name} beside cgroup v1, which crun refuses, and it "
                    f"cannot be moved: {error.strerror}",
                    hint=f"as root: mount -t cgroup -o {name} cgroup {root / name}",
                ) from error


def _listed() -> list[str]:
    """What has a hierarchy of v1, for example ``cpu,cpuacct``."""
    lines = (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines())
    return [controllers for number, controllers, _ in lines if number != "0" and "=" not in controllers]


def _mounted(root: Path, name: str) -> bool:
    """A hierarchy of several controllers may be found by the name of each."""
    for folder in (root / name, *(root / word for word in name.split(","))):
        with suppress(OSError):
            if os.stat(folder).st_dev != os.stat(root).st_dev:
                return True
    return False


def _mount(root: Path, name: str) -> None:
    if _mounted(root, name):
        return
    folder = root / name
    folder.mkdir(exist_ok=True)
    with suppress(OSError):
        remove_tree(folder / "lading")  # what was taken for groups
    syscalls.mount(b"cgroup", os.fsencode(folder), b"cgroup", 0, name.encode())


def _mount_each(root: Path, names: list[str]) -> None:
    for name in names:
        with suppress(OSError):
            _mount(root, name)
