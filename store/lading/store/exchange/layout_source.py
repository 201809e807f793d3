"""An OCI image layout as a source of images: read where it lies, every blob held to its digest."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lading.store.content.files import FileBlobs
from lading.store.errors import InputError
from lading.store.exchange.ingest import layout_entries, legacy_tag
from lading.store.exchange.layout_sink import layout_document
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import DOCUMENTS, Index, Manifest
from lading.store.oci.layout import CONTAINERD_NAME, REF_NAME
from lading.store.store import legacy_subject


class LayoutSource:
    """The images of the layout at a folder, and what its index lists that refers to them. Nothing is written there."""

    def __init__(self, folder: Path) -> None:
        """Raises `DocumentError`, `InputError`."""
        self.where = str(folder)
        self.blobs = FileBlobs(folder)
        self._images: dict[Digest, tuple[Descriptor, list[str]]] = {}
        self._referrers: dict[Digest, dict[Digest, Descriptor]] = {}
        self._legacy: dict[Digest, dict[str, Digest]] = {}
        for entry, _ in layout_entries(folder):
            if entry.media_type in DOCUMENTS:
                self._list(entry)

    def _list(self, entry: Descriptor) -> None:
        name = entry.annotations.get(CONTAINERD_NAME) or entry.annotations.get(REF_NAME)
        tag = legacy_tag(name) if name else None
        document = self.document(entry)
        subject = document.subject.digest if document.subject else None
        if tag and tag.endswith((".sig", ".att")):
            subject = legacy_subject(tag)
            self._legacy.setdefault(subject, {})[tag] = entry.digest
        if subject:
            self._referrers.setdefault(subject, {})[entry.digest] = document.descriptor
        elif not tag:
            _, names = self._images.setdefault(entry.digest, (document.descriptor, []))
            names += [name] if name else []

    def image(self, name: str = "") -> Descriptor:
        """The image of a name, or the only one. Raises `InputError`."""
        found = [image for image, names in self._images.values() if not name or name in names]
        if len(found) == 1:
            return found[0]
        known = ", ".join(sorted({known for _, names in self._images.values() for known in names}))
        holds = f"holds {len(found)} images" + (f" named {name}" if name else "")
        raise InputError(f"{self.where}: {holds}", hint=f"its names: {known}" if known else None)

    def document(self, wanted: Descriptor) -> Manifest | Index:
        """As `Store.document`; what is listed with another size is refused."""
        return layout_document(self.blobs, wanted)

    def referrers(self, subject: Digest) -> Sequence[Descriptor]:
        """What the layout's index lists that refers to `subject`."""
        return tuple(self._referrers.get(subject, {}).values())

    def legacy_tags(self, subject: Digest) -> Mapping[str, Digest]:
        """cosign's older evidence of `subject`: tag to digest."""
        return self._legacy.get(subject, {})

    def origins_of(self, digest: Digest) -> Sequence[str]:
        """A layout does not say."""
        del digest
        return ()

    @contextmanager
    def writing(self) -> Generator[None, None, None]:
        """A layout is not collected."""
        yield
