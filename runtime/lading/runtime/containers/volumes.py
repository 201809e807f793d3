"""Volumes: named ones under ``volumes/<name>/_data``, anonymous ones with a random name, and binds of host paths.

A volume that is new or empty takes over what the image has at its place, owner and mode included, as docker does. A
new one is made aside and renamed. What an empty one takes over, which others may have mounted, lies whole in ``_full``
until all of it is there. Whoever finds something in ``_data``, and no ``_full``, finds all of it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lading.runtime.oci import processes
from lading.runtime.oci.oci_runtime import ENV
from lading.runtime.options import VolumeMount, absolute
from lading.runtime.spec.rootfs import open_in_root, settled
from lading.runtime.spec.spec import Mount, bind, mount
from lading.store.errors import InputError, MachineError
from lading.store.fastclass import dataclass
from lading.store.system.atomic import publish
from lading.store.system.locks import open_folder, take
from lading.store.system.machine_errors import machine_errors
from lading.store.system.private_folders import private_folder
from lading.store.system.removal import remove_tree
from lading.store.system.syscalls import syncfs

_TAKEN: Final = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)


@dataclass(frozen=True, slots=True)
class ResolvedVolume:
    """A volume with its place on the host and, links followed, in the container; `name` is "" for a bind."""

    volume: VolumeMount
    name: str
    source: Path
    target: str
    anonymous: bool = False

    def mount(self) -> Mount:
        """For config.json."""
        volume = self.volume
        return bind(str(self.source), self.target, readonly=volume.readonly, propagation=volume.propagation)

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


class Volumes:
    """The volumes of one root."""

    def __init__(self, root: Path) -> None:
        self._root = root / "volumes"

    def names(self) -> list[str]:
        """All that there are."""
        try:
            return sorted(name for name in os.listdir(self._root) if not name.startswith("."))
        except FileNotFoundError:
            return []

    def place(
        self, given: Sequence[VolumeMount], image: Iterable[str], tmpfs: Iterable[str], rootfs: Path
    ) -> list[ResolvedVolume]:
        """The given volumes, and an anonymous one for every VOLUME of the image where nothing else is mounted.

        Each is judged by where it lies once the links of the image are followed. Nothing of them is made yet.
        Raises `InputError` where two share a place, or one would hide the root or the kernel's files.
        """
        taken = {settled(rootfs, target, folder=True) for target in tmpfs}
        found: dict[str, ResolvedVolume] = {}
        for volume in given:
            placed = self._place(volume, settled(rootfs, volume.target, folder=_is_folder(volume)))
            if placed.target in {*taken, *found}:
                raise InputError(
                    f"volume {volume.target}: another mount has this place in the container", option="volume"
                )
            found[placed.target] = placed
        for target in sorted({absolute("/" + target, "VOLUME") for target in image} - {"/"}):
            place = settled(rootfs, target, folder=True)
            if place not in {*taken, *found}:
                found[place] = self._place(VolumeMount("volume", "", target), place)
        return list(found.values())

    def _place(self, volume: VolumeMount, target: str) -> ResolvedVolume:
        if volume.kind == "bind":
            return ResolvedVolume(volume, "", Path(volume.source), target)
        name = volume.source or os.urandom(32).hex()
        return ResolvedVolume(volume, name, self._root / name / "_data", target, anonymous=not volume.source)

    def make(self, placed: ResolvedVolume, rootfs: Path) -> None:
        """Makes the source of a mount: a missing host folder, or a volume with all of the image's content at once."""
        if not placed.name:
            _make_bind(placed)
        elif not _is_settled(placed):
            with machine_errors(placed.source), _alone(placed.source.parent) as lock:
                if _full(placed).exists():
                    _take_over(placed)
                if not placed.source.is_dir():
                    _fill(placed, rootfs, lock, placed.source)
                elif not _is_settled(placed) and _has_something(rootfs, placed.target):
                    _fill(placed, rootfs, lock, _full(placed))
                    _take_over(placed)

    def remove(self, name: str) -> None:
        """Removes a volume with its content; one that is gone is fine."""
        with suppress(OSError):
            remove_tree(self._root / name)


def _is_folder(volume: VolumeMount) -> bool:
    return volume.kind == "volume" or os.path.isdir(volume.source) or not os.path.exists(volume.source)


