"""The files of an image as they would be its root file system: in a folder, or as one tar archive."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from typing import TYPE_CHECKING, Final

from lading.build.operations.root_filesystems import folder_in
from lading.store.archives.layers import EPOCH
from lading.store.archives.trees import scan
from lading.store.archives.writer import write_tar
from lading.store.errors import InputError, MachineError
from lading.store.oci.documents import layers_with_diff_ids
from lading.store.progress import QUIET
from lading.store.system.machine_errors import machine_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lading.store.archives.writer import Sink
    from lading.store.oci.documents import ImageConfig, Manifest
    from lading.store.progress import Progress
    from lading.store.store import Store

_SET_ID: Final = stat.S_ISUID | stat.S_ISGID


def write_folder(store: Store, manifest: Manifest, path: Path, progress: Progress = QUIET) -> None:
    """Puts the files of an image over what is in the folder `path`, which is made where it is missing.

    They belong to the caller, without set-ID bits, and devices are left out: what an image says of owners is true
    inside it alone. Raises `InputError`, `DocumentError`, `MachineError`.
    """
    from lading.store.archives.merged_layers import merge  # noqa: PLC0415 - brings the decompressors

    with machine_errors(path):
        if path.exists() and not path.is_dir():
            raise InputError(f"{path}: is there already, and no folder", hint="name a folder")
        _check_root(path)
        path.mkdir(parents=True, exist_ok=True)
        with folder_in(store, path) as work:  # on the file system that the files are moved on
            root = work / "root"
            _unpack(store, manifest, root, progress)
            _give(root)
            merge(root, path)


def write_tree(store: Store, images: Mapping[str, Manifest], sink: Sink, progress: Progress = QUIET) -> None:
    """Writes the files of images as a tar archive, with owners and modes; the first one's time is that of every file.

    Those of each are in a folder of the name that it has, of one without a name at the top.
    Raises `InputError`, `DocumentError`, `MachineError`.
    """
    _check_root("a tar of the files")
    with store.blobs.temporary_directory() as work:
        root = work / "root"
        if "" not in images:
            root.mkdir(0o755)
        for name, manifest in images.items():
            _unpack(store, manifest, root / name if name else root, progress)
        write_tar(scan(root), sink, _epoch(store.config(next(iter(images.values())))), store.limits)


def _check_root(where: Path | str) -> None:
    if os.geteuid() != 0:
        raise MachineError(f"{where}: only root can unpack the layers of an image")


def _unpack(store: Store, manifest: Manifest, root: Path, progress: Progress) -> None:
    from lading.store.archives.merged_layers import unpack_merged  # noqa: PLC0415 - as above

    root.mkdir(0o755)
    with store.writing():  # what is being read is not collected meanwhile
        layers = layers_with_diff_ids(manifest, store.config(manifest))
        unpack_merged(store.blobs, layers, root, store.limits, progress)


def _epoch(config: ImageConfig) -> int:
    try:
        return max(0, int(datetime.fromisoformat(config.created or "").timestamp()))
    except ValueError:
        return EPOCH


def _give(root: Path) -> None:
    """Gives everything to the caller: a bit that lends the owner's rights was meant for another owner."""
    user, group = os.geteuid(), os.getegid()
    for _, folders, files, folder in os.fwalk(root):
        for name in (*folders, *files):
            info = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
                os.unlink(name, dir_fd=folder)
                continue
            os.chown(name, user, group, dir_fd=folder, follow_symlinks=False)
            if info.st_mode & _SET_ID and not stat.S_ISLNK(info.st_mode):
                os.chmod(name, stat.S_IMODE(info.st_mode) & ~_SET_ID, dir_fd=folder)
