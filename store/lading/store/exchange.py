"""Images for other tools: OCI image layouts as a folder or a tar archive, and docker's archive.

A layout that exists is added to; an archive is written anew. Either way a reader sees the old or the new one.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from lading.store.archives.compression import decoder
from lading.store.archives.writer import write_tar
from lading.store.descriptors import Descriptor
from lading.store.digests import Digest
from lading.store.documents import Index, Manifest
from lading.store.errors import DocumentError, InputError
from lading.store.files import FileBlobs, machine_errors, sync_folder, write_atomically
from lading.store.hashing import CHUNK
from lading.store.layers import EPOCH
from lading.store.layout import CONTAINERD_NAME, REF_NAME, index_json
from lading.store.store import Store
from lading.store.strict import Fields, canonical, parse
from lading.store.trees import scan

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'


def write_layout(
    store: Store, descriptor: Descriptor, folder: Path, names: Sequence[str], *, evidence: bool = False
) -> None:
    """Writes an image into the layout at `folder`, under `names`; a name that was there means this image then.

    With `evidence`, what refers to it goes along. Raises `DocumentError` where a part of the image is not here.
    """
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "blobs").mkdir(exist_ok=True)
    entries = _entries(folder)
    _copy(store, descriptor, FileBlobs(folder), evidence)
    kept = [entry for entry in entries if not _is(entry, descriptor, names)]
    kept += [_named(descriptor, name) for name in names] or [descriptor.json()]
    if evidence:
        known = {str(entry["digest"]) for entry in kept}
        kept += [item.json() for item in _evidence(store, descriptor) if str(item.digest) not in known]
    if not (folder / "oci-layout").exists():
        write_atomically(folder / "oci-layout", _LAYOUT)
    write_atomically(folder / "index.json", index_json(kept))


def write_oci_archive(
    store: Store, descriptor: Descriptor, file: Path, names: Sequence[str], *, evidence: bool = False
) -> None:
    """Writes an image as a layout in a tar archive; the same image gives the same bytes."""
    with _workshop(store) as folder:
        write_layout(store, descriptor, folder, names, evidence=evidence)
        _pack(folder, file)


def write_docker_archive(store: Store, descriptor: Descriptor, file: Path, names: Sequence[str]) -> None:
    """Writes an image as `docker save` does, its layers uncompressed. Raises `InputError` for an index."""
    manifest = store.document(descriptor)
    if not isinstance(manifest, Manifest):
        raise InputError("docker's archive holds one platform", hint="name the digest of one, or use oci-archive:")
    config = store.config(manifest)
    with _workshop(store) as folder:
        layers = [f"{diff_id.hex}.tar" for diff_id in config.diff_ids]
        for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
            _decompress(store, layer, diff_id, folder / f"{diff_id.hex}.tar")
        name = f"{manifest.config.digest.hex}.json"
        (folder / name).write_bytes(config.raw)
        entry = {"Config": name, "RepoTags": list(names) or None, "Layers": layers}
        (folder / "manifest.json").write_bytes(canonical([entry]))
        _pack(folder, file)


def _entries(folder: Path) -> list[dict[str, Any]]:
    path = folder / "index.json"
    if not path.exists():
        return []
    fields = Fields(parse(path.read_bytes(), str(path)), str(path))
    return [Fields(item, str(path)).rest() for item in fields.items("manifests")]


def _is(entry: dict[str, Any], descriptor: Descriptor, names: Sequence[str]) -> bool:
    """Whether an entry gives way: it has one of the names, or is the very image without a name."""
    name = Fields(entry, "index.json").string_map("annotations").get(REF_NAME)
    return name in names if name else entry.get("digest") == str(descriptor.digest)


def _named(descriptor: Descriptor, name: str) -> dict[str, object]:
    return {**descriptor.json(), "annotations": {REF_NAME: name, CONTAINERD_NAME: name}}


def _evidence(store: Store, descriptor: Descriptor) -> Iterator[Descriptor]:
    """What refers to an image, to its platforms, and to that in turn."""
    document = store.document(descriptor)
    children = document.manifests if isinstance(document, Index) else ()
    for subject in (descriptor, *(child for child in children if store.blobs.size(child.digest) is not None)):
        for referrer in store.referrers(subject.digest):
            yield referrer
            yield from _evidence(store, referrer)


def _copy(store: Store, descriptor: Descriptor, target: FileBlobs, evidence: bool) -> None:
    document = store.document(descriptor)
    if isinstance(document, Index):
        for child in document.manifests:
            if store.blobs.size(child.digest) is not None:
                _copy(store, child, target, evidence)
    else:
        for part in (document.config, *document.layers):
            _copy_blob(store, part.digest, target)
    _copy_blob(store, descriptor.digest, target)
    if evidence:
        for referrer in store.referrers(descriptor.digest):
            _copy(store, referrer, target, evidence)


def _copy_blob(store: Store, digest: Digest, target: FileBlobs) -> None:
    if target.size(digest) is not None:
        return
    with store.blobs.open(digest) as reader, target.writer(digest.algorithm) as writer:
        while data := reader.read(CHUNK):
            writer.write(data)
        writer.commit(digest)


def _decompress(store: Store, layer: Descriptor, diff_id: Digest, file: Path) -> None:
    what = f"layer {layer.digest}"
    with store.blobs.open(layer.digest) as reader, machine_errors(file), file.open("wb") as out:
        source = decoder(reader, layer.media_type, what)
        while data := source.read(CHUNK):
            out.write(data)
    import hashlib  # noqa: PLC0415

    with file.open("rb") as stream:
        if hashlib.file_digest(stream, diff_id.algorithm).hexdigest() != diff_id.hex:
            raise DocumentError(f"{what}: is not the archive that the image's config names")


@contextmanager
def _workshop(store: Store) -> Generator[Path, None, None]:
    folder = store.root / "tmp" / f"export-{secrets.token_hex(6)}"
    with machine_errors(folder):
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _pack(folder: Path, file: Path) -> None:
    """The folder as a tar archive at `file`, which appears whole."""
    part = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    with machine_errors(file):
        try:
            with part.open("wb") as out:
                write_tar(scan(folder), out.write, EPOCH)
                out.flush()
                os.fsync(out.fileno())
            part.replace(file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(file.parent)
