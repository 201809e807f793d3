"""An OCI image layout as a sink of images: added to where there is one, made where there is none.

A reader sees the index of before or of afterwards, and of several writers each adds to what the other left.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lading.store.content.blobs import read_blob, write_blob
from lading.store.content.files import FileBlobs
from lading.store.content.verifying_reader import CHUNK
from lading.store.errors import DocumentError
from lading.store.exchange.ingest import layout_entries
from lading.store.fastclass import replace
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import Index, Manifest, parse_document
from lading.store.oci.layout import CONTAINERD_NAME, LAYOUT, REF_NAME, index_json
from lading.store.system.atomic import write_atomically
from lading.store.system.locks import take
from lading.store.system.machine_errors import machine_errors

_LOCK: Final = ".lading.lock"


class LayoutSink:
    """The layout at a folder; what is put into it is listed when `writing` ends well."""

    def __init__(self, folder: Path) -> None:
        self.blobs = FileBlobs(folder)
        self._folder = folder
        self._images: list[Descriptor] = []
        self._evidence: list[Descriptor] = []

    @contextmanager
    def writing(self) -> Generator[None, None, None]:
        """One writer at a time. Raises `DocumentError` where what is in the folder already is no layout."""
        with machine_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "blobs").mkdir(exist_ok=True)
        with _alone(self._folder):
            self._images, self._evidence = [], []
            there = layout_entries(self._folder) if os.path.lexists(self._folder / "index.json") else []
            try:
                yield
            finally:
                self.blobs.sweep()
                with suppress(OSError):
                    (self._folder / "tmp").rmdir()
            self._list(there)

    def _list(self, there: Sequence[tuple[Descriptor, dict[str, object]]]) -> None:
        kept = [raw for entry, raw in there if not self._gives_way(entry)]
        known = {raw["digest"] for raw in kept} | {str(image.digest) for image in self._images}
        kept += [image.json() for image in self._images]
        kept += [item.json() for item in self._evidence if str(item.digest) not in known]
        if not (self._folder / "oci-layout").exists():
            write_atomically(self._folder / "oci-layout", LAYOUT)
        write_atomically(self._folder / "index.json", index_json(kept))

    def _gives_way(self, entry: Descriptor) -> bool:
        """Whether something new has its name, or is the very one, an image, without a name."""
        name = entry.annotations.get(REF_NAME)
        if not name:
            return any(image.digest == entry.digest for image in self._images)
        return any(new.annotations.get(REF_NAME) == name for new in (*self._images, *self._evidence))

    def is_intact(self, digest: Digest) -> bool:
        """Whether a whole blob is here: a killed tool may have left half of one under its name."""
        if self.blobs.size(digest) is None:
            return False
        try:
            with self.blobs.open(digest) as reader:
                while reader.read(CHUNK):
                    pass
        except DocumentError:
            return False
        return True

    def document(self, wanted: Descriptor) -> Manifest | Index:
        """As `Store.document`; what is listed with another size is refused."""
        return layout_document(self.blobs, wanted)

    def put_manifest(self, raw: bytes, media_type: str, *, tag: str | None = None) -> Descriptor:
        """As `Store.put_manifest`: one with a subject or a tag of cosign's older form is listed as evidence."""
        document = parse_document(raw, media_type, "manifest")
        write_blob(self.blobs, raw)
        if tag is not None or document.subject:
            names = {REF_NAME: tag} if tag else document.descriptor.annotations
            self.add(replace(document.descriptor, annotations=names), is_image=False)
        return document.descriptor

    def tag(self, name: str, descriptor: Descriptor, origins: Iterable[str] = ()) -> None:
        """Lists an image under a name; a layout does not say where one came from."""
        del origins
        self.add(replace(descriptor, annotations={REF_NAME: name, CONTAINERD_NAME: name}), is_image=True)

    def add(self, entry: Descriptor, *, is_image: bool) -> None:
        """Lists something that is here: an image, or what refers to one."""
        (self._images if is_image else self._evidence).append(entry)


def layout_document(blobs: FileBlobs, wanted: Descriptor) -> Manifest | Index:
    """The manifest or index of a descriptor, read and verified. Raises `DocumentError`, also for another size."""
    raw = read_blob(blobs, wanted.digest)
    if wanted.size and len(raw) != wanted.size:
        raise DocumentError(f"{wanted.digest}: has {len(raw)} bytes, but its descriptor says {wanted.size}")
    return parse_document(raw, wanted.media_type or None, str(wanted.digest))


@contextmanager
def _alone(folder: Path) -> Generator[None, None, None]:
    """One writer at a time in a layout; what it takes is gone afterwards."""
    path = folder / _LOCK
    with machine_errors(path):
        lock = _lock(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _lock(path: Path) -> int:
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        take(lock)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        os.close(lock)  # the one before took the file with it
