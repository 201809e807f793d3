"""Archives of images for other tools, streamed from the blobs: an OCI image layout, docker's archive, or both in one.

The same images give the same bytes. What is written is hashed as it goes: where a blob turns out not to be what its
digest says, the archive breaks off with an error.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from lading.store.archives.layers import EPOCH, open_archive
from lading.store.archives.trees import Entry, Tree
from lading.store.archives.writer import Sink, write_tar
from lading.store.content.verifying_reader import CHUNK
from lading.store.errors import DocumentError, InputError
from lading.store.fastclass import dataclass
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import Index, Manifest, layers_with_diff_ids
from lading.store.oci.json import canonical
from lading.store.oci.layout import CONTAINERD_NAME, LAYOUT, REF_NAME, index_json
from lading.store.store import Store
from lading.store.system.atomic import new_file
from lading.store.system.disk_space import Room
from lading.store.system.machine_errors import machine_errors

Form = Literal["oci", "docker", "both"]
"""An image layout; docker's archive with uncompressed layers; a layout that docker's older readers take, too."""


@dataclass(frozen=True, slots=True)
class Saved:
    """An image to be written, and its names; `manifest` is what docker's older readers are shown of an index."""

    descriptor: Descriptor
    names: tuple[str, ...] = ()
    manifest: Manifest | None = None


def write_archive(store: Store, images: Sequence[Saved], sink: Sink, form: Form, *, evidence: bool = False) -> None:
    """Writes the images to `sink`. Raises `DocumentError` where a part of one is not here."""
    with store.writing(), store.blobs.temporary_directory() as folder:
        archive = _Archive(os.fsencode(folder))
        if form == "docker":
            _docker(store, images, archive)
        else:
            _layout(store, images, archive, evidence)
            if form == "both":
                archive.text("manifest.json", canonical([_listed(store, image) for image in images]))
        archive.write(sink)


def to_file(file: Path, write: Callable[[Sink], None]) -> None:
    """A file that appears whole; a pipe or a device is written as it stands."""
    with machine_errors(file):
        if file.exists() and not stat.S_ISREG(file.stat().st_mode):
            with file.open("wb") as out:
                write(out.write)
            return
        with new_file(file, 0o666) as out:
            write(out.write)


def parts(store: Store, descriptor: Descriptor, *, evidence: bool) -> Iterator[Digest]:
    """The blobs of an image, what it consists of before itself; of an index, the images that are here."""
    document = store.document(descriptor)
    if isinstance(document, Index):
        for child in document.manifests:
            if store.blobs.size(child.digest) is not None:
                yield from parts(store, child, evidence=evidence)
    else:
        yield from (part.digest for part in (document.config, *document.layers))
    yield descriptor.digest
    if evidence:
        for referrer in store.referrers(descriptor.digest):
            yield from parts(store, referrer, evidence=evidence)


def entries(store: Store, image: Saved, *, evidence: bool) -> list[dict[str, object]]:
    """What a layout's index lists of an image: under each name, and with `evidence` what refers to it."""
    found = [named(image.descriptor, name, REF_NAME, CONTAINERD_NAME) for name in image.names]
    return [*(found or [image.descriptor.json()]), *(_evidence(store, image.descriptor) if evidence else ())]


def named(descriptor: Descriptor, name: str, *keys: str) -> dict[str, object]:
    """A descriptor with a name."""
    return {**descriptor.json(), "annotations": dict.fromkeys(keys, name)}


def _evidence(store: Store, descriptor: Descriptor) -> Iterator[dict[str, object]]:
    """What refers to an image, to its platforms, and to that in turn; cosign's older form under its tag."""
    document = store.document(descriptor)
    children = document.manifests if isinstance(document, Index) else ()
    for subject in (descriptor, *(child for child in children if store.blobs.size(child.digest) is not None)):
        tags = {digest: tag for tag, digest in store.legacy_tags(subject.digest).items()}
        for referrer in store.referrers(subject.digest):
            tag = tags.get(referrer.digest)
            yield named(referrer, tag, REF_NAME) if tag else referrer.json()
            yield from _evidence(store, referrer)


