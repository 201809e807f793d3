"""Places of cache entries: an OCI layout in a folder, a repository of a registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lading.registry.client.client import Client
from lading.registry.errors import NotFoundError
from lading.registry.reference import Reference
from lading.store.content.blobs import Blobs, Source, copy_blob
from lading.store.content.files import FileBlobs
from lading.store.errors import DocumentError
from lading.store.exchange.ingest import layout_entries
from lading.store.exchange.layout_sink import LayoutSink, layout_document
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.documents import MANIFEST, Manifest, parse_document
from lading.store.oci.layout import REF_NAME


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """An OCI layout; what it lists are entries, by their tags."""

    folder: Path

    @property
    def title(self) -> str:
        """As warnings name it."""
        return str(self.folder)

    def manifest(self, tag: str) -> Manifest | None:
        """As `EntryPlace.manifest`."""
        if not (self.folder / "index.json").exists():
            return None
        for entry, _ in layout_entries(self.folder):
            if entry.annotations.get(REF_NAME) == tag:
                found = layout_document(FileBlobs(self.folder), entry)
                return found if isinstance(found, Manifest) else None
        return None

    def take(self, blob: Descriptor, blobs: Blobs) -> None:
        """As `EntryPlace.take`."""
        copy_blob(FileBlobs(self.folder), blob.digest, blobs)

    def put(self, tag: str, manifest: bytes, blobs: Sequence[Descriptor], source: Source) -> None:
        """As `EntryPlace.put`."""
        sink = LayoutSink(self.folder)
        with sink.writing():
            for blob in blobs:
                if not sink.is_intact(blob.digest):
                    copy_blob(source, blob.digest, sink.blobs)
            sink.put_manifest(manifest, MANIFEST, tag=tag)


@dataclass(frozen=True, slots=True)
class RegistryPlace:
    """A repository; entries are its tags, beside whatever else is there."""

    client: Client
    repository: Reference

    @property
    def title(self) -> str:
        """As warnings name it."""
        return self.repository.repository_name

    def manifest(self, tag: str) -> Manifest | None:
        """As `EntryPlace.manifest`."""
        try:
            _, raw = self.client.manifest(self.repository.tagged(tag))
        except NotFoundError:
            return None
        found = parse_document(raw, None, tag)
        if not isinstance(found, Manifest):
            raise DocumentError("there is something else than an action's result")
        return found

    def take(self, blob: Descriptor, blobs: Blobs) -> None:
        """As `EntryPlace.take`."""
        self.client.pull_blob(self.repository, blob, blobs)

    def put(self, tag: str, manifest: bytes, blobs: Sequence[Descriptor], source: Source) -> None:
        """As `EntryPlace.put`."""
        self.client.will_push(self.repository)
        for blob in blobs:
            self.client.push_blob(self.repository, blob, source)
        self.client.push_manifest(self.repository.tagged(tag), manifest, MANIFEST)