def tmpfs_mounts(tmpfs: Mapping[str, str], rootfs: Path) -> list[Mount]:
    """The mounts of --tmpfs."""
    return [
        mount(settled(rootfs, target, folder=True), "tmpfs", "tmpfs", ["nosuid", "nodev", "noexec", *words.split(",")])
        for target, words in tmpfs.items()
    ]


@contextmanager
def _alone(folder: Path) -> Generator[int, None, None]:
    """The lock of a volume's folder, which is made where it is missing; nobody else is at work on it."""
    while True:
        lock = open_folder(private_folder(folder))
        try:
            take(lock)
            if os.fstat(lock).st_nlink:
                yield lock
                return
        finally:
            os.close(lock)


def _make_bind(placed: ResolvedVolume) -> None:
    try:
        if not placed.source.exists():
            placed.source.mkdir(mode=0o755, parents=True)
    except OSError as error:
        raise InputError(f"volume {placed.source}: cannot be made: {error.strerror}", option="volume") from error


def _full(placed: ResolvedVolume) -> Path:
    return placed.source.with_name("_full")


def _is_settled(placed: ResolvedVolume) -> bool:
    """Whether the volume is there and takes nothing over."""
    try:
        with os.scandir(placed.source) as inside:
            return (any(inside) or not placed.volume.copy) and not _full(placed).exists()
    except FileNotFoundError:
        return False


def _fill(placed: ResolvedVolume, rootfs: Path, lock: int, place: Path) -> None:
    """Makes the content aside, where a killed maker may have left something, and renames it to `place`."""
    aside = placed.source.with_name("_new")
    with suppress(FileNotFoundError):
        remove_tree(aside)
    aside.mkdir()
    aside.chmod(0o755)
    try:
        if placed.volume.copy:
            _copy_up(rootfs, placed.target, aside, lock)
        if not placed.anonymous:
            syncfs(aside)
        publish(aside, place)
    except BaseException:
        with suppress(OSError):
            remove_tree(aside)
        raise


def _take_over(placed: ResolvedVolume) -> None:
    """Moves what lies in ``_full`` into the volume, but for names that somebody took meanwhile; again after a kill.

    A container that has the volume mounted may put links in the way of a copy, out of it. A rename follows none.
    """
    there = open_folder(_full(placed))
    try:
        here = open_folder(placed.source)
        try:
            for name in os.listdir(there):
                _move(name, there, here)
            _liken(here, there)
        finally:
            os.close(here)
    finally:
        os.close(there)
    syncfs(placed.source)
    remove_tree(_full(placed))


def _move(name: str, there: int, here: int) -> None:
    try:
        os.rename(name, name, src_dir_fd=there, dst_dir_fd=here)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise


def _liken(folder: int, model: int) -> None:
    """Gives a folder the owner, mode, attributes and times of another."""
    info = os.fstat(model)
    os.chown(folder, info.st_uid, info.st_gid)
    os.chmod(folder, info.st_mode & 0o7777)
    for name in os.listxattr(model):
        os.setxattr(folder, name, os.getxattr(model, name))
    os.utime(folder, ns=(info.st_atime_ns, info.st_mtime_ns))


def _has_something(rootfs: Path, target: str) -> bool:
    """Whether the image has a folder there that is not empty."""
    source = _open_folder(rootfs, target)
    if source is None:
        return False
    try:
        return bool(os.listdir(source))
    finally:
        os.close(source)


def _open_folder(rootfs: Path, target: str) -> int | None:
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return open_in_root(root, target, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    finally:
        os.close(root)


def _copy_up(rootfs: Path, target: str, destination: Path, lock: int) -> None:
    """Copies a folder of the image; looked up inside the image's root, and by cp, which keeps all that a file has."""
    source = _open_folder(rootfs, target)
    if source is None:
        return
    try:
        own = os.fstat(source)
        os.chown(destination, own.st_uid, own.st_gid)
        os.chmod(destination, own.st_mode & 0o7777)
        if os.listdir(source):
            os.set_inheritable(source, True)
            _copy(f"/proc/{os.getpid()}/fd/{source}/.", destination, target, lock)
    finally:
        os.close(source)


def _copy(source: str, destination: Path, target: str, lock: int) -> None:
    argv = [processes.find("cp"), "-a", "--", source, f"{destination}/"]
    code, text = processes.capture(argv, ENV, holding=lock)
    if code:
        raise MachineError(f"{target}: the image's content could not be copied into the volume: {text}")
