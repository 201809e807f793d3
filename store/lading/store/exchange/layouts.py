"""Images for other tools and from them: OCI image layouts as a folder or a tar archive, and docker's archive.

A layout that exists is added to; an archive is written anew. Either way a reader sees the old or the new one, and
of several writers of one layout each adds to what the other left. Archives are in `export`, reading in `ingest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lading.store.content.blobs import copy_blob
from lading.store.exchange.export import Saved, entries, parts, to_file, write_archive
from lading.store.exchange.ingest import read_archive, read_docker_archive, read_layout, read_oci_archive
from lading.store.exchange.layout_sink import LayoutSink
from lading.store.oci.descriptors import Descriptor
from lading.store.store import Store

__all__ = [
    "read_archive",
    "read_docker_archive",
    "read_layout",
    "read_oci_archive",
    "write_docker_archive",
    "write_layout",
    "write_oci_archive",
]


def write_layout(
    store: Store, descriptor: Descriptor, folder: Path, names: Sequence[str], *, evidence: bool = False
) -> None:
    """Writes an image into the layout at `folder`, under `names`; a name that was there means this image then.

    With `evidence`, what refers to it goes along. Raises `DocumentError` where a part of the image is not here, or
    what is in the folder already is no layout.
    """
    sink = LayoutSink(folder)
    with store.writing(), sink.writing():
        for digest in parts(store, descriptor, evidence=evidence):
            if not sink.is_intact(digest):
                copy_blob(store.blobs, digest, sink.blobs)
        for raw in entries(store, Saved(descriptor, tuple(names)), evidence=evidence):
            entry = Descriptor.parse(raw, "entry")
            sink.add(entry, is_image=entry.digest == descriptor.digest)


def write_oci_archive(
    store: Store, descriptor: Descriptor, file: Path, names: Sequence[str], *, evidence: bool = False
) -> None:
    """Writes an image as a layout in a tar archive; the same image gives the same bytes."""
    image = Saved(descriptor, tuple(names))
    to_file(file, lambda sink: write_archive(store, [image], sink, "oci", evidence=evidence))


def write_docker_archive(store: Store, descriptor: Descriptor, file: Path, names: Sequence[str]) -> None:
    """Writes an image as `docker save` did, its layers uncompressed. Raises `InputError` for an index."""
    image = Saved(descriptor, tuple(names))
    to_file(file, lambda sink: write_archive(store, [image], sink, "docker"))
