"""Volumes: named ones under ``volumes/<name>/_data``, anonymous ones with a random name, and binds of host paths.

A new volume takes over what the image has at its place, owner and mode included, as docker does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from lading.runtime import processes
from lading.runtime.crun import ENV
from lading.runtime.options import Volume, absolute
from lading.runtime.rootfs import open_in_root
from lading.runtime.spec import Mount, bind
from lading.store.errors import InputError, MachineError
from lading.store.fastclass import dataclass
from lading.store.private import private_folder
from lading.store.removal import remove_tree


@dataclass(frozen=True, slots=True)
class Placed:
    """A volume with its place on the host; `name` is "" for a bind."""

    volume: Volume
    name: str
    source: Path
    anonymous: bool = False

    def mount(self) -> Mount:
        """For config.json."""
        volume = self.volume
        return bind(str(self.source), volume.target, readonly=volume.readonly, propagation=volume.propagation)

    def document(self) -> dict[str, object]:
        """As docker's inspect lists it."""
        value: dict[str, object] = {
            "Type": self.volume.kind,
            "Source": str(self.source),
            "Destination": self.volume.target,
            "Mode": "ro" if self.volume.readonly else "",
            "RW": not self.volume.readonly,
            "Propagation": self.volume.propagation if self.volume.kind == "bind" else "",
        }
        return value | ({"Name": self.name, "Driver": "local"} if self.name else {})


def wanted(given: Sequence[Volume], image: Iterable[str], tmpfs: Iterable[str]) -> list[Volume]:
    """The given volumes, and an anonymous one for every VOLUME of the image that nothing is mounted on."""
    taken = {volume.target for volume in given} | {absolute(target, "--tmpfs") for target in tmpfs}
    targets = {absolute("/" + target, "VOLUME") for target in image} - taken - {"/"}
    if hidden := next((target for target in targets if (target + "/").startswith("/proc/")), None):
        raise InputError(f"the image asks for a volume at {hidden}, which would hide the kernel's own files")
    return [*given, *(Volume("volume", "", target) for target in sorted(targets))]


class Volumes:
    """The volumes of one root."""

    def __init__(self, root: Path) -> None:
        self._root = root / "volumes"

    def place(self, volume: Volume) -> Placed:
        """Where a volume lies; nothing is made yet. Anonymous ones get their name here."""
        if volume.kind == "bind":
            return Placed(volume, "", Path(volume.source))
        name = volume.source or os.urandom(32).hex()
        return Placed(volume, name, self._root / name / "_data", anonymous=not volume.source)

    def make(self, placed: Placed, rootfs: Path) -> None:
        """Makes the source of a mount: a missing host folder, or a volume with the image's content."""
        if not placed.name:
            _make_bind(placed)
            return
        private_folder(placed.source.parent)
        placed.source.mkdir(mode=0o755, exist_ok=True)
        if placed.volume.copy and not any(placed.source.iterdir()):
            _copy_up(rootfs, placed.volume.target, placed.source)

    def remove(self, name: str) -> None:
        """Removes a volume with its content; one that is gone is fine."""
        with suppress(OSError):
            remove_tree(self._root / name)


def _make_bind(placed: Placed) -> None:
    try:
        if not placed.source.exists():
            placed.source.mkdir(mode=0o755, parents=True)
    except OSError as error:
        raise InputError(f"-v {placed.source}: cannot be made: {error.strerror}") from error


def _copy_up(rootfs: Path, target: str, destination: Path) -> None:
    """Copies a folder of the image; looked up inside the image's root, and by cp, which keeps all that a file has."""
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        source = open_in_root(root, target, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    finally:
        os.close(root)
    try:
        own = os.fstat(source)
        os.chown(destination, own.st_uid, own.st_gid)
        os.chmod(destination, own.st_mode & 0o7777)
        if os.listdir(source):
            os.set_inheritable(source, True)
            argv = [processes.find("cp"), "-a", "--", f"/proc/{os.getpid()}/fd/{source}/.", f"{destination}/"]
            code, text = processes.capture(argv, ENV)
            if code:
                raise MachineError(f"{target}: the image's content could not be copied into the volume: {text}")
    finally:
        os.close(source)
