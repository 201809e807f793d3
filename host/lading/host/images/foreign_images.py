"""Images of other platforms than this machine's own: whether it executes their programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lading.store.content.blobs import read_blob
from lading.store.errors import MachineError
from lading.store.oci.documents import parse_manifest
from lading.store.oci.json import MAX_SIZE
from lading.store.oci.platform_choice import taken
from lading.store.oci.platforms import host_platform, normalise

if TYPE_CHECKING:
    from lading.store.oci.digests import Digest
    from lading.store.store import Store


def lacking_emulator(store: Store, digest: Digest) -> str | None:
    """Why this machine cannot execute the programs of the image whose manifest `digest` is, None where it can."""
    manifest = parse_manifest(read_blob(store.blobs, digest, limit=MAX_SIZE), None, str(digest))
    platform, own = normalise(store.config(manifest).platform), host_platform()
    if any((one.os, one.architecture) == (platform.os, platform.architecture) for one in taken(own)):
        return None
    from lading.runtime.oci.binfmt import BinfmtEmulators  # noqa: PLC0415 - most images are this machine's own

    try:
        BinfmtEmulators().emulator(platform)
    except MachineError as error:
        return f"the image is for {platform}, this machine is {own}: {error.message}"
    return None