class _Archive(Tree):
    """The files of an archive, wherever they lie: blobs where they are, all others in a folder."""

    __slots__ = ("places",)

    def __init__(self, folder: bytes) -> None:
        super().__init__(folder)
        self.places: dict[bytes, bytes] = {}

    def source(self, entry: Entry) -> bytes:
        return self.places[entry.path]

    def add(self, path: str, place: Path) -> None:
        self.places[os.fsencode(path)] = os.fsencode(place)

    def text(self, path: str, data: bytes) -> None:
        place = Path(os.fsdecode(self.folder)) / path
        place.write_bytes(data)
        self.add(path, place)

    def blob(self, store: Store, digest: Digest) -> None:
        """A blob under its digest. One that is not there is an error now; what is wrong in it, when it is written."""
        if digest.algorithm != "sha256":
            _read(store, digest)
        elif store.blobs.size(digest) is None:
            store.blobs.open(digest)
        self.add(f"blobs/{digest.algorithm}/{digest.hex}", store.blobs.path(digest))

    def write(self, sink: Sink) -> None:
        folders = {path[:at] for path in self.places for at in range(len(path)) if path[at : at + 1] == b"/"}
        found = [Entry(folder, "directory", 0o755) for folder in folders]
        with machine_errors(Path(os.fsdecode(self.folder))):
            found += [Entry(path, "file", 0o644, size=os.stat(place).st_size) for path, place in self.places.items()]
        self.entries = sorted(found, key=lambda entry: entry.path)
        write_tar(self, self._checked(sink), EPOCH)

    def _checked(self, sink: Sink) -> Sink:
        """What is written so far is checked before more is: the end of an archive is never seen of a wrong one."""

        def write(data: bytes) -> None:
            self._check()
            sink(data)

        return write

    def _check(self) -> None:
        for entry in self.entries:
            algorithm, _, name = os.fsdecode(entry.path).removeprefix("blobs/").partition("/")
            if entry.sha256 and algorithm == "sha256" and entry.sha256 != name:
                raise DocumentError(f"sha256:{name}: its content in the store is {entry.sha256}")


def _read(store: Store, digest: Digest) -> None:
    with store.blobs.open(digest) as reader:
        while reader.read(CHUNK):
            pass


def _layout(store: Store, images: Iterable[Saved], archive: _Archive, evidence: bool) -> None:
    listed: dict[bytes, dict[str, object]] = {}
    for image in images:
        for digest in parts(store, image.descriptor, evidence=evidence):
            archive.blob(store, digest)
        for entry in entries(store, image, evidence=evidence):
            listed.setdefault(canonical(entry), entry)
    archive.text("index.json", index_json(list(listed.values())))
    archive.text("oci-layout", LAYOUT)


def _listed(store: Store, image: Saved) -> dict[str, object]:
    """As docker's older readers find an image among the blobs of a layout."""
    document = image.manifest or _one_platform(store, image.descriptor)
    blobs = [f"blobs/{part.digest.algorithm}/{part.digest.hex}" for part in (document.config, *document.layers)]
    return {"Config": blobs[0], "RepoTags": list(image.names) or None, "Layers": blobs[1:]}


def _one_platform(store: Store, descriptor: Descriptor) -> Manifest:
    document = store.document(descriptor)
    if not isinstance(document, Manifest):
        raise InputError("docker's archive holds one platform", hint="name the digest of one, or use oci-archive")
    return document


def _docker(store: Store, images: Iterable[Saved], archive: _Archive) -> None:
    listed: list[dict[str, object]] = []
    for image in images:
        manifest = _one_platform(store, image.descriptor)
        config = store.config(manifest)
        name = f"{manifest.config.digest.hex}.json"
        archive.text(name, config.raw)
        layers = layers_with_diff_ids(manifest, config)
        for layer, diff_id in layers:
            _decompress(store, layer, diff_id, archive)
        files = [f"{diff_id.hex}.tar" for _, diff_id in layers]
        listed.append({"Config": name, "RepoTags": list(image.names) or None, "Layers": files})
    archive.text("manifest.json", canonical(listed))


def _decompress(store: Store, layer: Descriptor, diff_id: Digest, archive: _Archive) -> None:
    name = f"{diff_id.hex}.tar"
    if os.fsencode(name) in archive.places:
        return
    file = Path(os.fsdecode(archive.folder)) / name
    room = Room(archive.folder, f"layer {layer.digest}")
    with (
        open_archive(store.blobs, layer, diff_id, limits=store.limits) as source,
        machine_errors(file),
        file.open("wb", buffering=0) as out,
    ):
        while data := source.read(CHUNK):
            room.write(out.fileno(), data)
        out.truncate()
    archive.add(name, file)
