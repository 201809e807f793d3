"""Removing what nobody uses: uploads given up, blobs without a manifest, content without a repository."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from lading.registry.server.storage.storage_folder import Storage
from lading.store.errors import MachineError
from lading.store.oci.digests import Digest
from lading.store.system.sqlite import is_full

UPLOAD_LIFE: Final = 24 * 3600.0
"""Seconds after its last byte for which an upload can be gone on with."""
BLOB_LIFE: Final = 24 * 3600.0
"""Seconds for which a blob waits for a manifest that has it, after it was pushed, mounted, or asked for by HEAD."""
GRACE: Final = 3600.0
"""Seconds for which a file that no repository has is left alone."""


def collect(storage: Storage, now: float | None = None) -> int:
    """One round; how many uploads and files were removed. Raises `MachineError`."""
    moment = time.time() if now is None else now
    count = 0
    for name in storage.uploads.idle(moment - UPLOAD_LIFE):
        storage.uploads.cancel(name)
        count += 1
    try:
        storage.catalog.remove_unused_blobs(moment - BLOB_LIFE)
    except MachineError as error:
        if not is_full(error):  # the files that go below make room for the next round
            raise
    storage.blobs.sweep()
    for digest in list(storage.blobs):
        if not storage.catalog.is_used(digest):
            count += _remove(storage, digest, moment - GRACE)
    return count


def _remove(storage: Storage, digest: Digest, before: float) -> bool:
    """The questions and the removal are one transaction: nobody can begin to use it in between."""
    with storage.catalog.transaction():
        if storage.catalog.is_used(digest) or _is_recent(storage.blobs.path(digest), before):
            return False
        return storage.blobs.delete(digest)


def _is_recent(path: Path, before: float) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return max(found.st_mtime, found.st_ctime) > before
