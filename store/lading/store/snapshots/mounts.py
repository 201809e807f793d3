"""Mounting layers over each other with overlayfs, by the mount call and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from lading.store.errors import MachineError
from lading.store.system.syscalls import (
    MNT_DETACH,
    MS_BIND,
    MS_NODEV,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REMOUNT,
    UMOUNT_NOFOLLOW,
    mount,
    mount_with,
    umount,
)

_PAGE = 4095


def mount_overlay(lowers: Sequence[Path], upper: Path, work: Path, target: Path, *, user: bool = False) -> None:
    """`lowers` from the bottom up, `upper` on top of them, writable at `target`. Raises `MachineError`.

    `user` is for user namespaces: overlayfs then keeps what it notes in attributes that they may set.

    Nothing of overlayfs that would make an upper folder differ from a plain layer is left on.
    """
    names = ":".join(map(str, reversed(lowers)))
    options = f"lowerdir={names},upperdir={upper},workdir={work},{_options(user)}"
    if len(os.fsencode(options)) > _PAGE or _awkward(upper):
        own = [(b"upperdir", _escaped(upper)), (b"workdir", _escaped(work))]
        _mount_many(lowers, own, target, readonly=False, user=user)
    else:
        _mount(b"overlay", target, b"overlay", 0, os.fsencode(options))


def mount_readonly(lowers: Sequence[Path], target: Path, *, user: bool = False) -> None:
    """The view of `lowers`, from the bottom up, that nobody can write to."""
    if len(lowers) == 1:
        mount_folder(lowers[0], target)
        _mount(b"none", target, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
        return
    names = ":".join(str(lower) for lower in reversed(lowers))
    options = f"lowerdir={names},{_options(user)}"
    if len(os.fsencode(options)) > _PAGE or _awkward(lowers[0]):
        _mount_many(lowers, [], target, readonly=True, user=user)
    else:
        _mount(b"overlay", target, b"overlay", MS_RDONLY, os.fsencode(options))


def _awkward(path: Path) -> bool:
    """Whether overlayfs would read more into a path than its name; the folders of a store lie side by side."""
    return not {",", ":", "\\"}.isdisjoint(str(path))


def _escaped(path: Path) -> bytes:
    """As `upperdir` wants it; `lowerdir+` takes a path as it is."""
    return os.fsencode(path).replace(b"\\", b"\\\\")


def _options(user: bool) -> str:
    return "userxattr" if user else "index=off,metacopy=off,redirect_dir=off"


def _mount_many(
    lowers: Sequence[Path], own: list[tuple[bytes, bytes]], target: Path, *, readonly: bool, user: bool
) -> None:
    """As many lower folders as overlayfs takes (500), one option each (Linux 6.8)."""
    options = [(b"lowerdir+", os.fsencode(lower)) for lower in reversed(lowers)]
    options += own if user else [*own, (b"index", b"off"), (b"metacopy", b"off"), (b"redirect_dir", b"off")]
    flags = [b"userxattr"] if user else []
    try:
        mount_with(b"overlay", os.fsencode(target), options, flags=flags, readonly=readonly)
        mount(b"none", os.fsencode(target), None, MS_PRIVATE)
    except OSError as error:
        raise MachineError(
            f"{len(lowers)} layers are more than this kernel mounts over each other: {error.strerror}",
            hint="a root with a shorter path helps, or a newer kernel (6.8)",
        ) from error


def mount_folder(folder: Path, target: Path) -> None:
    """A folder, as it is, at `target`."""
    _mount(os.fsencode(folder), target, None, MS_BIND)


def mount_memory(target: Path) -> None:
    """A folder in memory, which is not swapped out where the kernel can see to that (Linux 6.4)."""
    flags = MS_NOSUID | MS_NODEV
    try:
        mount(b"tmpfs", os.fsencode(target), b"tmpfs", flags, b"mode=700,noswap")
    except OSError:
        _mount(b"tmpfs", target, b"tmpfs", flags, b"mode=700")


def _mount(source: bytes, target: Path, kind: bytes | None, flags: int, data: bytes | None = None) -> None:
    try:
        mount(source, os.fsencode(target), kind, flags, data)
        if not flags & MS_REMOUNT:
            mount(b"none", os.fsencode(target), None, MS_PRIVATE)
    except OSError as error:
        raise MachineError(
            f"{target}: cannot be mounted: {error.strerror}",
            hint="containers need root so far, and so does a root folder that root made"
            if error.errno == errno.EPERM
            else None,
        ) from error


def unmount(target: Path) -> bool:
    """Unmounts whatever is at `target`, at the latest when its last user goes; whether anything was there."""
    found = False
    while True:
        try:
            umount(os.fsencode(target), MNT_DETACH | UMOUNT_NOFOLLOW)
            found = True
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return found
            if error.errno == errno.EPERM and not os.path.ismount(target):
                return found  # asked of somebody who may mount nothing, either
            raise MachineError(f"{target}: cannot be unmounted: {error.strerror}") from error
