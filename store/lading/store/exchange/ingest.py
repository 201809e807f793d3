"""Images from other tools: OCI image layouts as a folder or a tar archive, and docker's archive.

What is read is taken into the store, every blob held to its digest and every docker layer to its diff ID; nothing
is named here. Callers stay inside `Store.writing` until they have named what they keep. An archive is read once,
from front to back: each of its files becomes a blob, and what turns out to be none of an image's is collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

from lading.store.content.blobs import Source, copy_blob, read_blob
from lading.store.content.files import FileBlobs
from lading.store.errors import DocumentError, InputError
from lading.store.exchange.archive_ingest import IngestedArchive, ingest_archive, plain
from lading.store.oci.descriptors import Descriptor
from lading.store.oci.digests import Digest
from lading.store.oci.documents import CONFIG, DOCUMENTS, LAYER, MANIFEST, Index, Manifest, parse_config, parse_document
from lading.store.oci.json import MAX_SIZE, Fields, canonical, kind, parse
from lading.store.oci.layout import CONTAINERD_NAME, REF_NAME
from lading.store.progress import QUIET, Progress, Task
from lading.store.store import Store
from lading.store.system.machine_errors import machine_errors
from lading.store.system.patterns import pattern
from lading.store.system.regular_files import read_below

Loaded = tuple[tuple[str, ...], Descriptor]
"""The names that whoever wrote it gave an image, as they stand there, and what it is."""

_MAX_DEPTH: Final = 4
"""Indexes within indexes."""
_MAX_IMAGES: Final = 4096
_EVIDENCE: Final = pattern(r"(?:^|[:@])(sha256-[0-9a-f]{64}(?:\.[a-z]+)?)$")
"""Tags of cosign's older form, and of registries without referrers."""


def read_layout(store: Store, folder: Path, progress: Progress = QUIET) -> list[Loaded]:
    """The images of the layout at `folder`; evidence comes along. Raises `DocumentError`, `InputError`."""
    entries = layout_entries(folder)
    task = progress.task(f"loading {folder.name}")
    loaded = _take(store, FileBlobs(folder), [entry for entry, _ in entries], task)
    task.done()
    return loaded


def read_archive(store: Store, file: Path | int, progress: Progress = QUIET) -> list[Loaded]:
    """The images of a tar archive that holds a layout, or is docker's; one that is both is read as a layout."""
    ingested = ingest_archive(store.blobs, file, progress)
    if b"index.json" in ingested.paths and b"oci-layout" in ingested.paths:
        return _from_oci(store, ingested)
    if b"manifest.json" in ingested.paths:
        return _from_docker(store, ingested)
    raise InputError(f"{ingested.where}: neither an OCI image layout nor docker's archive")


def read_oci_archive(store: Store, file: Path, progress: Progress = QUIET) -> list[Loaded]:
    """The images of a layout in a tar archive, compressed or not."""
    return _from_oci(store, ingest_archive(store.blobs, file, progress))


def read_docker_archive(store: Store, file: Path, progress: Progress = QUIET) -> list[Loaded]:
    """The images of an archive by `docker save`, as OCI images with uncompressed layers."""
    return _from_docker(store, ingest_archive(store.blobs, file, progress))


def legacy_tag(name: str) -> str | None:
    """The tag in a name that says that it is evidence, of cosign's older form or of a registry without referrers."""
    found = _EVIDENCE.search(name)
    return found.group(1) if found else None


def layout_entries(folder: Path) -> list[tuple[Descriptor, dict[str, object]]]:
    """What a layout's `index.json` lists, read and as it stands there. Raises `DocumentError`, `InputError`."""
    path = folder / "index.json"
    with machine_errors(path):
        try:
            raw = read_below(folder, "index.json", MAX_SIZE)
        except FileNotFoundError:
            raise InputError(f"{folder}: not an OCI image layout: it has no index.json") from None
    return _entries(raw, str(path))


def _entries(raw: bytes, where: str) -> list[tuple[Descriptor, dict[str, object]]]:
    items = Fields(parse(raw, where), where).items("manifests")
    if len(items) > _MAX_IMAGES:
        raise DocumentError(f"{where}: more than {_MAX_IMAGES} entries")
    names = [f"{where}: manifests[{at}]" for at in range(len(items))]
    return [(Descriptor.parse(item, name), Fields(item, name).rest()) for item, name in zip(items, names, strict=True)]


