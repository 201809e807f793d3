"""Unpacking images: ahead of their first run, or anew where nothing runs on what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.runtime.containers.records import ContainerRecords
from lading.store.errors import InputError, MachineError
from lading.store.oci.documents import chain_ids
from lading.store.snapshots import unpacking

if TYPE_CHECKING:
    from lading.host.host import Host
    from lading.store.oci.documents import ImageConfig


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
                hint=f"`lading stop {container.name}` first",
            )
