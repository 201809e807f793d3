"""The files of an OCI image layout beside its blobs (image-spec, image-layout.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from lading.store.oci.documents import INDEX
from lading.store.oci.json import canonical
from lading.store.system.atomic import write_atomically
from lading.store.system.machine_errors import machine_errors

LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
"""The content of `oci-layout`."""
REF_NAME: Final = "org.opencontainers.image.ref.name"
CONTAINERD_NAME: Final = "io.containerd.image.name"


def index_json(entries: Sequence[Mapping[str, object]]) -> bytes:
    """An index of the given descriptors."""
    return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})


def write_index_json(root: Path, entries: Sequence[Mapping[str, object]]) -> None:
    """Writes `index.json` of the layout `root` where it differs. Raises `MachineError`."""
    path, data = root / "index.json", index_json(entries)
    with machine_errors(path):
        if not path.exists() or path.read_bytes() != data:
            write_atomically(path, data)