def _from_oci(store: Store, ingested: IngestedArchive) -> list[Loaded]:
    raw = read_blob(ingested, ingested.at("index.json"))
    entries = _entries(raw, f"{ingested.where}: index.json")
    return _take(store, ingested, [entry for entry, _ in entries], QUIET.task(""))


def _take(store: Store, source: Source, entries: Sequence[Descriptor], task: Task) -> list[Loaded]:
    """The images among the entries, everything taken over; what is evidence is not among them."""
    ingester = _Ingester(store, source, task)
    images: dict[Digest, tuple[list[str], Descriptor]] = {}
    for entry in entries:
        if entry.media_type not in DOCUMENTS:
            continue  # "implementations SHOULD ignore" what they do not know
        name = entry.annotations.get(CONTAINERD_NAME) or entry.annotations.get(REF_NAME)
        tag = legacy_tag(name) if name else None
        legacy = tag if tag and tag.endswith((".sig", ".att")) else None
        document = ingester.ingest(entry, legacy)
        if tag or document.subject:
            continue
        names, _ = images.setdefault(entry.digest, ([], document.descriptor))
        if name and name not in names:
            names.append(name)
    return [(tuple(names), descriptor) for names, descriptor in images.values()]


class _Ingester:
    """Takes documents with all below them from a source into a store, each once."""

    def __init__(self, store: Store, source: Source, task: Task) -> None:
        self._store = store
        self._source = source
        self._task = task
        self._done: dict[tuple[Digest, str], Manifest | Index] = {}

    def ingest(self, descriptor: Descriptor, tag: str | None = None, depth: int = 0) -> Manifest | Index:
        """A document; what it consists of is there before it is."""
        key = (descriptor.digest, descriptor.media_type)
        if key in self._done and tag is None:
            return self._done[key]
        document = self._read(descriptor)
        if isinstance(document, Manifest):
            for part in (document.config, *document.layers):
                self._blob(part)
        elif depth == _MAX_DEPTH:
            raise DocumentError(f"{descriptor.digest}: an index more than {_MAX_DEPTH} deep in others")
        else:
            for child in document.manifests:
                if child.media_type in DOCUMENTS and self._source.size(child.digest) is not None:
                    self.ingest(child, None, depth + 1)
        self._store.put_manifest(document.raw, descriptor.media_type, tag=tag)
        self._done[key] = document
        return document

    def _read(self, descriptor: Descriptor) -> Manifest | Index:
        raw = read_blob(self._source, descriptor.digest)
        _check_size(descriptor, len(raw))
        return parse_document(raw, descriptor.media_type, str(descriptor.digest))

    def _blob(self, part: Descriptor) -> None:
        size = self._source.size(part.digest)
        if size is not None:
            _check_size(part, size)
        if size is None or not self._store.seals.holds(part.digest):
            copy_blob(self._source, part.digest, self._store.blobs, self._task)


def _check_size(descriptor: Descriptor, size: int) -> None:
    if size != descriptor.size:
        raise DocumentError(f"{descriptor.digest}: has {size} bytes, but its descriptor says {descriptor.size}")


def _from_docker(store: Store, ingested: IngestedArchive) -> list[Loaded]:
    where = f"{ingested.where}: manifest.json"
    items = parse(read_blob(ingested, ingested.at("manifest.json")), where)
    if not isinstance(items, list):
        raise DocumentError(f"{where}: expected an array of images, found {kind(items)}")
    images = cast("list[object]", items)
    if len(images) > _MAX_IMAGES:
        raise DocumentError(f"{where}: more than {_MAX_IMAGES} images")
    return [_docker_image(store, ingested, Fields(image, where)) for image in images]


def _docker_image(store: Store, ingested: IngestedArchive, fields: Fields) -> Loaded:
    digest = ingested.at(fields.text("Config"))
    raw = read_blob(ingested, digest)
    config = parse_config(raw, f"{ingested.where}: the config {digest}")
    files = fields.strings("Layers")
    if len(files) != len(config.diff_ids):
        raise DocumentError(f"{fields.source}: {len(files)} layers, but the config lists {len(config.diff_ids)}")
    layers = [plain(ingested, file, diff_id) for file, diff_id in zip(files, config.diff_ids, strict=True)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": Descriptor(CONFIG, digest, len(raw)).json(),
        "layers": [Descriptor(LAYER, diff_id, size).json() for diff_id, size in layers],
    }
    return fields.strings("RepoTags"), store.put_manifest(canonical(manifest), MANIFEST)
