"""Places of cache entries: an OCI layout in a folder, a repository of a registry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lading.build.solver.inline_entries import InlineEntries
from lading.build.solver.shared_entries import LIMIT, envelope_of
from lading.registry.client.client import Client
from lading.registry.errors import NotFoundError
from lading.registry.reference import DEFAULT_TAG, Reference
from lading.store.content.blobs import Blobs, Source, copy_blob, read_blob
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

    def exists(self) -> bool:
        """Whether there is a layout."""
        return (self.folder / "index.json").exists()

    def entries(self, tag: str) -> Iterator[bytes]:
        """As `EntrySource.entries`."""
        manifest = self._manifest(tag)
        if manifest is not None:
            yield read_blob(FileBlobs(self.folder), envelope_of(manifest).digest, limit=LIMIT)

    def has(self, tag: str) -> bool:
        """As `EntryPlace.has`."""
        return self._manifest(tag) is not None

    def _manifest(self, tag: str) -> Manifest | None:
        if not self.exists():
            return None
        for entry, _ in layout_entries(self.folder):
            if entry.annotations.get(REF_NAME) == tag:
                found = layout_document(FileBlobs(self.folder), entry)
                return found if isinstance(found, Manifest) else None
        return None

    def take(self, blob: Descriptor, blobs: Blobs) -> None:
        """As `EntrySource.take`."""
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
    """A repository; entries are its tags, beside whatever else is there, and those that `inline` gives, if any."""

    client: Client
    repository: Reference
    inline: InlineEntries | None = None

    @property
    def title(self) -> str:
        """As warnings name it."""
        return str(self.repository).removesuffix(f":{DEFAULT_TAG}")

    def entries(self, tag: str) -> Iterator[bytes]:
        """As `EntrySource.entries`; those of an image first, whose list is read once."""
        if self.inline is not None:
            yield from self.inline.of(tag)
        manifest = self._manifest(tag)
        if manifest is not None:
            yield self.client.blob(self.repository, envelope_of(manifest), limit=LIMIT)

    def has(self, tag: str) -> bool:
        """As `EntryPlace.has`."""
        return self._manifest(tag) is not None

    def _manifest(self, tag: str) -> Manifest | None:
        try:
            _, raw = self.client.manifest(self.repository.tagged(tag))
        except NotFoundError:
            return None
        found = parse_document(raw, None, tag)
        if not isinstance(found, Manifest):
            raise DocumentError("there is something else than an action's result")
        return found

    def take(self, blob: Descriptor, blobs: Blobs) -> None:
        """As `EntrySource.take`."""
        self.client.pull_blob(self.repository, blob, blobs)

    def put(self, tag: str, manifest: bytes, blobs: Sequence[Descriptor], source: Source) -> None:
        """As `EntryPlace.put`."""
        self.client.will_push(self.repository)
        for blob in blobs:
            self.client.push_blob(self.repository, blob, source)
        self.client.push_manifest(self.repository.tagged(tag), manifest, MANIFEST)
