"""`index.json` of the store: its names and the evidence, as other tools read them (image-spec, image-layout.md)."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from lading.store.documents import INDEX
from lading.store.files import machine_errors, write_atomically
from lading.store.strict import canonical

if TYPE_CHECKING:
    from lading.store.store import Store

LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
"""The content of `oci-layout`."""
REF_NAME: Final = "org.opencontainers.image.ref.name"
CONTAINERD_NAME: Final = "io.containerd.image.name"


def index_json(entries: Sequence[Mapping[str, object]]) -> bytes:
    """An index of the given descriptors."""
    return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})


def render_index(store: Store) -> None:
    """Writes `index.json` where it differs. Of several that do so at once, the last has read the newest state."""
    path = store.root / "index.json"
    with machine_errors(path):
        lock = os.open(store.root / "index.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Read first: what comes between this and the names makes the file stale, never wrongly fresh.
        (changed,) = store.index.one("SELECT changed FROM rendering") or (0,)
        data = index_json(_entries(store))
        with machine_errors(path):
            if not path.exists() or path.read_bytes() != data:
                write_atomically(path, data)
        store.index.run("UPDATE rendering SET rendered = ?", (changed,))
    finally:
        os.close(lock)


def _entries(store: Store) -> list[dict[str, object]]:
    """Named images first, then, without a name, other images and what refers to anything."""
    entries: list[dict[str, object]] = []
    for reference in sorted(store.references(), key=lambda found: found.name):
        names = {REF_NAME: reference.name, CONTAINERD_NAME: reference.name}
        entries.append({**reference.descriptor.json(), "annotations": names})
    named = {entry["digest"] for entry in entries}
    unnamed = sorted((image.descriptor for image in store.kept()), key=lambda found: str(found.digest))
    entries += [descriptor.json() for descriptor in unnamed if str(descriptor.digest) not in named]
    rows = store.index.all("SELECT DISTINCT digest, media_type, size, artifact_type FROM referrer ORDER BY digest")
    for digest, media_type, size, kind in rows:
        entry: dict[str, object] = {"mediaType": media_type, "digest": digest, "size": size}
        entries.append({**entry, "artifactType": kind} if kind else entry)
    return entries
