"""Unpacking images: ahead of their first run, anew where nothing runs on what is there, or into a plain folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lading.build.operations.root_filesystems import folder_in
from lading.runtime.containers.records import ContainerRecords
from lading.store.content.blobs import read_blob
from lading.store.errors import InputError, MachineError, Remedy
from lading.store.oci.documents import chain_ids, layers_with_diff_ids, parse_config, parse_manifest
from lading.store.snapshots import unpack_layers as unpacking
from lading.store.system.machine_errors import border

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.store.oci.documents import ImageConfig
    from lading.store.progress import Progress
    from lading.store.store import Store
    from lading.verify.judgement.verdict import Verdict


def unpack(host: Host, text: str, *, anew: bool = False) -> str | None:
    """The topmost snapshot of an image, unpacked where it is missing, or `anew` from verified blobs.

    Raises `InputError` where a container runs on what would be replaced, `MachineError` while others write.
    """
    store = host.store
    manifest = host.images.target(host.images.get(text)).manifest
    config = store.config(manifest)
    if not anew:
        with store.writing():
            return unpacking.unpack(store.snapshots, store.blobs, manifest, config, host.progress)
    with store.collecting() as alone:
        if not alone:
            raise MachineError(f"{text}: other work is writing to the store", hint="try again when that has ended")
        _refuse_running(host, text, config)
        return unpacking.repair(store.snapshots, store.blobs, manifest, config, host.progress)


def _refuse_running(host: Host, text: str, config: ImageConfig) -> None:
    layers = {str(chain) for chain in chain_ids(config.diff_ids)}
    # As it is on record: settling what ended would unmount it, here in a mount namespace of our own.
    for container in ContainerRecords(host.configuration.root, host.run_folder()).all():
        over = not container.active or (container.process is not None and not container.process.alive)
        if not over and layers & set(host.store.snapshots.stands_on(container.id)):
            raise InputError(
                f"{text}: container {container.name} of {container.image} runs on the tree that is to be replaced",
                hint=Remedy("stop container first", f"stop {container.name} first", container.name),
            )


@border
def unpack_into(store: Store, verdict: Verdict, folder: Path, progress: Progress) -> None:
    """The tree of the image that `verdict` let in, from verified blobs, in `folder`: all of it or nothing.

    Raises `InputError` where something is there already, `MachineError` without root's rights.
    """
    from lading.store.archives.merged_layers import unpack_merged  # noqa: PLC0415 - brings the decompressors

    digest = verdict.manifest  # of a forged verdict there is none
    if os.geteuid() != 0:
        raise MachineError(f"{folder}: only root can give files the owners that an image says")
    if os.path.lexists(folder):
        raise InputError(f"{folder}: is there already", hint="name a folder that is to be made")
    with store.writing():  # what is being read is not collected meanwhile
        manifest = parse_manifest(read_blob(store.blobs, digest), None, str(digest))
        config = parse_config(read_blob(store.blobs, manifest.config.digest), str(manifest.config.digest))
        with folder_in(store, folder.parent) as work:
            root = work / "root"
            root.mkdir(0o755)
            unpack_merged(store.blobs, layers_with_diff_ids(manifest, config), root, store.limits, progress)
            root.rename(folder)
